//! `./justw release packages`: makes the packages of `packages.toml`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use vouchsafe_packaging::description::{Description, Format, ProgramName};
use vouchsafe_packaging::{Compression, Release};

/// Makes Debian and RPM packages.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder for the packages.
    #[arg(long, default_value = "target/packages")]
    out: PathBuf,
    /// vouchsafe-guest with default features.
    #[arg(long)]
    guest: Option<PathBuf>,
    /// vouchsafe-guest for initrds.
    #[arg(long)]
    guest_initrd: Option<PathBuf>,
    /// The broker.
    #[arg(long)]
    broker: Option<PathBuf>,
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

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { out, guest, guest_initrd, broker, format, revision, epoch, fast, names } =
        Arguments::parse();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let mut description = Description::read(tree)?;
    if let Some(revision) = revision {
        description.revision = revision;
    }
    let programs = [
        (ProgramName::Guest, guest),
        (ProgramName::GuestInitrd, guest_initrd),
        (ProgramName::Broker, broker),
    ];
    let programs: BTreeMap<_, _> =
        programs.into_iter().filter_map(|(name, path)| Some((name, path?))).collect();
    let formats = format.map_or_else(|| vec![Format::Deb, Format::Rpm], |format| vec![format]);
    let mut release = Release::new(tree, &description, programs)?;
    release.epoch = epoch.unwrap_or(release.epoch);
    if fast {
        release.compression = Compression::Fast;
    }
    for file in release.build(&names, &formats, &out)? {
        writeln!(std::io::stdout(), "{}", file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
