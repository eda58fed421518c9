//! A bounded pool of threads for work that keeps a processor busy.
//!
//! As many threads as there are processors and a queue of fixed length: when that is full the work is
//! refused at once, so that a flood costs a refusal and not memory or latency for those who are in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Its threads end when it is dropped and the queue is empty.
pub struct Pool {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
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
    /// Starts `threads` threads with room for `queue` jobs that wait.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (jobs, queued) = sync_channel::<Job>(queue);
        let queued = Arc::new(Mutex::new(queued));
        let waiting = Arc::new(AtomicUsize::new(0));
        for index in 0..threads {
            let (queued, waiting) = (Arc::clone(&queued), Arc::clone(&waiting));
            thread::Builder::new().name(format!("verify-{index}")).spawn(move || work(&queued, &waiting))?;
        }
        Ok(Self { jobs, waiting })
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
        let job: Job = Box::new(move || {
            // Nobody waits any more when this fails: the connection is gone.
            let _gone = answer.send(job());
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => PoolError::Full,
                TrySendError::Disconnected(_) => PoolError::Failed,
            }
        })?;
        answered.await.map_err(|_| PoolError::Failed)
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

fn work(queued: &Mutex<Receiver<Job>>, waiting: &AtomicUsize) {
    loop {
        let next = queued.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        waiting.fetch_sub(1, Ordering::Relaxed);
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!(event = "pool.panicked");
        }
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
