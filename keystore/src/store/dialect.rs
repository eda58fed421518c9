//! What differs between databases: how one is opened. Every query is the same text for all of them.

use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    Connection as _, Either, Execute, Executor as _, QueryBuilder, Row as _, SqlSafeStr as _,
    error::BoxDynError,
};
use tokio::sync::Notify;

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type Pool = sqlx::Pool<Db>;
pub(crate) type Connection = sqlx::SqliteConnection;
pub(crate) type Tx = sqlx::Transaction<'static, Db>;
pub(crate) type Row = sqlx::sqlite::SqliteRow;
pub(crate) type Held = sqlx::pool::PoolConnection<Db>;

/// One connection that writes, some that read.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub(crate) writer: Writer,
    pub(crate) readers: Pool,
}

/// The connection that writes. The recorder holds it from batch to batch, since a pool talks to a connection before and
/// after each use, and gives it up as soon as somebody else wants it.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pool: Pool,
    wishes: Arc<Wishes>,
}

#[derive(Debug, Default)]
struct Wishes {
    count: AtomicUsize,
    made: Notify,
}

/// Somebody waits for the connection.
struct Wish<'w>(&'w Wishes);

impl Writer {
    fn new(pool: Pool) -> Self {
        Self { pool, wishes: Arc::default() }
    }

    /// A transaction, as soon as nobody else has one.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let _wish = self.wish();
        self.pool.begin().await
    }

    /// The connection, as soon as nobody else has it.
    pub(crate) async fn acquire(&self) -> Result<Held, sqlx::Error> {
        let _wish = self.wish();
        self.pool.acquire().await
    }

    /// The connection for a long time: to be given up when it is wanted.
    pub(crate) async fn hold(&self) -> Result<Held, sqlx::Error> {
        self.pool.acquire().await
    }

    /// Whether somebody else waits for the connection.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wishes.count.load(Ordering::SeqCst) > 0
    }

    /// Waits until somebody else may be waiting for the connection.
    pub(crate) async fn wanted(&self) {
        self.wishes.made.notified().await;
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    fn wish(&self) -> Wish<'_> {
        self.wishes.count.fetch_add(1, Ordering::SeqCst);
        self.wishes.made.notify_one();
        Wish(&self.wishes)
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Makes the database's file, which must not be there, for its owner only.
pub(crate) fn create_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()
}

/// Opens the database and brings its tables up to date.
pub(crate) async fn connect(path: &Path) -> Result<Pools, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // The texts of a batch differ by its number of rows.
        .statement_cache_capacity(STATEMENTS)
        // Freed pages are overwritten: what was destroyed does not stay in the file.
        .pragma("secure_delete", "ON");
    let pool = |size| {
        SqlitePoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // SQLite ends a transaction by itself when the disk is full, and sqlx then takes the next one
            // for a part of it, whose commit writes nothing: such a connection is not used again.
            .before_acquire(|connection, _| {
                let sound = !connection.is_in_transaction();
                Box::pin(std::future::ready(Ok(sound)))
            })
    };
    let writer = pool(1).connect_with(options.clone()).await?;
    migrator().await?.run(&writer).await?;
    let readers = pool(READERS).connect_with(options).await?;
    Ok(Pools { writer: Writer::new(writer), readers })
}

/// Runs one statement: its rows, and how many it changed.
///
/// Returns with the result. The stream of it ends a moment later, and whoever waits for that is woken once more, which
/// costs more than most statements do.
pub(crate) async fn run<'q>(
    connection: &mut Connection,
    statement: impl Execute<'q, Db> + 'q,
) -> Result<(Vec<Row>, u64), sqlx::Error> {
    let (mut results, mut rows) = (connection.fetch_many(statement), Vec::new());
    while let Some(result) = poll_fn(|context| results.as_mut().poll_next(context)).await {
        match result? {
            Either::Right(row) => rows.push(row),
            Either::Left(done) => return Ok((rows, done.rows_affected())),
        }
    }
    Ok((rows, 0))
}

/// Statements that are sent together: a hand-over to the database's thread and back costs more than most statements do.
pub(crate) struct Script {
    text: QueryBuilder<Db>,
    statements: usize,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self { text: QueryBuilder::new(""), statements: 0 }
    }

    /// The text of the next statement goes to the end of this.
    pub(crate) fn statement(&mut self) -> &mut QueryBuilder<Db> {
        if self.statements > 0 {
            self.text.push("; ");
        }
        self.statements += 1;
        &mut self.text
    }

    /// Runs one statement after the other, and none after one that fails: how many rows each changed.
    pub(crate) async fn run(mut self, connection: &mut Connection) -> Result<Vec<u64>, sqlx::Error> {
        let mut results = connection.fetch_many(self.text.build());
        let mut changed = Vec::with_capacity(self.statements);
        while changed.len() < self.statements {
            match poll_fn(|context| results.as_mut().poll_next(context)).await {
                Some(Ok(Either::Left(done))) => changed.push(done.rows_affected()),
                Some(Ok(Either::Right(_row))) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(sqlx::Error::WorkerCrashed),
            }
        }
        Ok(changed)
    }
}

/// Moves everything from the write-ahead log to the database's file and empties the log.
pub(crate) async fn checkpoint(writer: &Writer) -> Result<(), sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *writer.acquire().await?).await?;
    let busy: i64 = row.try_get(0)?;
    if busy != 0 {
        // Whoever reads the file for longer than the timeout keeps the old pages in the log until then.
        tracing::warn!(event = "keystore.checkpoint_busy");
    }
    Ok(())
}

async fn migrator() -> Result<Migrator, sqlx::Error> {
    Ok(Migrator::new(Tables).await?)
}

/// The migrations, compiled in.
#[derive(Debug)]
struct Tables;

impl MigrationSource<'static> for Tables {
    fn resolve(
        self,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 'static>> {
        let migration = |(version, name, text): &(i64, &'static str, &'static str)| {
            let name = (*name).into();
            Migration::new(*version, name, MigrationType::Simple, text.into_sql_str(), false)
        };
        Box::pin(std::future::ready(Ok(MIGRATIONS.iter().map(migration).collect())))
    }
}

/// Number, name and text of each migration, in their order. One that has run anywhere is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("../../migrations/0001_tables.sql")),
    (2, "retirement", include_str!("../../migrations/0002_retirement.sql")),
];

const READERS: u32 = 4;
const STATEMENTS: usize = 256;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
