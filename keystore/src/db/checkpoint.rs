//! Emptying the write-ahead log, which keeps pages as they were: also those of a secret that was destroyed.
//!
//! It cannot be emptied while a reader uses an older state. SQLite would wait for such a reader with the lock
//! of all writers, and grants would wait with it: so most attempts wait only briefly, and writers have their
//! turn in between. One attempt waits for long: overlapping reads can make all short ones fail, but they end
//! while nobody writes.

use std::time::Duration;

use sqlx::Row as _;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::sqlite::Connection;
use super::writer::Writer;

/// The emptying of the log, in a task that continues when its caller is cancelled.
pub(crate) struct Emptying(JoinHandle<bool>);

impl Emptying {
    /// Starts the task. It needs the writer, so that a caller who has a transaction that writes is done with it first.
    pub(crate) fn begin(writer: &Writer) -> Self {
        let writer = writer.clone();
        Self(tokio::spawn(async move {
            // One task at a time, or each would keep writers waiting.
            let _turn = writer.emptying().await;
            empties_shortly(&writer).await
                || attempt(&writer, Wait::Long).await == Attempt::Emptied
                || empty_at_last(&writer).await
        }))
    }

    /// Waits until the log is empty; no longer than the attempts take after which a warning is logged. Returns whether it
    /// is.
    pub(crate) async fn wait(self) -> bool {
        matches!(timeout(ANSWER_WAIT, self.0).await, Ok(Ok(true)))
    }
}

/// Moves everything from the write-ahead log to the database's file and empties the log; returns whether it
/// did within ten seconds.
pub(crate) async fn empties_shortly(writer: &Writer) -> bool {
    for _ in 0..ATTEMPTS {
        match attempt(writer, Wait::Short).await {
            Attempt::Emptied => return true,
            Attempt::Closed => return false,
            Attempt::Busy => sleep(PAUSE).await,
        }
    }
    false
}

/// The same, however long a reader uses an older state; returns whether it did before the database was closed.
pub(crate) async fn empty_at_last(writer: &Writer) -> bool {
    loop {
        // Until then the log contains the destroyed data.
        tracing::warn!(event = "keystore.checkpoint_busy");
        for _ in 0..ATTEMPTS_TO_WARNING {
            sleep(LONG_PAUSE).await;
            match attempt(writer, Wait::Short).await {
                Attempt::Emptied => return true,
                Attempt::Closed => return false,
                Attempt::Busy => {}
            }
        }
    }
}

/// What became of one attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Emptied,
    /// A reader uses an older state, or the database failed.
    Busy,
    /// The database is closed, and its log is as it was: it is emptied when the database is opened again.
    Closed,
}

/// How long an attempt waits for readers, with the writer.
#[derive(Clone, Copy)]
enum Wait {
    /// [`CHECKPOINT_WAIT`].
    Short,
    /// As long as for any lock.
    Long,
}

async fn attempt(writer: &Writer, wait: Wait) -> Attempt {
    match truncated(writer, wait).await {
        Ok(true) => Attempt::Emptied,
        Ok(false) => Attempt::Busy,
        Err(sqlx::Error::PoolClosed) => Attempt::Closed,
        Err(error) => {
            tracing::warn!(event = "keystore.checkpoint_failed", %error);
            Attempt::Busy
        }
    }
}

async fn truncated(writer: &Writer, wait: Wait) -> Result<bool, sqlx::Error> {
    let mut held = writer.acquire().await?;
    match wait {
        Wait::Short => truncate(&mut *writer.checkpoints(&held).await?).await,
        Wait::Long => truncate(&mut held).await,
    }
}

/// Says whether it could be.
async fn truncate(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    // https://www.sqlite.org/pragma.html#pragma_wal_checkpoint: the first column is 1 if the checkpoint was blocked.
    Ok(row.try_get::<i64, _>(0)? == 0)
}

/// So long one attempt waits for readers.
pub(super) const CHECKPOINT_WAIT: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(180);
/// Ten seconds in all.
const ATTEMPTS: u32 = 50;
const LONG_PAUSE: Duration = Duration::from_secs(2);
/// A warning every minute.
const ATTEMPTS_TO_WARNING: u32 = 30;
/// The short attempts, the long one, and some time for other writers.
const ANSWER_WAIT: Duration = Duration::from_secs(25);
