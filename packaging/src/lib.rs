//! Makes what is released: one description, `packages.toml`, into `.deb` and `.rpm`, an OCI image, a Helm chart, bills of materials
//! and a provenance statement.
//!
//! `dpkg-deb` and `rpmbuild` write the packages. Times are those of the last commit, so that the same programs make the same
//! artefacts, byte for byte.

mod archive;
mod bundled;
mod cargo;
mod chart;
mod command;
pub mod compile;
mod deb;
pub mod description;
mod elf;
mod image;
mod licences;
mod manual;
mod provenance;
mod rpm;
mod sbom;
mod scripts;
mod stage;
pub mod twice;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context as _, bail};

use cargo::Crates;
use description::{Description, Format, ProgramName};
use elf::Stripped;
use image::base::BasePackage;
use licences::Licences;
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
    /// The last commit.
    pub commit: Commit,
    /// The programs, as cargo left them.
    pub programs: BTreeMap<ProgramName, PathBuf>,
    /// How hard packages are compressed.
    pub compression: Compression,
    stripped: Cache<Stripped>,
    crates: Cache<Crates>,
}

/// The commit that a tree is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id, in hex.
    pub id: String,
    /// Whether the tree has changes that are not in it.
    pub modified: bool,
}

/// What was found out about a program.
type Cache<T> = RefCell<BTreeMap<ProgramName, Rc<T>>>;

/// How hard packages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// To be shipped.
    Best,
    /// For tests, where seconds count.
    Fast,
}

impl Compression {
    /// Of gzip.
    const fn level(self) -> u32 {
        match self {
            Self::Best => 9,
            Self::Fast => 1,
        }
    }
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
        let git = |arguments: &[&str]| {
            command::text(Command::new("git").arg("-C").arg(tree).args(arguments))
                .map(|text| text.trim().to_owned())
        };
        let epoch = git(&["log", "-1", "--format=%ct"])?.parse();
        let epoch = epoch.context("git log: the time of the last commit")?;
        let modified = !git(&["status", "--porcelain"])?.is_empty();
        let commit = Commit { id: git(&["rev-parse", "HEAD"])?, modified };
        Ok(Self {
            tree,
            description,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
            commit,
            programs,
            compression: Compression::Best,
            stripped: Cache::default(),
            crates: Cache::default(),
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

    /// Makes everything: packages, bills of materials, image, chart, provenance statement, and the digests of all. The image consists
    /// of Debian's packages in the folder `base`, into which apt fetches those that are missing. Returns the files.
    ///
    /// # Errors
    /// As [`Self::build`], and when apt cannot fetch a package.
    pub fn artefacts(&self, base: &Path, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut made = self.build(&[], &[Format::Deb, Format::Rpm], folder)?;
        let folder = fs::canonicalize(folder)?;
        let add = |name: String, text: String| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| file.display().to_string())?;
            anyhow::Ok(file)
        };
        for package in &self.description.packages {
            for program in &package.programs {
                let bill = sbom::bill(self, program.program, &package.name)?;
                made.push(add(format!("{}_{}.cdx.json", package.name, self.version), bill)?);
            }
        }
        let base = BasePackage::fetch(&self.description.image.base, base)?;
        let image = image::write(self, &base, &folder)?;
        made.push(image.file.clone());
        made.push(chart::write(self, &image.digest, &folder)?);
        let statement = provenance::statement(self, &made, &image, &base)?;
        made.push(add(format!("vouchsafe_{}.provenance.json", self.version), statement)?);
        let sums = provenance::digests(&made)?;
        let sums = sums.into_iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
        made.push(add("SHA256SUMS".to_owned(), sums)?);
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

    /// A program without symbols.
    fn stripped(&self, name: ProgramName) -> anyhow::Result<Rc<Stripped>> {
        cached(&self.stripped, name, || Stripped::of(self.program(name)?))
    }

    /// What a program is built from.
    fn crates(&self, name: ProgramName) -> anyhow::Result<Rc<Crates>> {
        cached(&self.crates, name, || {
            let (build, built) = self.description.build_of(name)?;
            Crates::of(self.tree, build, &built.package)
        })
    }

    fn licences(&self, name: ProgramName) -> anyhow::Result<Licences> {
        Licences::of(self.tree, self.description, &*self.crates(name)?)
    }

    /// A text of the tree.
    fn file(&self, path: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.tree.join(path)).with_context(|| path.to_owned())
    }

    /// The version of the Rust compiler.
    fn compiler(&self) -> anyhow::Result<String> {
        let printed = command::text(Command::new("rustc").arg("--version").current_dir(self.tree))?;
        printed
            .split(' ')
            .nth(1)
            .map(ToOwned::to_owned)
            .with_context(|| format!("rustc --version: {printed}"))
    }

    /// Its time in UTC, in a format of `date`.
    fn date(&self, format: &str) -> anyhow::Result<String> {
        let mut date = Command::new("date");
        date.args(["--utc", &format!("--date=@{}", self.epoch), &format!("+{format}")]).env("LC_ALL", "C");
        Ok(command::text(&mut date)?.trim().to_owned())
    }
}

fn cached<T>(
    cache: &Cache<T>,
    name: ProgramName,
    make: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<Rc<T>> {
    if let Some(there) = cache.borrow().get(&name) {
        return Ok(Rc::clone(there));
    }
    let made = Rc::new(make()?);
    cache.borrow_mut().insert(name, Rc::clone(&made));
    Ok(made)
}
