//! SQLite: its types, and the cheapest way to run statements on it. Nothing above [`crate::db`] names a type
//! of sqlx for a particular database.

use std::future::poll_fn;
use std::time::Duration;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::{Either, Execute, Executor as _, QueryBuilder};

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type Pool = sqlx::Pool<Db>;
pub(crate) type Connection = sqlx::SqliteConnection;
pub(crate) type Row = sqlx::sqlite::SqliteRow;
pub(crate) type WriterConnection = sqlx::pool::PoolConnection<Db>;

/// Runs one statement; returns its rows, and how many it changed.
///
/// Returns with the first result. The stream ends a moment later, and waiting for that would wake the task
/// once more, which costs more than most statements do.
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

/// Statements that are sent together: switching to the database's thread and back costs more than most
/// statements do.
pub(crate) struct Script {
    text: QueryBuilder<Db>,
    statements: usize,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self { text: QueryBuilder::new(""), statements: 0 }
    }

    /// Starts a new statement; append its text to the returned builder.
    pub(crate) fn statement(&mut self) -> &mut QueryBuilder<Db> {
        if self.statements > 0 {
            self.text.push("; ");
        }
        self.statements += 1;
        &mut self.text
    }

    /// Runs the statements in order, stopping at the first that fails; returns how many rows each changed.
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

/// Whether the database has other rows than expected. Other errors say nothing about the rows.
pub(super) fn is_constraint(error: &sqlx::Error) -> bool {
    let kind = error.as_database_error().map(DatabaseError::kind);
    matches!(kind, Some(ErrorKind::UniqueViolation | ErrorKind::NotNullViolation))
}

/// Whether another connection held the database.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(SQLITE_BUSY)
}

/// Whether the file is not a database, or its pages contradict one another.
pub(super) fn is_damaged(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error().and_then(DatabaseError::code)?;
    // https://www.sqlite.org/rescode.html: the low byte of an extended code is its primary one.
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Begins a writing transaction and takes the lock at once, so that no later statement can fail to get it.
pub(super) const WRITE: &str = "BEGIN IMMEDIATE";
/// How long SQLite itself waits for a lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
// https://www.sqlite.org/rescode.html
const SQLITE_BUSY: u32 = 5;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;
