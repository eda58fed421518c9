//! Timing of the floor: the cost of the cryptography alone, on this machine and in this run.
//!
//! Processor time, not elapsed time, as for the broker: the time of other threads is excluded from both. The
//! cost of sharing a processor (caches, clock rate, a sibling on the same core) is included in both.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use vouchsafe_tests::fleet::Kind;
use vouchsafe_tests::floor::Floor;

use super::report::FloorTimes;

/// Measures the time of the floor for one kind of evidence.
pub(crate) struct Stopwatch {
    floor: Floor,
    kind: Kind,
}

impl Stopwatch {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { floor: Floor::new(), kind }
    }

    /// For a second, one after the other.
    pub(crate) fn idle(&self) -> FloorTimes {
        let (started, mut times) = (Instant::now(), Vec::new());
        while started.elapsed() < Duration::from_secs(1) {
            times.push(self.once());
        }
        FloorTimes::of(times)
    }

    /// While the broker is measured: a few at a time, so that they use little of the machine.
    pub(crate) fn during(&self, window: Duration) -> FloorTimes {
        let (started, mut times) = (Instant::now(), Vec::new());
        while let Some(left) = window.checked_sub(started.elapsed()) {
            times.extend((0..IN_A_ROW).map(|_| self.once()));
            std::thread::sleep(PAUSE.min(left));
        }
        FloorTimes::of(times)
    }

    fn once(&self) -> Duration {
        let from = processor_time();
        match self.kind {
            Kind::Snp => self.floor.snp(),
            Kind::Vtpm => self.floor.vtpm(),
            Kind::Both => {
                self.floor.snp_report.verify();
                self.floor.vtpm();
            }
        }
        processor_time().saturating_sub(from)
    }
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// As many as a busy broker's thread does before it gets other work.
const IN_A_ROW: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);
