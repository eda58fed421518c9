//! Emptying the write-ahead log, which keeps pages as they were: also those of a secret that was destroyed.

use std::time::Duration;

use sqlx::Row as _;

use super::writer::Writer;

/// Moves everything from the write-ahead log to the database's file and empties the log.
///
/// That cannot be while anybody reads an older state. SQLite would wait for such a reader with the lock of all writers, and
/// grants with it: so each attempt waits shortly, and writers have their turn in between.
pub(crate) async fn checkpoint(writer: &Writer) -> Result<(), sqlx::Error> {
    for _ in 0..ATTEMPTS {
        let held = writer.acquire().await?;
        let mut connection = writer.checkpoints(&held).await?;
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
        // https://www.sqlite.org/pragma.html#pragma_wal_checkpoint: the first column is 1 if the checkpoint was blocked.
        if row.try_get::<i64, _>(0)? == 0 {
            return Ok(());
        }
        drop(held);
        tokio::time::sleep(PAUSE).await;
    }
    // Whoever reads the file for longer than that keeps the old pages in the log until then.
    tracing::warn!(event = "keystore.checkpoint_busy");
    Ok(())
}

/// So long one attempt waits for readers.
pub(super) const CHECKPOINT_WAIT: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(180);
/// Ten seconds in all.
const ATTEMPTS: u32 = 50;
