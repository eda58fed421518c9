//! Kills in the middle of each step of a rotation, of a backup and of a restore, under puts and releases.
//!
//! After each kill the broker is started again, everything is checked, and the step is taken to its end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_tests::broker::{Broker, program};

use super::check::Checker;
use super::ledger::Ledger;
use super::say;
use super::work::{Dice, Work};

/// In the order in which they are taken in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Add,
    Promote,
    Reseal,
    Backup,
    Remove,
    Restore,
}

const STEPS: [Step; 6] = [Step::Add, Step::Promote, Step::Reseal, Step::Backup, Step::Remove, Step::Restore];

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Promote => "promote",
            Self::Reseal => "reseal",
            Self::Backup => "backup",
            Self::Remove => "remove",
            Self::Restore => "restore",
        }
    }
}

/// Puts and releases beside each step.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) vms: &'a [Arc<SimulatedVm>],
    pub(crate) operations: u64,
}

/// Rotates the keyring of one data directory again and again.
pub(crate) struct Rotations {
    folder: PathBuf,
    /// The primary generation when the round began.
    old: u64,
    tallies: BTreeMap<Step, Tally>,
    copies: u32,
}

/// What is known about a step.
#[derive(Clone, Copy)]
struct Tally {
    /// How long it took the last time it was not interrupted.
    took: Duration,
    /// How often its command had not ended when the kill came.
    interrupted: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self { took: Duration::from_millis(60), interrupted: 0 }
    }
}

impl Rotations {
    /// Lets challenges live as shortly as they may: a generation is removed only after they have expired.
    pub(crate) fn prepare(broker: &mut Broker, folder: &Path) -> anyhow::Result<Self> {
        let config = fs::read_to_string(broker.config())?;
        fs::write(broker.config(), format!("challenge_ttl = {LIFETIME}\n{config}"))?;
        broker.stop()?;
        broker.run()?;
        Ok(Self { folder: folder.to_owned(), old: 1, tallies: BTreeMap::new(), copies: 0 })
    }

    /// Every step once, each with a kill in its middle; returns what is missing.
    pub(crate) fn round(
        &mut self,
        broker: &mut Broker,
        load: Load<'_>,
        round: u32,
        dice: &mut Dice,
        (ledger, checker): (&mut Ledger, &mut Checker),
    ) -> anyhow::Result<Vec<String>> {
        let mut promoted = Instant::now();
        for (number, step) in STEPS.into_iter().enumerate() {
            if step == Step::Remove {
                std::thread::sleep(Duration::from_secs(LIFETIME + 1).saturating_sub(promoted.elapsed()));
            }
            let unique = round * 10 + u32::try_from(number)?;
            let work = Work::start(broker, load.vms, unique, load.operations, dice, std::mem::take(ledger))?;
            work.wait_for(1 + dice.below(load.operations / 4));
            let copy = self.copy();
            let (ended, killed) = self.interrupt(broker, step, &copy, &work, dice)?;
            *ledger = work.finish()?;
            self.start_again(broker, step, &copy)?;
            let missing = checker.check(broker, ledger)?;
            if !missing.is_empty() {
                return Ok(missing);
            }
            let done = self.finish(broker, step)?;
            if step == Step::Promote {
                promoted = Instant::now();
            }
            say(&format!(
                "round {round:>2} {:<8}: killed after {:>5} ms, {}; {} puts and {} releases acknowledged so far",
                step.name(),
                killed.as_millis(),
                if ended || done { "it was done" } else { "then taken to its end" },
                ledger.puts(),
                ledger.releases(),
            ))?;
        }
        Ok(Vec::new())
    }

    /// Begins the step and kills broker and command at some moment of it; returns whether the command had ended, and when that
    /// was.
    fn interrupt(
        &mut self,
        broker: &mut Broker,
        step: Step,
        copy: &Path,
        work: &Work,
        dice: &mut Dice,
    ) -> anyhow::Result<(bool, Duration)> {
        if step == Step::Restore {
            // Nothing else may have the database open.
            work.expect_the_end();
            broker.stop()?;
            let copied = self.command(broker, Step::Backup, copy)?.wait()?;
            ensure!(copied.success(), "a backup of a broker that is stopped: {copied}");
        }
        let begun = Instant::now();
        let mut child = self.command(broker, step, copy)?;
        let tally = self.tallies.entry(step).or_default();
        let limit = u64::try_from(tally.took.as_micros())?.max(2000);
        std::thread::sleep(Duration::from_micros(dice.below(limit * 5 / 4)));
        work.expect_the_end();
        broker.kill()?;
        let ended = child.try_wait()?.is_some();
        child.kill()?;
        child.wait()?;
        tally.interrupted += u32::from(!ended);
        Ok((ended, begun.elapsed()))
    }

    /// Starts the broker; a restore that was interrupted may have to be run again before.
    fn start_again(&self, broker: &mut Broker, step: Step, copy: &Path) -> anyhow::Result<()> {
        let started = broker.run();
        if step != Step::Restore || started.is_ok() {
            return started.with_context(|| format!("start again after kill -9 in {}", step.name()));
        }
        // The files were moved, and the copy was not in place yet.
        let again = self.command(broker, step, copy)?.wait()?;
        ensure!(again.success(), "a restore that was interrupted is run again: {again}");
        broker.run()
    }

    /// How often the kill came before each step had ended.
    pub(crate) fn summary(&self) -> String {
        let each = self.tallies.iter();
        let each: Vec<_> =
            each.map(|(step, tally)| format!("{} {}", step.name(), tally.interrupted)).collect();
        format!("kills before the command had ended: {}", each.join(", "))
    }

    /// Takes the step to its end; returns whether it was there already.
    fn finish(&mut self, broker: &Broker, step: Step) -> anyhow::Result<bool> {
        let before = generations(broker)?;
        let states: Vec<_> = before.iter().map(|(_, state, _)| state.as_str()).collect();
        let done = match step {
            Step::Add => states.contains(&"pending"),
            Step::Promote => !states.contains(&"pending"),
            Step::Reseal => before.iter().all(|(_, state, rows)| state == "primary" || *rows == 0),
            Step::Remove => before.len() == 1,
            Step::Backup => false,
            // The broker runs on it.
            Step::Restore => true,
        };
        let old = self.old.to_string();
        let copy = self.copy();
        let begun = Instant::now();
        match step {
            Step::Add if !done => broker.operate(&["keyring", "add"], b"")?,
            Step::Promote if !done => broker.operate(&["keyring", "promote"], b"")?,
            Step::Reseal => broker.operate(&["keyring", "reseal"], b"")?,
            Step::Remove if !done => broker.operate(&["keyring", "remove", &old], b"")?,
            Step::Backup => {
                let status = self.command(broker, step, &copy)?.wait()?;
                ensure!(status.success(), "a backup beside one that was killed: {status}");
                String::new()
            }
            Step::Add | Step::Promote | Step::Remove | Step::Restore => String::new(),
        };
        if !done {
            self.tallies.entry(step).or_default().took = begun.elapsed();
        }
        let after = generations(broker)?;
        let primary =
            after.iter().find(|(_, state, _)| state == "primary").context("a primary generation")?;
        match step {
            Step::Add => ensure!(after.len() == 2 && primary.0 == self.old, "{after:?}"),
            Step::Promote => ensure!(after.len() == 2 && primary.0 == self.old + 1, "{after:?}"),
            Step::Reseal => {
                ensure!(after.iter().all(|(id, _, rows)| *id == primary.0 || *rows == 0), "{after:?}");
            }
            Step::Remove => {
                ensure!(after.len() == 1, "{after:?}");
                self.old = primary.0;
            }
            Step::Backup | Step::Restore => {}
        }
        let leftover = broker.data().join("keyring.json.new");
        if after.len() == 1 && leftover.exists() {
            bail!("{} is left", leftover.display());
        }
        Ok(done)
    }

    /// The step's command, under way.
    fn command(&self, broker: &Broker, step: Step, copy: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new(program("vouchsafe")?);
        command.env("HOME", broker.home()).stdin(Stdio::null()).stdout(Stdio::null());
        match step {
            Step::Add | Step::Promote | Step::Reseal => command.args(["keyring", step.name()]),
            Step::Remove => command.args(["keyring", "remove", &self.old.to_string()]),
            Step::Backup => command.arg("backup").arg("--config").arg(broker.config()).arg("--out").arg(copy),
            Step::Restore => command.arg("restore").arg(copy).arg("--config").arg(broker.config()),
        };
        // Most of what it says is about the broker that was killed.
        Ok(command.stderr(Stdio::null()).spawn()?)
    }

    fn copy(&mut self) -> PathBuf {
        self.copies += 1;
        let before = self.folder.join(format!("copy-{}.db", self.copies.saturating_sub(2)));
        // They are as large as the database. The first ones do not exist.
        let _absent = fs::remove_file(before);
        self.folder.join(format!("copy-{}.db", self.copies))
    }
}

/// Number, state and needing rows of each generation.
fn generations(broker: &Broker) -> anyhow::Result<Vec<(u64, String, u64)>> {
    let text = broker.operate(&["--json", "keyring", "status"], b"")?;
    let all: Vec<Value> = serde_json::from_str(&text)?;
    let one = |found: &Value| {
        let rows = found["rows"].as_object().context("rows")?.values().filter_map(Value::as_u64).sum();
        let state = found["state"].as_str().context("a state")?.to_owned();
        Ok((found["generation"].as_u64().context("a generation")?, state, rows))
    };
    all.iter().map(one).collect()
}

/// Seconds; the shortest lifetime of a challenge that the configuration accepts.
const LIFETIME: u64 = 5;
