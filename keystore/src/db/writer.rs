//! The only writing connection, and its current holder.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard, Notify};

use super::lock::DatabaseLock;
use super::readers::Readers;
use super::sqlite::{Db, Pool, WRITE, WriterConnection};
use super::watch::TxWatch;

/// One connection that writes, several that read.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) watch: Arc<TxWatch>,
    /// Keeps other processes out. `None` only in tests that stand for several brokers.
    pub(super) lock: Option<Arc<DatabaseLock>>,
}

impl Pools {
    /// Closes all connections, and then gives the lock up.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Some(lock) = &self.lock {
            lock.release();
        }
    }
}

/// The writing connection. The recorder keeps it from batch to batch, because a pool checks the connection
/// before and after each acquisition; the recorder returns it as soon as another caller needs it.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pool: Pool,
    /// One connection that waits for readers only shortly.
    checkpoints: Pool,
    tickets: Arc<Tickets>,
    /// The turn to empty the write-ahead log.
    emptying: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Tickets {
    count: AtomicUsize,
    issued: Notify,
}

/// Held while a caller waits for the connection.
struct WriterTicket<'w>(&'w Tickets);

impl Writer {
    pub(super) fn new(pool: Pool, checkpoints: Pool) -> Self {
        Self { pool, checkpoints, tickets: Arc::default(), emptying: Arc::default() }
    }

    /// A transaction, once the connection is free.
    pub(super) async fn begin(&self) -> Result<sqlx::Transaction<'static, Db>, sqlx::Error> {
        let _ticket = self.ticket();
        self.pool.begin_with(WRITE).await
    }

    /// The connection, once it is free.
    pub(crate) async fn acquire(&self) -> Result<WriterConnection, sqlx::Error> {
        let _ticket = self.ticket();
        self.pool.acquire().await
    }

    /// The connection for a long time; the holder must return it when another caller needs it.
    pub(crate) async fn hold(&self) -> Result<WriterConnection, sqlx::Error> {
        self.pool.acquire().await
    }

    /// Whether another caller waits for the connection.
    pub(crate) fn is_wanted(&self) -> bool {
        self.tickets.count.load(Ordering::SeqCst) > 0
    }

    /// Waits until another caller may be waiting for the connection.
    pub(crate) async fn wanted(&self) {
        self.tickets.issued.notified().await;
    }

    /// The connection for checkpoints. The caller holds the writer, so nothing else in this process writes
    /// meanwhile.
    pub(super) async fn checkpoints(
        &self,
        _writer: &WriterConnection,
    ) -> Result<WriterConnection, sqlx::Error> {
        self.checkpoints.acquire().await
    }

    /// Lets one task at a time empty the write-ahead log.
    pub(super) async fn emptying(&self) -> MutexGuard<'_, ()> {
        self.emptying.lock().await
    }

    async fn close(&self) {
        self.checkpoints.close().await;
        self.pool.close().await;
    }

    fn ticket(&self) -> WriterTicket<'_> {
        self.tickets.count.fetch_add(1, Ordering::SeqCst);
        self.tickets.issued.notify_one();
        WriterTicket(&self.tickets)
    }
}

impl Drop for WriterTicket<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}
