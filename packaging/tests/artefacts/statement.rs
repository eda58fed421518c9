//! The provenance statement and SHA256SUMS cover everything.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::{json, list, made, output, read, text, tree};

const STATEMENT: &str = "vouchsafe_0.1.0.provenance.json";

#[test]
fn all_artefacts_are_subjects() {
    let statement = json(STATEMENT);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let subjects: BTreeMap<_, _> = list(&statement["subject"])
        .iter()
        .map(|one| (text(&one["name"]).to_owned(), text(&one["digest"]["sha256"]).to_owned()))
        .collect();
    let sums = String::from_utf8(read("SHA256SUMS")).expect("text");
    let sums: BTreeMap<_, _> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    for entry in fs::read_dir(made()).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "SHA256SUMS" {
            continue;
        }
        assert!(sums.contains_key(name.as_str()), "{name} has no sum");
        if name != STATEMENT {
            assert_eq!(subjects.get(&name).map(String::as_str), sums.get(name.as_str()).copied(), "{name}");
        }
    }
    // One more: the image's manifest, which registries know it by.
    assert_eq!(subjects.len(), sums.len());
    assert_eq!(subjects.keys().filter(|name| name.starts_with("pkg:oci/vouchsafe@sha256:")).count(), 1);
    output(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(made()));
}

#[test]
fn commit_crates_and_packages_are_materials() {
    let statement = json(STATEMENT);
    let definition = &statement["predicate"]["buildDefinition"];
    let head = output(Command::new("git").arg("-C").arg(tree()).args(["rev-parse", "HEAD"]));
    assert_eq!(definition["externalParameters"]["source"]["digest"]["gitCommit"], head.trim());
    let materials = list(&definition["resolvedDependencies"]);
    let lock = output(Command::new("sha256sum").arg(tree().join("Cargo.lock")));
    let lock = lock.split(' ').next().expect("a digest");
    assert!(materials.iter().any(|one| one["name"] == "Cargo.lock" && one["digest"]["sha256"] == lock));
    for name in ["libc6", "libgcc-s1", "ca-certificates"] {
        let start = format!("pkg:deb/debian/{name}@");
        assert!(
            materials.iter().any(|one| one["uri"].as_str().is_some_and(|uri| uri.starts_with(&start))),
            "{name}"
        );
    }
    let tools = definition["internalParameters"]["tools"].as_object().expect("tools");
    assert!(text(&tools["rustc"]).starts_with("rustc 1."), "{tools:?}");
    // Nothing of the machine that builds.
    let whole = statement.to_string();
    for word in ["/home/", "/root", "/tmp", &*tree().display().to_string()] {
        assert!(!whole.contains(word), "{word}");
    }
}
