//! Every type named in docs/glossary.md exists.

use std::collections::BTreeSet;

use super::tree;

/// Names in backticks that look like Rust types; of a path, the last part.
fn types(markdown: &str) -> BTreeSet<&str> {
    let quoted = markdown.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.rsplit("::").next()).filter(|name| is_type(name)).collect()
}

fn is_type(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.contains(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Names of types that a source declares.
fn declared(source: &str) -> impl Iterator<Item = &str> {
    let keywords = ["struct ", "enum ", "trait ", "type "];
    let after = keywords.into_iter().flat_map(|keyword| source.split(keyword).skip(1));
    after.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
}

#[test]
fn types_of_the_glossary_exist() {
    let (page, files) = (tree::read("docs/glossary.md"), tree::files());
    let sources = files.iter().filter(|(name, _)| name.ends_with(".rs"));
    let known: BTreeSet<_> = sources.flat_map(|(_, text)| declared(text)).collect();
    let unknown: Vec<_> = types(&page).into_iter().filter(|name| !known.contains(name)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
    assert!(types(&page).len() > 20, "the page names types");
}

#[test]
fn types_are_told_from_other_words() {
    let page = "`protocol::Evidence`, `verify()`, `TPMS_ATTEST`, `Root` and `serde`; Plain";
    assert_eq!(types(page), BTreeSet::from(["Evidence", "Root"]));
    let source = "pub struct Evidence {}\nenum Root { A }\npub(crate) type Row = u8;";
    assert_eq!(declared(source).collect::<BTreeSet<_>>(), BTreeSet::from(["Evidence", "Root", "Row"]));
}
