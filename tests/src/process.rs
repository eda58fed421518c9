//! Resource usage of a process, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// A process.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

impl Process {
    /// The process with this id.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// Processor time of all its threads, in user and kernel mode.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The second field is the name in parentheses, which may contain anything.
        let (_, fields) = stat.rsplit_once(')').context("a name in /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // utime and stime, fields 14 and 15 of proc_pid_stat(5); the first here is field 3.
        let ticks = |field: usize| -> anyhow::Result<u64> {
            Ok(fields.get(field - 3).context("a short /proc/PID/stat")?.parse()?)
        };
        let a_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_millis((ticks(14)? + ticks(15)?) * 1000 / a_second))
    }

    /// Resident memory in KiB.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn resident(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory in KiB since the last [`Self::forget_peak`].
    ///
    /// # Errors
    /// When the process has ended.
    pub fn peak(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// Begins to measure [`Self::peak`] anew.
    ///
    /// # Errors
    /// When the process has ended, or is another user's.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        // proc_pid_clear_refs(5): 5 resets the peak resident set size.
        Ok(fs::write(format!("/proc/{}/clear_refs", self.0), "5")?)
    }

    fn status(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name.to_owned())?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}
