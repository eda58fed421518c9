//! Transactions: each has a name, under which its duration and retries are reported to a watch. None is begun
//! or committed otherwise, except for a batch of grants, which is one script ([`super::grants`]).
//!
//! If a transaction acquires the writer itself, its begin is retried while the database is busy: nothing has
//! been read or written by then. On a writer that the caller already holds, and for later statements, it is
//! not retried: the caller must start over, since the data that it relied on may have changed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Connection as _;

use super::error::StoreError;
use super::readers::Reader;
use super::sqlite::{BUSY_TIMEOUT, Connection, Db, WRITE, is_busy};
use super::watch::{TransactionEnd, TxWatch};
use super::writer::Pools;

/// A transaction that is rolled back unless it is committed.
pub(crate) struct Tx<'c> {
    inner: sqlx::Transaction<'c, Db>,
    _timed: Timed,
}

/// Reports to the watch when it is dropped.
pub(crate) struct Timed {
    watch: Arc<TxWatch>,
    name: &'static str,
    retries: u32,
    begun: Instant,
}

impl Timed {
    /// Whether to begin again after this error, which counts as a retry. True if the database was busy and
    /// SQLite gave up before its own timeout (it does so when waiting could not have helped); after the
    /// timeout the caller has waited long enough.
    fn is_tried_again(&mut self, error: &sqlx::Error) -> bool {
        let again = is_busy(error) && self.begun.elapsed() < BUSY_TIMEOUT && self.retries < RETRIES;
        self.retries += u32::from(again);
        again
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(callback) = self.watch.0.get() {
            let Self { name, retries, begun, .. } = *self;
            callback(TransactionEnd { name, retries, took: begun.elapsed() });
        }
    }
}

impl Pools {
    /// One consistent view of the database.
    pub(crate) async fn read(&self, reader: Reader, name: &'static str) -> Result<Tx<'static>, StoreError> {
        let timed = self.timed(name);
        Ok(Tx { inner: self.readers.of(reader).begin().await?, _timed: timed })
    }

    /// A writing transaction, started as soon as no other is running.
    pub(crate) async fn write(&self, name: &'static str) -> Result<Tx<'static>, StoreError> {
        let mut timed = self.timed(name);
        loop {
            match self.writer.begin().await {
                Err(error) if timed.is_tried_again(&error) => tokio::time::sleep(PAUSE * timed.retries).await,
                begun => return Ok(Tx { inner: begun?, _timed: timed }),
            }
        }
    }

    /// The same on the writer's connection, which the caller already holds.
    pub(crate) async fn write_on<'c>(
        &self,
        connection: &'c mut Connection,
        name: &'static str,
    ) -> Result<Tx<'c>, StoreError> {
        let timed = self.timed(name);
        Ok(Tx { inner: connection.begin_with(WRITE).await?, _timed: timed })
    }

    /// Checks that the disk can be written, with a commit.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let mut tx = self.write("probe").await?;
        // Neither a rolled back transaction nor setting a value to itself writes to the disk.
        sqlx::query(
            "INSERT INTO meta (name, generation, mac) VALUES ('probe', 0, $1) \
             ON CONFLICT (name) DO UPDATE SET generation = 1 - meta.generation",
        )
        .bind(Vec::<u8>::new())
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// For a transaction that is one script.
    pub(crate) fn timed(&self, name: &'static str) -> Timed {
        Timed { watch: Arc::clone(&self.watch), name, retries: 0, begun: Instant::now() }
    }
}

impl Tx<'_> {
    /// Commits: everything is on disk when this returns.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }

    /// Ends it without effect.
    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.inner
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.inner
    }
}

const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;
    use std::sync::Mutex;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// A database error with this code.
    #[derive(Debug)]
    struct Coded(&'static str);

    impl fmt::Display for Coded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Coded {}

    impl DatabaseError for Coded {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }
    }

    fn timed(watch: &Arc<TxWatch>) -> Timed {
        Timed { watch: Arc::clone(watch), name: "test", retries: 0, begun: Instant::now() }
    }

    /// How often a begin that always fails with this code is retried.
    fn tried_again(code: &'static str) -> u32 {
        let mut timed = timed(&Arc::default());
        let error = sqlx::Error::Database(Box::new(Coded(code)));
        while timed.is_tried_again(&error) {}
        timed.retries
    }

    #[test]
    fn a_busy_database_is_tried_again_and_no_other_error_is() {
        // SQLITE_BUSY, SQLITE_BUSY_RECOVERY; SQLITE_FULL, SQLITE_CONSTRAINT.
        assert_eq!(["5", "261"].map(tried_again), [RETRIES; 2]);
        assert_eq!(["13", "19"].map(tried_again), [0; 2]);
        let mut waited = timed(&Arc::default());
        waited.begun = waited.begun.checked_sub(BUSY_TIMEOUT).expect("the machine runs for longer");
        assert!(!waited.is_tried_again(&sqlx::Error::Database(Box::new(Coded("5")))));
    }

    #[test]
    fn the_watch_is_called_once_per_transaction() {
        let (watch, ends) = (Arc::<TxWatch>::default(), Arc::<Mutex<Vec<_>>>::default());
        let told = Arc::clone(&ends);
        watch.set(move |end| told.lock().unwrap().push(end.name));
        drop(timed(&watch));
        drop(timed(&watch));
        assert_eq!(*ends.lock().unwrap(), ["test", "test"]);
    }
}
