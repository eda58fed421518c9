//! The layouts of hash, signature and AEAD inputs in comments, and whether the models cite all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Layouts stated in comments: fields joined by `||`, starting with a label.
pub(crate) fn stated(text: &str) -> BTreeSet<String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        match line.trim().strip_prefix("//") {
            Some(comment) => {
                let block = blocks.last_mut().into_iter();
                block.for_each(|block| *block += &format!(" {}", comment.trim_start_matches('/').trim()));
            }
            None => blocks.push(String::new()),
        }
    }
    let sentences = blocks.iter().flat_map(|block| block.split_inclusive(". "));
    sentences
        .map(|sentence| sentence.trim().trim_end_matches('.').to_owned())
        .filter(|text| text.contains("label ||"))
        .collect()
}

/// Layouts of the `.rs` files in `folder`, and below it.
pub(crate) fn of_sources(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(of_sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(stated(&fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_one_sentence_over_any_number_of_lines() {
        let code = "/// What it is.\n    // T = H(label || a\n    //       || b), each length-prefixed.\n    fn f() {}\n// none\n";
        assert_eq!(stated(code), BTreeSet::from(["T = H(label || a || b), each length-prefixed".to_owned()]));
    }
}
