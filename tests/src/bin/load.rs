//! The load generator: challenge → release over TLS, from threads with one connection each, against a real
//! broker.
//!
//! Guarantees: every answer counted as a release had status 200, one in fifty was checked and opened, and the
//! broker's processor time is that of its process over exactly the window in which the releases are counted.
//! The floor is timed in the same run and with the same clock, the processor time of a thread: during the
//! window, on the processors that the broker is also using, and before and after it, when the broker is idle.
//! It does not keep other programs off the machine: the spread of the floor shows how quiet it was.

#[path = "load/drive.rs"]
mod drive;
#[path = "load/floor.rs"]
mod floor;
#[path = "load/report.rs"]
mod report;
#[path = "load/strangers.rs"]
mod strangers;

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use vouchsafe_protocol::{ReleasePaths, SecretPath};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Kind, Operators};
use vouchsafe_tests::process::Process;

use drive::{Load, Phase};
use floor::Stopwatch;
use report::Report;

/// Drives a broker with simulated guests and measures the cost of a release.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Other>,
    /// The guests' kind of evidence.
    #[arg(long, value_enum, default_value = "snp")]
    kind: Kind,
    /// Number of concurrent guests.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Seconds to measure, after one second of warming up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Simulated instances, each with its own chip and attestation key.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100))]
    instances: u8,
    /// A release policy to use instead of the kind's own.
    #[arg(long, value_name = "FILE")]
    policy: Option<std::path::PathBuf>,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

/// Something else to measure.
#[derive(Debug, Subcommand)]
enum Other {
    /// An honest guest and `secret retire` beside strangers, and beside an idle broker in the same run.
    Strangers(strangers::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Other::Strangers(arguments)) = &arguments.command {
        let report = strangers::measure(arguments)?;
        let text = if arguments.json { serde_json::to_string_pretty(&report)? } else { report.human() };
        writeln!(std::io::stdout(), "{text}")?;
        return Ok(());
    }
    let report = measure(&arguments)?;
    let text = if arguments.json { serde_json::to_string_pretty(&report)? } else { report.human() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path(), &fleet::roots(), fleet::LIMITS)?;
    let text = match &arguments.policy {
        Some(file) => std::fs::read_to_string(file)?,
        None => arguments.kind.policy(),
    };
    fleet::prepare(&broker, POLICY, &text)?;
    let path = SecretPath::parse("load/db/password")?;
    fleet::put(&Operators::new(&broker)?, &path, POLICY, &[0x5e; 32])?;
    let floor = Stopwatch::new(arguments.kind);
    let before = floor.idle();
    let load = Load::start(&broker, arguments, &ReleasePaths::new(vec![path])?)?;
    let process = Process::new(broker.process_id());
    std::thread::sleep(WARM_UP);
    let (cpu, from) = (process.cpu()?, load.enter(Phase::Measured));
    let started = Instant::now();
    let during = floor.during(Duration::from_secs(arguments.seconds));
    let (cpu_after, to) = (process.cpu()?, load.enter(Phase::Over));
    let elapsed = started.elapsed();
    let resident = process.resident()?;
    let totals = load.finish()?;
    let floors = [before, during, floor.idle()];
    let cpu = cpu_after.saturating_sub(cpu);
    Ok(Report::new(arguments, floors, elapsed, to - from, cpu, resident, &totals))
}

const POLICY: &str = "load/guests";
const WARM_UP: Duration = Duration::from_secs(1);
