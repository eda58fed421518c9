//! Real boots under QEMU, with OVMF and a software TPM.
//!
//! `predict` compares what boots measure with the predictions of `vouchsafe baseline predict`. All others
//! boot a Debian whose root file system is encrypted, and whose key a real broker releases or refuses.

#[path = "boot/compare.rs"]
mod compare;
#[path = "boot/disk.rs"]
mod disk;
#[path = "boot/foretold.rs"]
mod foretold;
#[path = "boot/machine.rs"]
mod machine;
#[path = "boot/predict.rs"]
mod predict;
#[path = "boot/suite.rs"]
mod suite;
#[path = "boot/unlock.rs"]
mod unlock;
#[path = "boot/variables.rs"]
mod variables;
#[path = "boot/wire.rs"]
mod wire;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

use suite::Suite;
use unlock::Name;

/// Boots machines under QEMU, and checks what happens.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder of the packages; missing ones are fetched.
    #[arg(long)]
    packages: PathBuf,
    /// The guest for initrds: a build without Google's tokens.
    #[arg(long)]
    guest: PathBuf,
    /// What to boot.
    #[arg(default_value = "all")]
    names: Vec<Name>,
    /// Releases of Debian for `predict`, separated by commas; default: all of them.
    #[arg(long, value_delimiter = ',')]
    suite: Vec<Suite>,
    /// How often `times` boots in each way.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds that a boot may take.
    #[arg(long, default_value_t = 900)]
    limit: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { packages, guest, names, suite, rounds, limit } = Arguments::parse();
    let limit = Duration::from_secs(limit);
    let mut passed = true;
    if names.contains(&Name::Predict) {
        let suites = if suite.is_empty() { Suite::ALL.to_vec() } else { suite };
        passed = predict::run(&packages, &suites, limit)?;
    }
    if names.contains(&Name::Times) {
        unlock::times::run(&packages, &guest, rounds, limit)?;
    }
    let boots = Name::boots(&names);
    if !boots.is_empty() {
        passed &= unlock::run(&packages, &guest, &boots, limit)?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has `scripts/setup` fetch or make what is missing: `boot` the packages of the machine and of what it boots,
/// `root` an installed system.
fn fetch(what: &str, packages: &Path, suite: &str) -> anyhow::Result<()> {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/setup");
    let status = Command::new(setup).arg(what).arg(packages).arg(suite).status()?;
    anyhow::ensure!(status.success(), "the packages of Debian {suite} are not there");
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
