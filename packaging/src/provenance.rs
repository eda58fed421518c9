//! Where the artefacts are from: an in-toto statement with the provenance predicate of SLSA 1.0. It is not signed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::command::text;
use crate::image::base::BasePackage;
use crate::{Release, image};

/// The statement about these files and this image, as JSON.
///
/// # Errors
/// When a file cannot be read, or a tool does not tell its version.
pub(crate) fn statement(
    release: &Release<'_>,
    files: &[PathBuf],
    image: &image::Written,
    base: &[BasePackage],
) -> anyhow::Result<String> {
    let homepage = &release.description.homepage;
    let mut subjects = Vec::new();
    for (name, digest) in digests(files)? {
        subjects.push(json!({ "name": name, "digest": { "sha256": digest } }));
    }
    let digest = image.digest.trim_start_matches("sha256:");
    let name = format!("pkg:oci/{}@{}", release.description.image.name, image.digest);
    subjects.push(json!({ "name": name, "digest": { "sha256": digest } }));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": format!("{homepage}/blob/main/packaging/README.md#provenance"),
                "externalParameters": { "source": source(release), "version": release.version },
                "internalParameters": {
                    "sourceDateEpoch": release.epoch,
                    "uncommittedChanges": release.commit.modified,
                    "tools": tools(release)?,
                },
                "resolvedDependencies": materials(release, base)?,
            },
            "runDetails": { "builder": { "id": format!("{homepage}/blob/main/packaging/README.md#builder") } },
        },
    });
    Ok(serde_json::to_string_pretty(&statement)? + "\n")
}

/// SHA-256 of each file by its name, in hex.
pub(crate) fn digests(files: &[PathBuf]) -> anyhow::Result<BTreeMap<String, String>> {
    let digest = |path: &PathBuf| {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        anyhow::Ok((name, hex::encode(Sha256::digest(bytes))))
    };
    files.iter().map(digest).collect()
}

fn source(release: &Release<'_>) -> Value {
    let uri = format!("git+{}", release.description.homepage);
    json!({ "uri": uri, "digest": { "gitCommit": release.commit.id } })
}

/// The commit, the exact versions of all crates, and the packages in the image.
fn materials(release: &Release<'_>, base: &[BasePackage]) -> anyhow::Result<Vec<Value>> {
    let lock = hex::encode(Sha256::digest(release.file("Cargo.lock")?));
    let mut materials = vec![source(release), json!({ "name": "Cargo.lock", "digest": { "sha256": lock } })];
    materials.extend(base.iter().map(|package| {
        let uri = format!("pkg:deb/debian/{}@{}?arch=amd64", package.name, package.version);
        json!({ "uri": uri, "digest": { "sha256": package.sha256 } })
    }));
    Ok(materials)
}

/// What compiled and packed, each with its version.
fn tools(release: &Release<'_>) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let version = |name: &'static str| {
        let printed = first_line(release.tree, name)?;
        Ok((name, printed))
    };
    ["rustc", "cargo", "cc", "strip", "dpkg-deb", "xz", "gzip", "rpmbuild"].into_iter().map(version).collect()
}

fn first_line(tree: &Path, name: &str) -> anyhow::Result<String> {
    let printed = text(Command::new(name).arg("--version").env("LC_ALL", "C").current_dir(tree))?;
    printed.lines().next().map(ToOwned::to_owned).with_context(|| format!("{name} --version printed nothing"))
}
