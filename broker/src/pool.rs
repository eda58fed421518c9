//! A bounded thread pool for CPU-bound work.
//!
//! It has as many threads as processors and a queue of fixed length: when the queue is full, work is refused
//! at once, so that a flood costs refusals, not memory or latency for admitted work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Its threads end when it is dropped and the queue is empty.
pub struct Pool(Arc<Queue>);

struct Queue {
    limit: usize,
    state: Mutex<State>,
    /// Notified once for each job, and only while a thread is idle.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    ended: bool,
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full.
    #[error("too much work is waiting")]
    Full,
    /// The work panicked, which is a bug.
    #[error("the work failed")]
    Failed,
}

impl Pool {
    /// Starts `threads` threads, with room for `queue` waiting jobs.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let queue = Queue { limit: queue, state: Mutex::default(), changed: Condvar::new() };
        let pool = Self(Arc::new(queue));
        for index in 0..threads {
            let queue = Arc::clone(&pool.0);
            thread::Builder::new().name(format!("verify-{index}")).spawn(move || queue.work())?;
        }
        Ok(pool)
    }

    /// Runs `job` on a thread of the pool.
    ///
    /// # Errors
    /// [`PoolError::Full`] at once when too much waits already.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (answer, answered) = oneshot::channel();
        self.spawn(move || {
            // If this fails, the connection is gone.
            let _gone = answer.send(job());
        })?;
        answered.await.map_err(|_| PoolError::Failed)
    }

    /// Runs `job` on a thread of the pool; the job itself delivers its result.
    ///
    /// # Errors
    /// [`PoolError::Full`] at once when too much waits already.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) -> Result<(), PoolError> {
        let mut state = self.0.lock();
        // Idle threads will take one job each.
        if state.jobs.len() >= self.0.limit.saturating_add(state.idle) {
            return Err(PoolError::Full);
        }
        state.jobs.push_back(Box::new(job));
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.0.changed.notify_one();
        }
        Ok(())
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().jobs.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(event = "pool.panicked");
            }
        }
    }

    /// Waits for a job; `None` once the pool is dropped.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside of the lock, so nothing can panic while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn t44_a_full_queue_refuses_at_once() {
        let pool = Arc::new(Pool::start(1, 2).unwrap());
        let (release, held) = channel::<()>();
        let (started, running) = channel();
        let busy = Arc::clone(&pool);
        let first = tokio::spawn(async move {
            busy.run(move || {
                started.send(()).unwrap();
                held.recv().unwrap();
            })
            .await
        });
        running.recv().unwrap();
        let waiting: Vec<_> = (0..2)
            .map(|number| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(move || number).await })
            })
            .collect();
        while pool.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Full));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        for (number, task) in waiting.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Ok(number));
        }
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn a_panic_costs_one_job_and_no_thread() {
        let pool = Pool::start(1, 1).unwrap();
        let panicked = pool.run(|| -> u8 { panic!("a bug") }).await;
        assert_eq!(panicked, Err(PoolError::Failed));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
