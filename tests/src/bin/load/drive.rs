//! The guests' threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use vouchsafe_protocol::{ReasonCode, ReleasePaths};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Answer, Guest, Turned};

use super::Arguments;

/// The phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Warming up.
    Warm,
    /// Answers are counted from now on.
    Measured,
    /// The threads end.
    Over,
}

/// Guests that send requests until they are told to stop.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<Totals>>>,
}

struct Shared {
    phase: AtomicU8,
    released: AtomicU64,
}

/// Counts of the threads in the measured window.
pub(crate) struct Totals {
    /// Microseconds of each challenge.
    pub(crate) challenges: Histogram<u64>,
    /// Microseconds of each release.
    pub(crate) releases: Histogram<u64>,
    /// Requests that the broker turned away because of a limit.
    pub(crate) shed: u64,
    /// Answers whose signature was checked and that were opened.
    pub(crate) opened: u64,
}

impl Load {
    pub(crate) fn start(
        broker: &Broker,
        arguments: &Arguments,
        paths: &ReleasePaths,
    ) -> anyhow::Result<Self> {
        let shared =
            Arc::new(Shared { phase: AtomicU8::new(Phase::Warm as u8), released: AtomicU64::new(0) });
        let vms = fleet::boot(arguments.instances);
        let guests = (0..arguments.concurrency)
            .zip(vms.iter().cycle())
            .map(|(_, vm)| Guest::new(broker, Arc::clone(vm), arguments.kind))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let start = |guest: Guest| {
            let (shared, paths) = (Arc::clone(&shared), paths.clone());
            std::thread::spawn(move || shared.ask_on(&guest, &paths))
        };
        let threads = guests.into_iter().map(start).collect();
        Ok(Self { shared, threads })
    }

    /// Starts another phase; returns the number of releases so far.
    pub(crate) fn enter(&self, phase: Phase) -> u64 {
        self.shared.phase.store(phase as u8, Ordering::SeqCst);
        self.shared.released.load(Ordering::SeqCst)
    }

    /// Waits for the threads.
    pub(crate) fn finish(self) -> anyhow::Result<Totals> {
        let mut totals = Totals::new()?;
        for thread in self.threads {
            totals.add(&thread.join().ok().context("a thread panicked")??)?;
        }
        ensure!(totals.opened > 0, "no answer was opened: measure for longer");
        Ok(totals)
    }
}

impl Shared {
    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    fn ask_on(&self, guest: &Guest, paths: &ReleasePaths) -> anyhow::Result<Totals> {
        let mut totals = Totals::new()?;
        let mut count: u64 = 0;
        while !self.is_in(Phase::Over) {
            let counted = self.is_in(Phase::Measured);
            let from = Instant::now();
            let challenge = match guest.challenge() {
                Ok(challenge) => challenge,
                Err(error) if error.downcast_ref() == Some(&Turned(ReasonCode::Overloaded)) => {
                    totals.shed += u64::from(counted);
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let challenged = from.elapsed();
            let asked = guest.ask(challenge, paths.clone())?;
            let from = Instant::now();
            let answer = match guest.send(&asked)? {
                Answer::Granted(answer) => answer,
                Answer::Refused(ReasonCode::Overloaded) => {
                    totals.shed += u64::from(counted);
                    continue;
                }
                Answer::Refused(code) => return Err(Turned(code).into()),
            };
            let released = from.elapsed();
            self.released.fetch_add(1, Ordering::SeqCst);
            if counted {
                totals.challenges.saturating_record(micros(challenged));
                totals.releases.saturating_record(micros(released));
            }
            if count.is_multiple_of(OPENED) {
                guest.open(&asked, &answer)?;
                totals.opened += 1;
            }
            count += 1;
        }
        Ok(totals)
    }
}

impl Totals {
    fn new() -> anyhow::Result<Self> {
        let new = || Histogram::new_with_bounds(1, 60_000_000, 3);
        Ok(Self { challenges: new()?, releases: new()?, shed: 0, opened: 0 })
    }

    fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.challenges.add(&other.challenges)?;
        self.releases.add(&other.releases)?;
        self.shed += other.shed;
        self.opened += other.opened;
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One of this number of answers is opened: that costs the generator half a millisecond.
const OPENED: u64 = 50;
