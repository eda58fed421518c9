//! The task that writes grants and refusals: everything queued becomes one transaction. Actions on volumes
//! and proposals have transactions of their own, at most one after each batch.
//!
//! It has its own thread: each statement switches to the database's thread and back, which is cheapest if no
//! other task is woken for it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::batch::Batches;
use super::pending::{Pending, PendingAction};
use super::types::{NewRefusal, RecordError};
use crate::chips::ChipWatch;
use crate::log::Log;

enum Job {
    Grant(Box<Pending>),
    Stop(oneshot::Sender<()>),
}

/// The queues of the writer.
pub(crate) struct Recorder {
    grants: mpsc::Sender<Job>,
    actions: mpsc::Sender<PendingAction>,
    refusals: mpsc::Sender<NewRefusal>,
    shares: Mutex<Shares>,
}

impl Recorder {
    /// Starts the task. It ends when it is told to, or when this is dropped.
    pub(crate) fn start(log: Log, chips: Arc<ChipWatch>) -> io::Result<Self> {
        let (grants, grant_queue) = mpsc::channel(GRANT_QUEUE);
        let (actions, action_queue) = mpsc::channel(ACTION_QUEUE);
        let (refusals, refusal_queue) = mpsc::channel(REFUSAL_QUEUE);
        let batches = Batches::new(log, chips);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || runtime.block_on(write(grant_queue, action_queue, refusal_queue, batches)))?;
        Ok(Self { grants, actions, refusals, shares: Mutex::default() })
    }

    pub(crate) async fn grant(&self, pending: Pending) {
        let sent = self.grants.send(Job::Grant(Box::new(pending))).await;
        Self::tell_closed(sent);
    }

    pub(crate) fn blocking_grant(&self, pending: Pending) {
        let sent = self.grants.blocking_send(Job::Grant(Box::new(pending)));
        Self::tell_closed(sent);
    }

    fn tell_closed(sent: Result<(), mpsc::error::SendError<Job>>) {
        if let Err(mpsc::error::SendError(Job::Grant(pending))) = sent {
            pending.answer.give(Err(RecordError::Closed));
        }
    }

    pub(crate) async fn action(&self, pending: PendingAction) {
        if let Err(mpsc::error::SendError(pending)) = self.actions.send(pending).await {
            pending.fail(RecordError::Closed);
        }
    }

    pub(crate) fn blocking_action(&self, pending: PendingAction) {
        if let Err(mpsc::error::SendError(pending)) = self.actions.blocking_send(pending) {
            pending.fail(RecordError::Closed);
        }
    }

    pub(crate) fn refusal(&self, refusal: NewRefusal) -> bool {
        let Some(instance) = refusal.record.instance.clone() else { return false };
        let Ok(permit) = self.refusals.try_reserve() else { return false };
        let hour = refusal.record.at.0 / 3600;
        if !self.shares.lock().unwrap_or_else(PoisonError::into_inner).take(instance, hour) {
            return false;
        }
        permit.send(refusal);
        true
    }

    /// Whether the task has ended, so that nothing is recorded any more.
    pub(crate) fn ended(&self) -> bool {
        self.grants.is_closed()
    }

    /// Writes what is queued and ends the task.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.grants.send(Job::Stop(done)).await.is_ok() {
            // An error means that the task has already ended.
            let _ended = stopped.await;
        }
    }
}

async fn write(
    mut grants: mpsc::Receiver<Job>,
    mut actions: mpsc::Receiver<PendingAction>,
    mut refusals: mpsc::Receiver<NewRefusal>,
    mut batches: Batches,
) {
    let mut jobs = Vec::with_capacity(BATCH);
    let mut refused = Vec::with_capacity(REFUSAL_BATCH);
    let mut last = 0;
    loop {
        let mut action = None;
        // Biased: a grant waits at most for the one batch that is being written, and one action.
        tokio::select! {
            biased;
            count = grants.recv_many(&mut jobs, BATCH) => if count == 0 { break },
            received = actions.recv() => match received {
                Some(received) => action = Some(received),
                None => break,
            },
            count = refusals.recv_many(&mut refused, REFUSAL_BATCH) => if count == 0 { break },
            () = batches.wanted() => batches.let_go(),
        }
        // After a batch of several grants more are likely to follow, and a batch of ten costs little more
        // than one grant, so wait for them. A single grant does not wait.
        if last > 1 && (1..FULL_ENOUGH).contains(&jobs.len()) {
            thread::sleep(GATHER);
            while let Some(job) = (jobs.len() < BATCH).then(|| grants.try_recv().ok()).flatten() {
                jobs.push(job);
            }
        }
        let mut stop = None;
        let mut pending = Vec::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            match job {
                Job::Grant(grant) => pending.push(*grant),
                Job::Stop(done) => stop = Some(done),
            }
        }
        last = pending.len();
        batches.grants(pending).await;
        if let Some(action) = action.or_else(|| actions.try_recv().ok()) {
            batches.action(action).await;
        }
        batches.refusals(&mut refused).await;
        if let Some(done) = stop {
            // When the caller gets the error, the queue is already closed.
            grants.close();
            finish(actions, refusals, batches).await;
            // If this fails, the caller has been cancelled.
            let _waiting = done.send(());
            return;
        }
    }
    batches.end().await;
}

/// Writes what is queued beside grants.
async fn finish(
    mut actions: mpsc::Receiver<PendingAction>,
    mut refusals: mpsc::Receiver<NewRefusal>,
    mut batches: Batches,
) {
    actions.close();
    refusals.close();
    while let Some(action) = actions.recv().await {
        batches.action(action).await;
    }
    let mut refused = Vec::with_capacity(REFUSAL_BATCH);
    while refusals.recv_many(&mut refused, REFUSAL_BATCH).await > 0 {
        batches.refusals(&mut refused).await;
    }
    batches.end().await;
}

/// Number of refusals recorded per instance in this hour.
#[derive(Default)]
struct Shares {
    hour: u64,
    used: HashMap<String, u32>,
}

impl Shares {
    fn take(&mut self, instance: String, hour: u64) -> bool {
        if hour != self.hour {
            self.hour = hour;
            self.used.clear();
        }
        if self.used.len() >= MAX_INSTANCES && !self.used.contains_key(&instance) {
            return false;
        }
        let used = self.used.entry(instance).or_insert(0);
        *used = used.saturating_add(1);
        *used <= REFUSALS_AN_HOUR
    }
}

/// Largest number of grants in one transaction.
const BATCH: usize = 256;
/// A batch of this size does not wait for more grants.
const FULL_ENOUGH: usize = 32;
/// Shorter than a commit to disk.
const GATHER: Duration = Duration::from_millis(1);
const REFUSAL_BATCH: usize = 32;
const GRANT_QUEUE: usize = 1024;
const ACTION_QUEUE: usize = 256;
const REFUSAL_QUEUE: usize = 256;
const MAX_INSTANCES: usize = 16_384;
/// Enough to see why a VM does not boot, too few to fill a disk.
pub(crate) const REFUSALS_AN_HOUR: u32 = 30;
