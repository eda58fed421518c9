//! Writes a Debian package with `dpkg-deb`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::Compression;
use crate::command::{output, text};
use crate::description::Format;
use crate::scripts;
use crate::stage::{Stage, write};

/// Adds the control files to the stage, and writes the package into a folder.
pub(crate) fn build(stage: &Stage<'_>, folder: &Path) -> anyhow::Result<PathBuf> {
    let (release, package) = (stage.release, stage.package);
    if !package.lintian_overrides.is_empty() {
        let lines: String =
            package.lintian_overrides.iter().map(|tag| format!("{}: {tag}\n", package.name)).collect();
        stage.write(&format!("/usr/share/lintian/overrides/{}", package.name), lines.as_bytes(), 0o644)?;
    }
    let control = stage.root.join("DEBIAN");
    // Before the control files exist: they are no part of the installed system.
    let (sums, size) = (checksums(stage)?, installed_size(stage)?);
    write(&control.join("control"), control_file(stage, size)?.as_bytes(), 0o644)?;
    write(&control.join("md5sums"), sums.as_bytes(), 0o644)?;
    for (name, script) in scripts::deb(stage)? {
        write(&control.join(name), script.as_bytes(), 0o755)?;
    }
    // Hooks that Debian's tools read in /etc: an administrator may change them, and dpkg asks about them at an upgrade.
    let hooks: String = stage
        .files()?
        .iter()
        .filter(|file| file.starts_with("/etc/"))
        .map(|file| format!("{file}\n"))
        .collect();
    if !hooks.is_empty() {
        write(&control.join("conffiles"), hooks.as_bytes(), 0o644)?;
    }
    if !package.triggers.is_empty() {
        let lines: String =
            package.triggers.iter().map(|name| format!("activate-noawait {name}\n")).collect();
        write(&control.join("triggers"), lines.as_bytes(), 0o644)?;
    }
    output(Command::new("find").arg(&stage.root).args(["-type", "d", "-exec", "chmod", "755", "{}", "+"]))?;
    let file = folder.join(format!("{}_{}_{}.deb", package.name, release.version(), architecture(stage)));
    let mut build = Command::new("dpkg-deb");
    let compression = match release.compression {
        Compression::Best => ["-Zxz", "-z6"],
        Compression::Fast => ["-Zgzip", "-z1"],
    };
    build.arg("--root-owner-group").args(compression).arg("--build").arg(&stage.root).arg(&file);
    output(build.env("SOURCE_DATE_EPOCH", release.epoch.to_string()))?;
    Ok(file)
}

fn architecture(stage: &Stage<'_>) -> &'static str {
    if stage.package.is_for_all() { "all" } else { "amd64" }
}

fn control_file(stage: &Stage<'_>, size: u64) -> anyhow::Result<String> {
    let (release, package) = (stage.release, stage.package);
    let relation = |name: &str, packages: Vec<String>| match packages.as_slice() {
        [] => String::new(),
        _ => format!("{name}: {}\n", packages.join(", ")),
    };
    let depends = relation("Depends", dependencies(stage)?);
    let recommends = relation("Recommends", package.recommends.of(Format::Deb).to_vec());
    let paragraphs = package.description.trim().split("\n\n");
    let description: Vec<String> = paragraphs.map(filled).collect();
    let description = description.join(" .\n");
    Ok(format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: {}\nInstalled-Size: {size}\n{depends}{recommends}Section: admin\n\
         Priority: optional\nHomepage: {}\nDescription: {}\n{description}",
        package.name,
        release.version(),
        architecture(stage),
        release.description.maintainer,
        release.description.homepage,
        package.summary
    ))
}

/// A paragraph in lines of at most 78 characters, each indented by one space.
fn filled(paragraph: &str) -> String {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > 78) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// Packages that it needs: those of the libraries of its programs, then those of the description.
fn dependencies(stage: &Stage<'_>) -> anyhow::Result<Vec<String>> {
    let package = stage.package;
    let description = stage.release.description;
    let named = stage.programs.iter().flat_map(|program| &program.needs.libraries).chain(&package.loads);
    let mut found = BTreeSet::new();
    for library in named {
        let dependency = description.libraries.get(library);
        let dependency =
            dependency.with_context(|| format!("{library} is not among the [libraries] of packages.toml"))?;
        if dependency != "libc6" {
            found.insert(dependency.clone());
        }
    }
    let libc = stage.programs.iter().filter_map(|program| program.needs.glibc).max();
    let libc = libc.map(|(major, minor)| format!("libc6 (>= {major}.{minor})"));
    let version = stage.release.version();
    let same = package.same_version.iter().map(|name| format!("{name} (= {version})"));
    Ok(libc.into_iter().chain(found).chain(same).chain(package.depends.of(Format::Deb).to_vec()).collect())
}

/// Lines of `md5sum`, which `dpkg --verify` reads.
fn checksums(stage: &Stage<'_>) -> anyhow::Result<String> {
    let files = stage.files()?;
    let files = files.iter().map(|file| file.trim_start_matches('/'));
    text(Command::new("md5sum").args(files).current_dir(&stage.root))
}

/// In KiB, as `dpkg-gencontrol` counts: each file rounded up, and one for each folder.
fn installed_size(stage: &Stage<'_>) -> anyhow::Result<u64> {
    let (mut size, mut folders) = (0, BTreeSet::new());
    for file in stage.files()? {
        size += fs::metadata(stage.path(&file))?.len().div_ceil(1024);
        folders.extend(Path::new(&file).ancestors().skip(1).map(Path::to_owned));
    }
    Ok(size + u64::try_from(folders.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_filled() {
        let long = "word ".repeat(40);
        let filled = filled(&long);
        assert!(filled.lines().all(|line| line.starts_with(" word") && line.len() <= 78), "{filled}");
        assert_eq!(filled.split_whitespace().count(), 40);
    }
}
