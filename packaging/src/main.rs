//! `./justw package`: makes the artefacts of `packages.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use vouchsafe_packaging::description::{Description, Format, ProgramName};
use vouchsafe_packaging::{Compression, Release, compile, twice};

/// Makes packages, and with --all also the image, the chart, bills of materials, the provenance statement and SHA256SUMS.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder for the packages.
    #[arg(long, default_value = "target/packages")]
    out: PathBuf,
    /// The source tree.
    #[arg(long, default_value = ".")]
    tree: PathBuf,
    /// Build the programs first, with cargo, so that no path of this machine is in them.
    #[arg(long, conflicts_with_all = ["guest", "guest_initrd", "broker"])]
    build: bool,
    /// With --build: cargo's target folder.
    #[arg(long, default_value = "target/package-build")]
    target: PathBuf,
    /// With --build: one profile for all programs, to try something out.
    #[arg(long, requires = "build")]
    profile: Option<String>,
    /// vouchsafe-guest with default features.
    #[arg(long)]
    guest: Option<PathBuf>,
    /// vouchsafe-guest for initrds.
    #[arg(long)]
    guest_initrd: Option<PathBuf>,
    /// The broker.
    #[arg(long)]
    broker: Option<PathBuf>,
    /// Make everything, not only packages. Needs all programs.
    #[arg(long, conflicts_with_all = ["names", "format"])]
    all: bool,
    /// With --all: folder for Debian's packages that the image consists of. apt fetches those that are not there.
    #[arg(long, default_value = "target/image-base")]
    base: PathBuf,
    /// One format alone.
    #[arg(long)]
    format: Option<Format>,
    /// The packaging's revision, in place of the one of packages.toml: for tests of upgrades.
    #[arg(long)]
    revision: Option<String>,
    /// Time of all files, in seconds since 1970; default: that of the last commit.
    #[arg(long, env = "SOURCE_DATE_EPOCH")]
    epoch: Option<u64>,
    /// Compress little, to try something out.
    #[arg(long)]
    fast: bool,
    /// Names of packages. Without any: all whose programs are given.
    names: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the last commit twice from scratch, in different folders and surroundings, and compare the digests of everything.
    Twice {
        /// Folder for the artefacts.
        #[arg(long, default_value = "target/packages")]
        out: PathBuf,
        /// One profile for all programs, to try something out.
        #[arg(long)]
        profile: Option<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Twice { out, profile }) => compare(out, profile.as_deref())?,
        None => make(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn make(arguments: &Arguments) -> anyhow::Result<()> {
    let tree = fs::canonicalize(&arguments.tree).with_context(|| arguments.tree.display().to_string())?;
    let mut description = Description::read(&tree)?;
    if let Some(revision) = &arguments.revision {
        description.revision.clone_from(revision);
    }
    let mut release = Release::new(&tree, &description, BTreeMap::new())?;
    release.epoch = arguments.epoch.unwrap_or(release.epoch);
    if arguments.fast {
        release.compression = Compression::Fast;
    }
    release.programs = if arguments.build {
        compile::compile(&tree, &arguments.target, &description, arguments.profile.as_deref(), release.epoch)?
    } else {
        let given = [
            (ProgramName::Guest, &arguments.guest),
            (ProgramName::GuestInitrd, &arguments.guest_initrd),
            (ProgramName::Broker, &arguments.broker),
        ];
        given.into_iter().filter_map(|(name, path)| Some((name, path.clone()?))).collect()
    };
    let formats = arguments.format.map_or_else(|| vec![Format::Deb, Format::Rpm], |format| vec![format]);
    let made = if arguments.all {
        release.artefacts(&arguments.base, &arguments.out)?
    } else {
        release.build(&arguments.names, &formats, &arguments.out)?
    };
    for file in made {
        writeln!(std::io::stdout(), "{}", file.display())?;
    }
    Ok(())
}

fn compare(out: &Path, profile: Option<&str>) -> anyhow::Result<()> {
    let arguments: Vec<_> =
        profile.iter().flat_map(|profile| ["--profile".to_owned(), (*profile).to_owned()]).collect();
    let work = Path::new("target/package-twice");
    let (made, digests) = twice::twice(Path::new("."), work, &arguments)?;
    let mut printed = std::io::stdout();
    for (name, digest) in &digests {
        writeln!(printed, "{digest}  {name}")?;
    }
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
    fs::rename(&made, out).with_context(|| out.display().to_string())?;
    fs::remove_dir_all(work)?;
    writeln!(
        printed,
        "{} artefacts are the same in both builds; they are in {}.",
        digests.len(),
        out.display()
    )?;
    Ok(())
}
