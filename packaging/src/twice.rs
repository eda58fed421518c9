//! Builds a commit twice, in different folders and surroundings, and compares what comes out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::command::output;
use crate::provenance::digests;

/// What differs between the two builds.
struct Surroundings {
    folder: &'static str,
    language: &'static str,
    time_zone: &'static str,
    user: &'static str,
    host: &'static str,
    /// What new files do not permit.
    umask: &'static str,
}

const SURROUNDINGS: [Surroundings; 2] = [
    Surroundings { folder: "one", language: "C", time_zone: "UTC", user: "root", host: "one", umask: "022" },
    Surroundings {
        folder: "another/folder/at/another/depth",
        language: "C.UTF-8",
        time_zone: "Pacific/Kiritimati",
        user: "somebody",
        host: "another",
        umask: "027",
    },
];

/// Builds the last commit of a tree twice with this program and these arguments, each time from a clone of its own, below `work`.
/// Returns the folder with the artefacts, and the digest of each.
///
/// # Errors
/// When a build fails, or the artefacts differ; the message names those.
pub fn twice(
    tree: &Path,
    work: &Path,
    arguments: &[String],
) -> anyhow::Result<(PathBuf, BTreeMap<String, String>)> {
    if work.exists() {
        fs::remove_dir_all(work).with_context(|| work.display().to_string())?;
    }
    fs::create_dir_all(work)?;
    let work = fs::canonicalize(work)?;
    let mut made = Vec::new();
    for around in SURROUNDINGS {
        let folder = work.join(around.folder);
        let source = folder.join("source");
        output(Command::new("git").args(["clone", "--quiet"]).arg(tree).arg(&source))?;
        let out = folder.join("out");
        let mut build = Command::new("sh");
        build
            .args(["-c", &format!("umask {} && exec \"$0\" \"$@\"", around.umask)])
            .arg(std::env::current_exe()?);
        build.arg("--tree").arg(&source).arg("--target").arg(folder.join("target")).arg("--out").arg(&out);
        build.args(["--build", "--all"]).arg("--base").arg(work.join("base")).args(arguments);
        build.env("LC_ALL", around.language).env("TZ", around.time_zone);
        build.env("USER", around.user).env("LOGNAME", around.user).env("HOSTNAME", around.host);
        build.env_remove("SOURCE_DATE_EPOCH");
        let status = build.stdout(std::process::Stdio::null()).status().context("the build")?;
        ensure!(status.success(), "the build in {} failed", folder.display());
        let files = fs::read_dir(&out)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        made.push((out, digests(&files)?));
    }
    let [(out, first), (other, second)] = made.try_into().map_err(|_| anyhow::anyhow!("two builds"))?;
    let different = different(&first, &second);
    if !different.is_empty() {
        bail!(
            "two builds of one commit differ in {}: compare {} and {}",
            different.join(", "),
            out.display(),
            other.display()
        );
    }
    Ok((out, first))
}

/// The names that are in one alone, or with different digests.
fn different(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_or_are_missing_are_named() {
        let map = |rows: &[(&str, &str)]| -> BTreeMap<String, String> {
            rows.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned())).collect()
        };
        let one = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let other = map(&[("a", "1"), ("b", "9"), ("d", "4")]);
        assert_eq!(different(&one, &other), ["b", "c", "d"]);
        assert!(different(&one, &one).is_empty());
    }
}
