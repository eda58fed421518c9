//! A bounded thread pool for CPU-bound work.
//!
//! It has as many threads as processors and a queue of fixed length: when the queue is full, work is refused
//! at once, so that a flood costs refusals, not memory or latency for admitted work. Networks take turns in the queue, and work for
//! operators comes before all of them.

mod fair;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::oneshot;
use vouchsafe_protocol::ReasonCode;

use crate::admission::Network;
use crate::average::{Average, retry_seconds};
use fair::FairQueue;

/// Work, which is told whether it has its turn or was displaced from the queue.
type Job = Box<dyn FnOnce(Result<(), PoolError>) + Send>;

/// The pool. Its threads end when it is dropped and the queue is empty.
pub struct Pool(Arc<Queue>);

/// For whom a job is done: that decides when it has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// An operator: before all guests.
    Operators,
    /// A guest from this network.
    Guests(Network),
    /// A guest from a network whose requests were worthless lately: while others wait, it gets one turn in [`TURNS`].
    Suspects(Network),
}

struct Queue {
    threads: usize,
    limits: Limits,
    state: Mutex<State>,
    /// Notified once for each job, and only while a thread is idle.
    changed: Condvar,
}

struct Limits {
    /// Jobs of guests that may wait.
    waiting: usize,
    /// Of these, jobs of one network.
    share: AtomicUsize,
}

#[derive(Default)]
struct State {
    operators: VecDeque<Job>,
    guests: FairQueue<Job>,
    suspects: FairQueue<Job>,
    /// Turns of guests since the last one of a suspect.
    turns: usize,
    idle: usize,
    ended: bool,
    /// Duration of recent jobs.
    usual: Average,
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full, or the network has its share of it.
    #[error("too much work is waiting: retry in {seconds} s")]
    Full {
        /// Seconds in which what waits now should be done.
        seconds: u32,
    },
    /// The work panicked, which is a bug.
    #[error("the work failed")]
    Failed,
}

impl PoolError {
    /// The code that clients get.
    pub(crate) const fn code(self) -> ReasonCode {
        match self {
            Self::Full { .. } => ReasonCode::Overloaded,
            Self::Failed => ReasonCode::Internal,
        }
    }

    /// Seconds after which the same work may be tried again.
    pub(crate) const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Full { seconds } => Some(seconds),
            Self::Failed => None,
        }
    }
}

impl Pool {
    /// Starts `threads` threads, with room for `queue` waiting jobs of guests, of which one network may have `share`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(threads: usize, queue: usize, share: usize) -> std::io::Result<Self> {
        let limits = Limits { waiting: queue, share: share.into() };
        let queue = Queue { threads, limits, state: Mutex::default(), changed: Condvar::new() };
        let pool = Self(Arc::new(queue));
        for index in 0..threads {
            let queue = Arc::clone(&pool.0);
            thread::Builder::new().name(format!("verify-{index}")).spawn(move || queue.work())?;
        }
        Ok(pool)
    }

    /// Replaces the share of one network.
    pub fn set_share(&self, share: usize) {
        self.0.limits.share.store(share, Ordering::Relaxed);
    }

    /// Runs `job` on a thread of the pool.
    ///
    /// # Errors
    /// [`PoolError::Full`] when too much waits already, or when the job is displaced by one of a network with less waiting.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (answer, answered) = oneshot::channel();
        self.spawn(lane, move |turn| {
            // If this fails, the connection is gone.
            let _gone = answer.send(turn.map(|()| job()));
        })?;
        answered.await.map_err(|_| PoolError::Failed)?
    }

    /// Runs `job` on a thread of the pool; the job itself delivers its result. A job that is displaced is called with an error, on the
    /// thread of the job that displaces it.
    ///
    /// # Errors
    /// [`PoolError::Full`] at once when too much waits already.
    pub fn spawn(
        &self,
        lane: Lane,
        job: impl FnOnce(Result<(), PoolError>) + Send + 'static,
    ) -> Result<(), PoolError> {
        let mut state = self.0.lock();
        let displaced = self.0.make_room(&mut state, lane).map_err(|Crowded| self.0.full(&state, lane))?;
        state.push(lane, Box::new(job));
        let wake = state.idle > 0;
        let full = displaced.as_ref().map(|_| self.0.full(&state, lane));
        drop(state);
        if wake {
            self.0.changed.notify_one();
        }
        if let (Some(job), Some(full)) = (displaced, full) {
            job(Err(full));
        }
        Ok(())
    }

    /// Seconds in which another job of this lane should have its turn.
    pub(crate) fn retry_after(&self, lane: Lane) -> u32 {
        retry_seconds(self.0.wait(&self.0.lock(), lane))
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// No room for another job.
struct Crowded;

impl Queue {
    fn work(&self) {
        give_way();
        let mut spent = None;
        while let Some(job) = self.next(spent) {
            let began = Instant::now();
            if catch_unwind(AssertUnwindSafe(|| job(Ok(())))).is_err() {
                tracing::error!(event = "pool.panicked");
            }
            spent = Some(began.elapsed());
        }
    }

    /// Waits for a job; `None` once the pool is dropped. `spent` is the duration of the job before.
    fn next(&self, spent: Option<Duration>) -> Option<Job> {
        let mut state = self.lock();
        if let Some(spent) = spent {
            state.usual.add(spent);
        }
        loop {
            if let Some(job) = state.pop() {
                return Some(job);
            }
            if state.ended {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Makes room for a job; returns the job that had to go for it.
    fn make_room(&self, state: &mut State, lane: Lane) -> Result<Option<Job>, Crowded> {
        // Idle threads will take one job each.
        let limit = self.limits.waiting.saturating_add(state.idle);
        let share = self.limits.share.load(Ordering::Relaxed);
        match lane {
            Lane::Operators => return if state.operators.len() < limit { Ok(None) } else { Err(Crowded) },
            Lane::Guests(network) if !state.guests.has_share(network, share) => return Err(Crowded),
            Lane::Suspects(network) if !state.suspects.has_share(network, share) => return Err(Crowded),
            Lane::Guests(_) | Lane::Suspects(_) => {}
        }
        if state.guests.len() + state.suspects.len() < limit {
            return Ok(None);
        }
        let displaced = match lane {
            Lane::Guests(network) => state.suspects.displace().or_else(|| state.guests.displace_for(network)),
            Lane::Suspects(network) => state.suspects.displace_for(network),
            Lane::Operators => None,
        };
        displaced.map(Some).ok_or(Crowded)
    }

    fn full(&self, state: &State, lane: Lane) -> PoolError {
        PoolError::Full { seconds: retry_seconds(self.wait(state, lane)) }
    }

    /// The expected time until another job of this lane has its turn.
    fn wait(&self, state: &State, lane: Lane) -> Duration {
        let before = state.operators.len() + state.before(lane);
        let jobs = u32::try_from(before.div_ceil(self.threads.max(1))).unwrap_or(u32::MAX);
        state.usual.get().saturating_mul(jobs)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside of the lock, so nothing can panic while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.operators.len() + self.guests.len() + self.suspects.len()
    }

    fn push(&mut self, lane: Lane, job: Job) {
        match lane {
            Lane::Operators => self.operators.push_back(job),
            Lane::Guests(network) => self.guests.push(network, job),
            Lane::Suspects(network) => self.suspects.push(network, job),
        }
    }

    fn pop(&mut self) -> Option<Job> {
        if let Some(job) = self.operators.pop_front() {
            return Some(job);
        }
        if self.turns + 1 < TURNS
            && let Some(job) = self.guests.pop()
        {
            self.turns += 1;
            return Some(job);
        }
        self.turns = 0;
        self.suspects.pop().or_else(|| self.guests.pop())
    }

    /// Jobs of guests that have their turn before another one of this lane.
    fn before(&self, lane: Lane) -> usize {
        match lane {
            Lane::Operators => 0,
            Lane::Guests(network) => self.guests.before(network),
            Lane::Suspects(network) => {
                let before = self.suspects.before(network);
                before + self.guests.len().min((before + 1).saturating_mul(TURNS - 1))
            }
        }
    }
}

/// Lowers the priority of this thread: strangers can keep all verifiers busy, and then the threads that serve connections and operators
/// must not wait for them.
fn give_way() {
    let lower = getpriority_process(None).and_then(|own| setpriority_process(None, own.saturating_add(NICE)));
    if let Err(error) = lower {
        tracing::warn!(event = "pool.priority", %error, "verifiers have the same priority as all other threads");
    }
}

/// Levels of priority (nice(2)) that verifiers are below other threads: they get a third of a processor that both want.
const NICE: i32 = 5;
/// Of this many turns, networks with worthless requests get one while others wait.
pub const TURNS: usize = 8;

#[cfg(test)]
mod tests;
