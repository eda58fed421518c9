//! Where the corpora are.

use std::fs;
use std::path::PathBuf;

/// Writes one seed of the corpus of `target`.
pub(crate) fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}
