//! Makes packages: one description, `packages.toml`, into `.deb` and `.rpm`.
//!
//! `dpkg-deb` and `rpmbuild` write the archives. Times are those of the last commit, so that the same programs make the same
//! packages, byte for byte.

mod command;
mod deb;
pub mod description;
mod elf;
mod manual;
mod rpm;
mod scripts;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use description::{Description, Format, ProgramName};
use stage::Stage;

/// What is packaged.
pub struct Release<'a> {
    /// The root of the source tree.
    pub tree: &'a Path,
    /// The packages.
    pub description: &'a Description,
    /// The version of the programs.
    pub version: String,
    /// Seconds since 1970 that all files get as their time.
    pub epoch: u64,
    /// The programs, as cargo left them.
    pub programs: BTreeMap<ProgramName, PathBuf>,
    /// How hard packages are compressed.
    pub compression: Compression,
}

/// How hard packages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// To be shipped.
    Best,
    /// For tests, where seconds count.
    Fast,
}

impl<'a> Release<'a> {
    /// A release of a tree, with the time of the last commit.
    ///
    /// # Errors
    /// When there is no commit.
    pub fn new(
        tree: &'a Path,
        description: &'a Description,
        programs: BTreeMap<ProgramName, PathBuf>,
    ) -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        let epoch = command::text(git.arg("-C").arg(tree).args(["log", "-1", "--format=%ct"]))?;
        let epoch = epoch.trim().parse().context("git log: the time of the last commit")?;
        Ok(Self {
            tree,
            description,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
            programs,
            compression: Compression::Best,
        })
    }

    /// Makes the packages with these names, or all, in these formats. Packages whose programs were not given are left out if no
    /// name asks for them. Returns their files.
    ///
    /// # Errors
    /// When a file is missing, a program needs a library that the description does not know, or a tool fails.
    pub fn build(&self, names: &[String], formats: &[Format], folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        fs::create_dir_all(folder)?;
        let folder = fs::canonicalize(folder)?;
        for name in names {
            if !self.description.packages.iter().any(|package| package.name == *name) {
                bail!("there is no package {name}");
            }
        }
        let mut made = Vec::new();
        for package in &self.description.packages {
            let complete =
                package.programs.iter().all(|program| self.programs.contains_key(&program.program));
            if !(names.contains(&package.name) || names.is_empty() && complete) {
                continue;
            }
            for format in package.formats.iter().filter(|format| formats.contains(format)) {
                let work = tempfile::tempdir()?;
                let stage = Stage::fill(self, package, *format, work.path().join("root"))?;
                let file = match format {
                    Format::Deb => deb::build(&stage, &folder),
                    Format::Rpm => rpm::build(&stage, work.path(), &folder),
                };
                made.push(file.with_context(|| format!("{} as {format}", package.name))?);
            }
        }
        Ok(made)
    }

    /// Version and revision.
    fn version(&self) -> String {
        format!("{}-{}", self.version, self.description.revision)
    }

    fn program(&self, name: ProgramName) -> anyhow::Result<&Path> {
        let path =
            self.programs.get(&name).with_context(|| format!("the program was not given: --{name}"))?;
        if !path.is_file() {
            bail!("{} is missing: build it first", path.display());
        }
        Ok(path)
    }

    /// Its time in UTC, in a format of `date`.
    fn date(&self, format: &str) -> anyhow::Result<String> {
        let mut date = Command::new("date");
        date.args(["--utc", &format!("--date=@{}", self.epoch), &format!("+{format}")]).env("LC_ALL", "C");
        Ok(command::text(&mut date)?.trim().to_owned())
    }
}
