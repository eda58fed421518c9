//! Builds the programs so that neither the folder nor the user that builds is in them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::cargo::cargo;
use crate::description::{Build, Description, ProgramName};

/// Builds all programs of a tree in a target folder, and returns their files. With a profile, all in that one instead of their own.
///
/// # Errors
/// When cargo fails.
pub fn compile(
    tree: &Path,
    target: &Path,
    description: &Description,
    profile: Option<&str>,
    epoch: u64,
) -> anyhow::Result<BTreeMap<ProgramName, PathBuf>> {
    fs::create_dir_all(target)?;
    let (tree, target) = (fs::canonicalize(tree)?, fs::canonicalize(target)?);
    // A later build leaves a program of the same name at the same path.
    let kept = target.join("packaged");
    fs::create_dir_all(&kept)?;
    let mut programs = BTreeMap::new();
    for build in &description.builds {
        let profile = profile.unwrap_or(&build.profile);
        run(&tree, &target, build, profile, epoch)?;
        let folder = target.join(if profile == "dev" { "debug" } else { profile });
        for built in &build.programs {
            let (from, to) = (folder.join(&built.file), kept.join(built.program.to_string()));
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
            programs.insert(built.program, to);
        }
    }
    Ok(programs)
}

fn run(tree: &Path, target: &Path, build: &Build, profile: &str, epoch: u64) -> anyhow::Result<()> {
    let mut command = cargo(tree);
    command.args(["build", "--locked", "--profile", profile]).args(build.selection());
    command.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
    let remapped = remapped(tree, target)?;
    let rust = remapped.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", rust.collect::<Vec<_>>().join("\x1f"));
    // C code has paths in messages of assertions.
    let c: Vec<_> = remapped.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    for name in ["CFLAGS", "CXXFLAGS"] {
        command.env(name, c.join(" "));
    }
    let status = command.env("SOURCE_DATE_EPOCH", epoch.to_string()).status().context("cargo")?;
    ensure!(status.success(), "cargo build: {status}");
    Ok(())
}

/// The folders of this machine, and what stands for them. The later of two that match counts, and the target is often in the tree.
fn remapped(tree: &Path, target: &Path) -> anyhow::Result<Vec<(String, &'static str)>> {
    let home = env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let folders = [(cargo_home, "/cargo"), (tree.to_owned(), "/source"), (target.to_owned(), "/target")];
    let text = |(folder, name): (PathBuf, _)| {
        let folder = folder.to_str().context("the path of a folder is no text")?.to_owned();
        ensure!(!folder.contains([' ', '=']), "{folder}: build in a folder without spaces and equals signs");
        Ok((folder, name))
    };
    folders.into_iter().map(text).collect()
}
