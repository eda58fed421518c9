//! The honest guest and the operator.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde_json::json;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_protocol::{ReleasePaths, SecretPath};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Answer, Guest, Kind, Operators, Turned};

use crate::POLICY;

/// A guest that fetches a secret again and again, and an operator who retires secrets.
pub(super) struct Honest<'b> {
    broker: &'b Broker,
    kind: Kind,
    vm: Arc<SimulatedVm>,
    paths: ReleasePaths,
}

/// Microseconds, and what went wrong.
pub(super) struct Times {
    /// Of a challenge and a release, the connection included, what the guest itself computes excluded.
    pub(super) releases: Histogram<u64>,
    /// Of `secret retire`, the connection included.
    pub(super) retirements: Histogram<u64>,
    /// Requests of the guest that the broker turned away, and connections that it did not accept.
    pub(super) failures: u64,
    /// The most memory that the broker had, in KiB.
    pub(super) resident: u64,
}

impl<'b> Honest<'b> {
    pub(super) fn new(broker: &'b Broker, kind: Kind) -> anyhow::Result<Self> {
        let path = SecretPath::parse("load/db/password")?;
        fleet::put(&Operators::new(broker)?, &path, POLICY, &[0x5e; 32])?;
        let vm = fleet::boot(1).pop().context("a VM")?;
        Ok(Self { broker, kind, vm, paths: ReleasePaths::new(vec![path])? })
    }

    /// Both for this long. `resident` is asked at intervals.
    pub(super) fn measure(
        &self,
        window: Duration,
        resident: impl Fn() -> anyhow::Result<u64> + Sync,
    ) -> anyhow::Result<Times> {
        let (until, mut most) = (Instant::now() + window, 0);
        let new = || Histogram::<u64>::new_with_bounds(1, 60_000_000, 3);
        let (mut releases, mut retirements, mut failures) = (new()?, new()?, 0);
        thread::scope(|scope| -> anyhow::Result<()> {
            let operator = scope.spawn(|| self.retire_until(until, &mut retirements));
            while Instant::now() < until {
                let next = Instant::now() + BETWEEN_RELEASES;
                match self.release() {
                    Ok(time) => releases.saturating_record(micros(time)),
                    Err(_) => failures += 1,
                }
                most = most.max(resident()?);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            operator.join().ok().context("the operator's thread panicked")?
        })?;
        ensure!(!releases.is_empty() && !retirements.is_empty(), "nothing was measured: measure for longer");
        Ok(Times { releases, retirements, failures, resident: most })
    }

    /// The time that the guest waits for the broker.
    fn release(&self) -> anyhow::Result<Duration> {
        let guest = Guest::new(self.broker, Arc::clone(&self.vm), self.kind)?;
        let from = Instant::now();
        let challenge = guest.challenge()?;
        let challenged = from.elapsed();
        let asked = guest.ask(challenge, self.paths.clone())?;
        let from = Instant::now();
        let answer = guest.send(&asked)?;
        let released = from.elapsed();
        match answer {
            Answer::Granted(answer) => {
                guest.open(&asked, &answer)?;
                Ok(challenged + released)
            }
            Answer::Refused(code) => Err(Turned(code).into()),
        }
    }

    fn retire_until(&self, until: Instant, times: &mut Histogram<u64>) -> anyhow::Result<()> {
        let (prepare, path) = (Operators::new(self.broker)?, SecretPath::parse("load/db/retired")?);
        while Instant::now() < until {
            let next = Instant::now() + BETWEEN_RETIREMENTS;
            let version = fleet::put(&prepare, &path, POLICY, &[0x5e; 32])?;
            let operator = Operators::new(self.broker)?;
            let from = Instant::now();
            let () = operator.post("/v1/secrets/retire", &json!({ "path": path, "version": version }))?;
            times.saturating_record(micros(from.elapsed()));
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Slow enough to leave the broker idle between two, and within what one address may connect.
const BETWEEN_RELEASES: Duration = Duration::from_millis(25);
const BETWEEN_RETIREMENTS: Duration = Duration::from_millis(80);
