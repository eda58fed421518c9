//! Image, bills of materials, provenance statement and chart, made of the dev builds, which `./justw test` makes before.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod bills;
mod chart;
mod container;
mod image;
mod statement;
mod twice;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use vouchsafe_packaging::description::{Description, ProgramName};
use vouchsafe_packaging::{Compression, Release};

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn programs() -> BTreeMap<ProgramName, PathBuf> {
    let folder = std::env::current_exe().expect("a test");
    let folder = folder.ancestors().nth(2).expect("two folders up").to_owned();
    [
        (ProgramName::Guest, "vouchsafe-guest"),
        (ProgramName::GuestInitrd, "vouchsafe-guest"),
        (ProgramName::Broker, "vouchsafe"),
    ]
    .map(|(name, file)| (name, folder.join(file)))
    .into()
}

/// Makes everything out of a tree, in a folder.
fn make(tree: &Path, out: &Path) -> Vec<PathBuf> {
    let description = Description::read(tree).expect("a description");
    let mut release = Release::new(self::tree(), &description, programs()).expect("a commit");
    release.tree = tree;
    release.compression = Compression::Fast;
    // apt fetches Debian's packages once.
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-base");
    release.artefacts(&base, out).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The folder with everything, made once.
fn made() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        make(tree(), folder.path());
        folder
    });
    folder.path()
}

fn read(name: &str) -> Vec<u8> {
    let path = made().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A folder that scripts/tool fetches.
fn tool(name: &str) -> PathBuf {
    PathBuf::from(output(Command::new(tree().join("scripts/tool")).arg(name)).trim())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}
