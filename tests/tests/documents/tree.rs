//! The files of the tree that documents refer to.

use std::fs;
use std::path::Path;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// A file of the tree.
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Sources and documents, with their names below the root.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(root(), &mut found);
    assert!(found.len() > 300, "the tree has more than {} files", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of the tree").map(|entry| entry.expect("an entry")) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().expect("names are UTF-8");
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type().expect("a type").is_dir() {
            collect(&path, found);
        } else if [".rs", ".md", ".toml", ".cedar"].iter().any(|end| name.ends_with(end)) {
            let below = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.push((below, fs::read_to_string(&path).expect("text is UTF-8")));
        }
    }
}
