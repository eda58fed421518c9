//! The licences of what is in a program besides code of the tree: a list, and the texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::bundled;
use crate::cargo::{Crate, Crates};
use crate::description::Description;

/// What a program contains of others.
pub(crate) struct Licences {
    /// Name and version, SPDX expression, and where it is from.
    pub(crate) entries: BTreeSet<(String, String, String)>,
    /// Each text once, with the names of those that it is for.
    texts: BTreeMap<String, BTreeSet<String>>,
}

impl Licences {
    /// Of a program's crates, and of the C code and the standard library in it.
    ///
    /// # Errors
    /// When a licence or its text is missing.
    pub(crate) fn of(tree: &Path, description: &Description, crates: &Crates) -> anyhow::Result<Self> {
        let apache = fs::read_to_string(tree.join("LICENSE")).context("LICENSE")?;
        let mut found = Self { entries: BTreeSet::new(), texts: BTreeMap::new() };
        for ((name, version), krate) in crates.others() {
            let title = format!("{name} {version}");
            let licence = krate.manifest.licence();
            let licence = licence.with_context(|| format!("{title}: its manifest names no licence"))?;
            for text in texts(tree, description, name, krate, &licence, &apache)? {
                found.text(&text, &title);
            }
            found.entries.insert((title, licence, format!("https://crates.io/crates/{name}/{version}")));
        }
        for code in bundled::found(crates, description)? {
            let title = format!("{} {}, in crate {}", code.bundled.name, code.version, code.id.0);
            if let Some(text) = &code.bundled.text {
                found.text(&fs::read_to_string(tree.join(text)).with_context(|| text.clone())?, &title);
            }
            found.entries.insert((title, code.licence.clone(), code.purl()));
        }
        let title = "Rust standard library".to_owned();
        found.text(&apache, &title);
        found.entries.insert((title, "MIT OR Apache-2.0".to_owned(), "https://www.rust-lang.org".to_owned()));
        Ok(found)
    }

    fn text(&mut self, text: &str, title: &str) {
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        let text = lines.join("\n").trim_matches('\n').to_owned();
        self.texts.entry(text).or_default().insert(title.to_owned());
    }

    /// Every expression, once, to be joined by AND.
    pub(crate) fn conjuncts(&self) -> impl Iterator<Item = String> {
        let expressions: BTreeSet<_> = self.entries.iter().map(|(_, licence, _)| licence.as_str()).collect();
        expressions
            .into_iter()
            .map(|licence| if licence.contains(" OR ") { format!("({licence})") } else { licence.to_owned() })
    }

    /// The file `THIRD-PARTY-LICENSES`.
    pub(crate) fn file(&self, program: &str) -> String {
        let mut file = format!(
            "Software of others in {program}, which itself is under the Apache License 2.0.\n\n\
             First a list with the licence of each as an SPDX expression, then the texts.\n\n"
        );
        for (title, licence, from) in &self.entries {
            file.push_str(&format!("  {title}: {licence}\n    {from}\n"));
        }
        for (text, titles) in &self.texts {
            let titles: String = titles.iter().map(|title| format!("  {title}\n")).collect();
            file.push_str(&format!("\n{LINE}\n\nFor:\n{titles}\n{text}\n"));
        }
        file
    }
}

const LINE: &str = "------------------------------------------------------------------------------";

/// The texts that a crate has to be shipped with.
fn texts(
    tree: &Path,
    description: &Description,
    name: &str,
    krate: &Crate,
    licence: &str,
    apache: &str,
) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    collect(krate.manifest.folder(), &mut found)?;
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(file) = description.licences.get(name) {
        return Ok(vec![fs::read_to_string(tree.join(file)).with_context(|| file.clone())?]);
    }
    if licence.split(['(', ')', ' ']).any(|word| word == "Apache-2.0") && !licence.contains(" AND ") {
        return Ok(vec![apache.to_owned()]);
    }
    bail!("{name}: its archive has no text of {licence}: add one to [licences] of packages.toml")
}

/// Licences and notices in a folder and in those below it, where C code has its own.
fn collect(folder: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if is_licence(&entry.file_name().to_string_lossy()) {
            found.push(fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let starts = ["licen", "copying", "notice", "copyright", "unlicense"];
    let code = [".rs", ".c", ".h", ".py", ".toml", ".json", ".yml", ".html", ".css", ".sh"];
    starts.iter().any(|start| name.starts_with(start)) && !code.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_told_from_code() {
        for name in ["LICENSE", "LICENSE-MIT", "license.txt", "LICENCE.md", "COPYING", "NOTICE", "UNLICENSE"]
        {
            assert!(is_licence(name), "{name}");
        }
        for name in ["license.rs", "licenses.toml", "README.md", "notice.h"] {
            assert!(!is_licence(name), "{name}");
        }
    }

    #[test]
    fn a_text_is_there_once_with_all_that_it_is_for() {
        let mut licences = Licences { entries: BTreeSet::new(), texts: BTreeMap::new() };
        let entry = |title: &str| (title.to_owned(), "MIT".to_owned(), "https://example.com".to_owned());
        licences.entries.extend([entry("a 1"), entry("b 2")]);
        licences.text("One.\nTwo.", "a 1");
        licences.text("\nOne.  \nTwo.\n", "b 2");
        let file = licences.file("it");
        assert_eq!(file.matches("One.\nTwo.\n").count(), 1, "{file}");
        assert!(file.contains("For:\n  a 1\n  b 2\n\nOne."), "{file}");
        assert!(file.contains("\n  b 2: MIT\n    https://example.com\n"), "{file}");
        assert_eq!(licences.conjuncts().collect::<Vec<_>>(), ["MIT"]);
    }
}
