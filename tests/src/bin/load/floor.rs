//! The floor's times: what the cryptography alone costs a thread, on this machine and in this run.
//!
//! Processor time and not the time that passes, as for the broker: what other threads take is left out of both. What
//! sharing a processor costs by itself (caches, clock rate, a sibling on the same core) is in both.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use vouchsafe_tests::fleet::Kind;
use vouchsafe_tests::floor::Floor;

use super::report::FloorTimes;

/// Times the floor of one kind of evidence.
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

    /// For as long as the broker is measured: a few at a time, so that they take little of the machine.
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

/// What this thread has used of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// As many as a busy broker does before its thread is given something else to do.
const IN_A_ROW: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);
