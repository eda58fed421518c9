//! `packages.toml`: what is in each package, and what it needs.

mod build;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

pub use build::{Build, Built, Bundled, Image, ProgramName};

/// All packages, and what they have in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name and address.
    pub maintainer: String,
    /// The project's URL.
    pub homepage: String,
    /// The packaging's own version, after that of the programs.
    pub revision: String,
    /// Debian's dependency for each library, by SONAME.
    pub libraries: BTreeMap<String, String>,
    /// How the programs are built.
    #[serde(rename = "build")]
    pub builds: Vec<Build>,
    /// C code in crates.
    pub bundled: Vec<Bundled>,
    /// Crates that link a library, and compile no C code of others for it.
    pub without_code: Vec<String>,
    /// Files of the tree with the licence's text of crates that have none in their archive, by the crate's name.
    pub licences: BTreeMap<String, String>,
    /// The image.
    pub image: Image,
    /// The packages.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// A package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The same in every format.
    pub name: String,
    /// One line, without a full stop.
    pub summary: String,
    /// Paragraphs, separated by empty lines.
    pub description: String,
    /// The formats that it is made in.
    #[serde(default = "Format::all")]
    pub formats: Vec<Format>,
    /// Programs, each with completions and a manual page if it is in `/usr/bin`.
    #[serde(default)]
    pub programs: Vec<Program>,
    /// SONAMEs of libraries that its programs load at run time.
    #[serde(default)]
    pub loads: Vec<String>,
    /// Files of the tree.
    #[serde(default)]
    pub files: Vec<File>,
    /// Manual pages; the section is the ending.
    #[serde(default)]
    pub manual: Vec<Manual>,
    /// Files that administrators edit: installed once, kept by upgrades, removed with the package's configuration.
    #[serde(default)]
    pub configuration: Vec<File>,
    /// Units of systemd that are stopped and disabled when the package is removed.
    #[serde(default)]
    pub units: Vec<String>,
    /// Units of systemd that are restarted by an upgrade, if they run.
    #[serde(default)]
    pub restarts: Vec<String>,
    /// Files in `/usr/lib/sysusers.d` whose users are made at installation. They stay when the package is removed, since files may be
    /// theirs.
    #[serde(default)]
    pub users: Vec<String>,
    /// Packages of this description that it needs in the same version.
    #[serde(default)]
    pub same_version: Vec<String>,
    /// What else it needs.
    #[serde(default)]
    pub depends: Names,
    /// What it should be installed with.
    #[serde(default)]
    pub recommends: Names,
    /// Triggers of dpkg that it activates. RPM has no counterpart.
    #[serde(default)]
    pub triggers: Vec<String>,
    /// Tags of lintian that do not apply, each with its reason in a comment of the description.
    #[serde(default)]
    pub lintian_overrides: Vec<String>,
}

/// A program that cargo built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Which.
    pub program: ProgramName,
    /// Where it goes.
    pub to: String,
}

/// A file of the tree. It can be run if it begins with `#!`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the tree; of a folder, all files in it.
    pub from: String,
    /// Its absolute path in the system.
    pub to: String,
    /// Texts to replace.
    #[serde(default)]
    pub replace: BTreeMap<String, String>,
    /// The formats that it is part of.
    #[serde(default = "Format::all")]
    pub formats: Vec<Format>,
}

/// A manual page of the tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// Its path in the tree.
    pub from: String,
}

/// Names of other packages by format.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Debian's, with alternatives and versions.
    #[serde(default)]
    pub deb: Vec<String>,
    /// Those of Fedora and RHEL.
    #[serde(default)]
    pub rpm: Vec<String>,
}

/// A package format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Debian's and Ubuntu's.
    Deb,
    /// That of Fedora, RHEL and SUSE.
    Rpm,
}

impl Format {
    fn all() -> Vec<Self> {
        vec![Self::Deb, Self::Rpm]
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        })
    }
}

impl Names {
    /// The names of a format.
    #[must_use]
    pub fn of(&self, format: Format) -> &[String] {
        match format {
            Format::Deb => &self.deb,
            Format::Rpm => &self.rpm,
        }
    }
}

impl Package {
    /// Whether it is the same for every processor.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.programs.is_empty()
    }
}

impl Description {
    /// Reads and checks the description of the tree at `root`.
    ///
    /// # Errors
    /// When the file cannot be read, or contradicts itself.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("packaging/packages.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Parses and checks a text.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let description: Self = toml::from_str(text)?;
        for program in description.packages.iter().flat_map(|package| &package.programs) {
            description.build_of(program.program)?;
        }
        for package in &description.packages {
            let name = &package.name;
            let destinations = package.files.iter().chain(&package.configuration).map(|file| &file.to);
            for to in destinations.chain(package.programs.iter().map(|program| &program.to)) {
                ensure!(to.starts_with('/'), "{name}: {to} is not an absolute path");
                // Debian 13 refuses to mix /lib with /usr/lib.
                ensure!(
                    to.starts_with("/usr/") || to.starts_with("/etc/"),
                    "{name}: {to} is not below /usr or /etc"
                );
            }
            for other in &package.same_version {
                let known = description.packages.iter().any(|package| package.name == *other);
                ensure!(known, "{name}: there is no package {other} to be of the same version");
            }
        }
        Ok(description)
    }

    /// How a program is built.
    ///
    /// # Errors
    /// When no build makes it.
    pub fn build_of(&self, program: ProgramName) -> anyhow::Result<(&Build, &Built)> {
        let made =
            self.builds.iter().flat_map(|build| build.programs.iter().map(move |built| (build, built)));
        let mut made = made.filter(|(_, built)| built.program == program);
        made.next().with_context(|| format!("no [[build]] makes the program {program}"))
    }
}
