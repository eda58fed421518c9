//! How the programs are built, and what is in them besides crates.

use std::fmt;

use serde::Deserialize;

/// One call of `cargo build`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Packages of the workspace that are built together, so that the features of one are those of all.
    pub packages: Vec<String>,
    /// Whether they are built with their default features.
    #[serde(default = "yes")]
    pub default_features: bool,
    /// The profile of Cargo.toml.
    pub profile: String,
    /// The programs that come out of it.
    pub programs: Vec<Built>,
}

/// A program that a build makes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// Its name here.
    pub program: ProgramName,
    /// The package of the workspace that it is part of.
    pub package: String,
    /// Its file's name.
    pub file: String,
}

/// C code in a crate, which its build compiles into the program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundled {
    /// The crate.
    #[serde(rename = "crate")]
    pub krate: String,
    /// The project's name.
    pub name: String,
    /// An SPDX expression; without one, that of the crate.
    pub licence: Option<String>,
    /// A file of the tree with the licence's text, where the crate has none.
    pub text: Option<String>,
    /// A file of the crate that defines its version.
    pub header: String,
    /// The macro in it.
    pub version: String,
    /// Package URL, with `{version}` in it.
    pub purl: String,
    /// Name in the National Vulnerability Database, with `{version}` in it.
    pub cpe: Option<String>,
}

/// The container image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name, which is that of the package with the same program, and of the program's file.
    pub name: String,
    /// The program.
    pub program: ProgramName,
    /// Packages of Debian whose libraries and certificates it has.
    pub base: Vec<String>,
    /// SPDX expressions for those.
    pub licences: Vec<String>,
    /// User and group that it runs as.
    pub user: u64,
    /// The folder that a volume is for.
    pub data: String,
    /// What the program is called with, unless told otherwise.
    pub arguments: Vec<String>,
    /// TCP ports of its listeners.
    pub ports: Vec<u16>,
}

/// The programs that are packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramName {
    /// `vouchsafe-guest` with default features.
    Guest,
    /// `vouchsafe-guest` without.
    GuestInitrd,
    /// `vouchsafe`.
    Broker,
}

impl Build {
    /// The options of cargo that select what is built.
    pub(crate) fn selection(&self) -> Vec<&str> {
        let packages = self.packages.iter().flat_map(|package| ["-p", package]);
        packages.chain((!self.default_features).then_some("--no-default-features")).collect()
    }
}

/// The option that names its file.
impl fmt::Display for ProgramName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guest => "guest",
            Self::GuestInitrd => "guest-initrd",
            Self::Broker => "broker",
        })
    }
}

const fn yes() -> bool {
    true
}
