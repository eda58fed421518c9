//! The crash test: `kill -9` in the middle of puts and releases, again and again on one data directory.
//!
//! After each restart it checks that every acknowledged put exists and is released with exactly its value,
//! that every secret which a guest received has its grant recorded and its nonce spent, and that nothing is
//! half-written: an unacknowledged put exists completely, with its record in the log, or not at all. It kills
//! the process, not the machine: losses of the disk itself are not tested.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/log.rs"]
mod log;
#[path = "crash/rotation.rs"]
mod rotation;
#[path = "crash/work.rs"]
mod work;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use clap::Parser;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Kind};

use check::Checker;
use ledger::Ledger;
use rotation::{Load, Rotations};
use work::{Dice, Work};

/// Kills a broker at random points and checks what is left.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds: work, kill, restart, check.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Puts and releases per round; the kill comes at some point among them.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..))]
    operations: u64,
    /// Each round takes every step of a rotation of the keyring, a backup and a restore, and kills in the middle of each.
    #[arg(long)]
    rotation: bool,
    /// Repeats the same choices. How the system interleaves them stays random.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => random()?,
    };
    say(&format!("seed {seed}"))?;
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(folder.path(), &fleet::roots(), fleet::LIMITS)?;
    fleet::prepare(&broker, POLICY, &Kind::Snp.policy())?;
    let vms = fleet::boot(4);
    let mut ledger = Ledger::default();
    let mut checker = Checker::new(&broker, &vms)?;
    let mut missing = Vec::new();
    let mut rotations =
        arguments.rotation.then(|| Rotations::prepare(&mut broker, folder.path())).transpose()?;
    for round in 1..=arguments.rounds {
        let mut dice = Dice::new(seed, u64::from(round));
        missing = if let Some(rotations) = &mut rotations {
            let load = Load { vms: &vms, operations: arguments.operations };
            rotations.round(&mut broker, load, round, &mut dice, (&mut ledger, &mut checker))?
        } else {
            ledger = round_of(&mut broker, &vms, round, &arguments, dice, ledger)?;
            checker.check(&broker, &mut ledger)?
        };
        if !missing.is_empty() {
            break;
        }
    }
    if missing.is_empty() {
        missing = checker.read_every_version(&broker, &ledger)?;
    }
    if let Some(rotations) = &rotations {
        say(&rotations.summary())?;
    }
    if missing.is_empty() {
        let (puts, releases) = (ledger.puts(), ledger.releases());
        say(&format!(
            "{} rounds: {puts} acknowledged puts and {releases} releases, all there",
            arguments.rounds
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    for finding in missing.iter().take(100) {
        say(&format!("missing: {finding}"))?;
    }
    let kept = folder.keep();
    say(&format!("{} findings; seed {seed}; the broker's folder is {}", missing.len(), kept.display()))?;
    Ok(ExitCode::FAILURE)
}

/// Works, kills, starts again.
fn round_of(
    broker: &mut Broker,
    vms: &[Arc<SimulatedVm>],
    round: u32,
    arguments: &Arguments,
    mut dice: Dice,
    ledger: Ledger,
) -> anyhow::Result<Ledger> {
    let (puts, releases) = (ledger.puts(), ledger.releases());
    let at = arguments.operations / 20 + dice.below(arguments.operations * 9 / 10);
    let wait = Duration::from_micros(dice.below(3000));
    let started = Instant::now();
    let work = Work::start(broker, vms, round, arguments.operations, &mut dice, ledger)?;
    work.wait_for(at);
    std::thread::sleep(wait);
    work.expect_the_end();
    broker.kill()?;
    let killed = started.elapsed();
    let ledger = work.finish()?;
    let restarted = Instant::now();
    broker.run().context("start again after kill -9")?;
    say(&format!(
        "round {round:>2}: {:>4} puts and {:>4} releases acknowledged, {:>2} puts left open; killed after {:>5} ms, ready again in {:>4} ms",
        ledger.puts() - puts,
        ledger.releases() - releases,
        ledger.open_puts(),
        killed.as_millis(),
        restarted.elapsed().as_millis(),
    ))?;
    Ok(ledger)
}

fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).ok().context("no randomness")?;
    Ok(u64::from_be_bytes(bytes))
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

const POLICY: &str = "crash/any";
