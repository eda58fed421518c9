//! Which processors the broker has, and which the generator.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, ensure};
use rustix::process::{getpriority_process, setpriority_process};

/// The processors of a run.
#[derive(Debug)]
pub(super) struct Processors {
    broker: Vec<String>,
    generator: Vec<String>,
}

impl Processors {
    /// Gives the first half of the processors to what this thread starts from now on: the broker.
    pub(super) fn divide() -> anyhow::Result<Self> {
        let all = allowed()?;
        let (broker, generator) = all.split_at(all.len() / 2);
        let (broker, generator) = (broker.to_vec(), generator.to_vec());
        if !broker.is_empty() {
            of_this_thread("taskset", &["-c", "-p", &broker.join(",")])?;
        }
        Ok(Self { broker, generator })
    }

    /// Gives the other half to what this thread starts from now on.
    pub(super) fn leave_the_brokers(&self) -> anyhow::Result<()> {
        if self.broker.is_empty() {
            return Ok(());
        }
        of_this_thread("taskset", &["-c", "-p", &self.generator.join(",")])
    }

    /// Who has which.
    pub(super) fn describe(&self) -> String {
        let Self { broker, generator } = self;
        match broker.is_empty() {
            true => "broker, guest, operator and strangers share one processor".to_owned(),
            false => format!(
                "broker on processor {}; guest, operator and strangers on processor {}, these with a low priority",
                broker.join(","),
                generator.join(",")
            ),
        }
    }
}

/// Runs `start` on a thread of low priority, which the threads that it starts inherit: they get a tenth of a processor that guest and
/// operator want as well.
pub(super) fn with_low_priority<T: Send>(start: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let start = || -> anyhow::Result<T> {
        setpriority_process(None, getpriority_process(None)?.saturating_add(NICE))?;
        Ok(start())
    };
    thread::scope(|scope| scope.spawn(start).join())
        .ok()
        .context("the thread that starts strangers panicked")?
}

/// The processors that this process may use.
fn allowed() -> anyhow::Result<Vec<String>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .context("a list of processors")?;
    let mut all = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        all.extend((first.parse::<u32>()?..=last.parse()?).map(|number| number.to_string()));
    }
    Ok(all)
}

/// Runs a command of util-linux on this thread, whose id becomes the last argument.
fn of_this_thread(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let link = fs::read_link("/proc/thread-self")?;
    let id = link.file_name().and_then(|id| id.to_str()).context("a thread")?.to_owned();
    let output =
        Command::new(program).args(arguments).arg(id).output().with_context(|| format!("run {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Levels of priority, see nice(2).
const NICE: i32 = 10;
