//! Puts and releases from many threads, until the broker is killed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_protocol::{Digest32, ReasonCode, ReleasePaths, SecretPath};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Guest, Kind, Operators, Turned};

use super::POLICY;
use super::ledger::Ledger;

/// Reproducible random choices (SplitMix64).
#[derive(Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// The threads of a round.
pub(crate) struct Work {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

struct Shared {
    ledger: Mutex<Ledger>,
    /// Paths with a version, to release and to put again.
    known: Mutex<Vec<SecretPath>>,
    round: u32,
    operations: u64,
    started: AtomicU64,
    done: AtomicU64,
    ending: AtomicBool,
}

/// One thread's connections.
struct Worker {
    shared: Arc<Shared>,
    operators: Operators,
    guest: Guest,
    dice: Dice,
}

impl Work {
    pub(crate) fn start(
        broker: &Broker,
        vms: &[Arc<SimulatedVm>],
        round: u32,
        operations: u64,
        dice: &mut Dice,
        ledger: Ledger,
    ) -> anyhow::Result<Self> {
        let known = Mutex::new(ledger.paths().into_iter().collect());
        let shared = Arc::new(Shared {
            ledger: Mutex::new(ledger),
            known,
            round,
            operations,
            started: AtomicU64::new(0),
            done: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        let worker = |vm: &Arc<SimulatedVm>| {
            anyhow::Ok(Worker {
                shared: Arc::clone(&shared),
                operators: Operators::new(broker)?,
                guest: Guest::new(broker, Arc::clone(vm), Kind::Snp)?,
                dice: Dice::new(dice.next(), 0),
            })
        };
        let workers: Vec<_> = vms.iter().cycle().take(THREADS).map(worker).collect::<anyhow::Result<_>>()?;
        let start = |mut worker: Worker| std::thread::spawn(move || worker.run());
        Ok(Self { threads: workers.into_iter().map(start).collect(), shared })
    }

    /// Waits until this number of operations is done, or a thread has failed.
    pub(crate) fn wait_for(&self, operations: u64) {
        while self.shared.done.load(Ordering::Relaxed) < operations
            && !self.threads.iter().any(JoinHandle::is_finished)
        {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// From now on an error is not a finding.
    pub(crate) fn expect_the_end(&self) {
        self.shared.ending.store(true, Ordering::SeqCst);
    }

    /// Waits for the threads.
    pub(crate) fn finish(self) -> anyhow::Result<Ledger> {
        for thread in self.threads {
            thread.join().ok().context("a thread panicked")??;
        }
        let shared = Arc::into_inner(self.shared).context("the threads have ended")?;
        Ok(shared.ledger.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Worker {
    fn run(&mut self) -> anyhow::Result<()> {
        loop {
            let number = self.shared.started.fetch_add(1, Ordering::Relaxed);
            if number >= self.shared.operations || self.ending() {
                return Ok(());
            }
            let result = if self.dice.below(2) == 0 { self.put(number) } else { self.release() };
            match result {
                Ok(()) => self.shared.done.fetch_add(1, Ordering::Relaxed),
                // The broker is being killed: the result of this operation is unknown.
                Err(_) if self.ending() => return Ok(()),
                Err(error) => return Err(error.context("the broker failed before it was killed")),
            };
        }
    }

    /// In four of five cases a new secret, otherwise a new version of one.
    fn put(&mut self, number: u64) -> anyhow::Result<()> {
        let round = self.shared.round;
        let old = if self.dice.below(5) == 0 { self.known() } else { None };
        let path = match old {
            Some(path) => path,
            None => SecretPath::parse(&format!("crash/round-{round}/secret-{number}"))?,
        };
        let unique = Digest32::of(format!("{round}/{number}/{}", self.dice.next()).as_bytes());
        let length = 32 + usize::try_from(self.dice.below(2000))?;
        let value: Vec<u8> = unique.0.iter().copied().cycle().take(length).collect();
        self.ledger().sent(&path, &value);
        let version = fleet::put(&self.operators, &path, POLICY, &value)?;
        self.ledger().acknowledge(&path, version, value);
        if version == 1 {
            lock(&self.shared.known).push(path);
        }
        Ok(())
    }

    /// One to three secrets.
    fn release(&mut self) -> anyhow::Result<()> {
        let count = 1 + self.dice.below(3);
        let paths: Vec<_> = (0..count).filter_map(|_| self.known()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        let paths = ReleasePaths::sort(paths)?;
        loop {
            match self.guest.fetch(&paths) {
                Ok((asked, opened)) => {
                    self.ledger().receive(asked, opened);
                    return Ok(());
                }
                // Each put changes the epoch, and after a few decisions the guest is asked to retry.
                Err(error) if is_busy(&error) && !self.ending() => std::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
    }

    fn known(&mut self) -> Option<SecretPath> {
        let known = lock(&self.shared.known);
        let index = self.dice.below(known.len() as u64);
        known.get(usize::try_from(index).ok()?).cloned()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.shared.ledger)
    }

    fn ending(&self) -> bool {
        self.shared.ending.load(Ordering::SeqCst)
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Turned(ReasonCode::Unavailable | ReasonCode::Overloaded)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const THREADS: usize = 16;
