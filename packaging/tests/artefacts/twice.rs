//! The same programs make the same artefacts, whatever the folder. `./justw package` also builds the programs twice.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{made, make, output, tree};

/// The tree as git sees it, elsewhere.
fn copy(to: &Path) {
    let script = "git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t \"$0\"";
    output(Command::new("sh").args(["-c", script]).arg(to).current_dir(tree()));
}

#[test]
fn another_folder_makes_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, out) = (folder.path().join("somewhere/else"), folder.path().join("out"));
    fs::create_dir_all(&source).expect("a folder");
    copy(&source);
    let again = make(&source, &out);
    assert_eq!(again.len(), fs::read_dir(made()).expect("a folder").count());
    for file in again {
        let name = file.file_name().expect("a name");
        let same = fs::read(&file).expect("a file") == fs::read(made().join(name)).expect("a file");
        assert!(same, "{} differs", name.display());
    }
}
