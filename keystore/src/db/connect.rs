//! Creating and opening the database's file, and its tables.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, QueryBuilder, SqlSafeStr as _, error::BoxDynError};

use super::checkpoint::{CHECKPOINT_WAIT, Emptying};
use super::lock::DatabaseLock;
use super::readers::{Reader, Readers};
use super::sqlite::{BUSY_TIMEOUT, Connection, Db};
use super::writer::{Pools, Writer};

/// Creates the database's file, which must not exist, readable only by its owner.
pub(crate) fn create_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()
}

/// Whether the file is a database with tables. It is opened for reading only, and not at all if it is empty: opening
/// an empty database deletes its write-ahead log, which may hold everything that there is.
pub(crate) async fn has_tables(path: &Path) -> Result<bool, sqlx::Error> {
    if std::fs::metadata(path)?.len() == 0 {
        return Ok(false);
    }
    let mut connection = read_only(path).await?;
    let query = "SELECT COUNT(*) > 0 FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let found = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(found)
}

/// One connection that cannot change the file.
pub(crate) async fn read_only(path: &Path) -> Result<Connection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    Connection::connect_with(&options).await
}

/// Whether any table has a row.
pub(crate) async fn any_rows(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    let mut query = QueryBuilder::<Db>::new("SELECT 1 = 0");
    for table in TABLES {
        query.push(" OR EXISTS (SELECT 1 FROM ").push(table).push(")");
    }
    query.build_query_scalar().fetch_one(connection).await
}

/// Opens the database, brings its tables up to date and empties its write-ahead log: a process that was killed after
/// it destroyed a secret may have left the ciphertext there. `lock` keeps other processes out of it, from before the first change
/// to the end.
pub(crate) async fn connect(path: &Path, lock: Option<DatabaseLock>) -> Result<Pools, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // The texts of a batch depend on its number of rows.
        .statement_cache_capacity(STATEMENTS)
        // Freed pages are overwritten: destroyed data does not remain in the file.
        .pragma("secure_delete", "ON");
    let pool = |size| {
        SqlitePoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // When the disk is full, SQLite ends a transaction by itself. sqlx would treat the next one as a
            // nested one, whose commit writes nothing; so such a connection is not used again.
            .before_acquire(|connection, _| {
                let sound = !connection.is_in_transaction();
                Box::pin(std::future::ready(Ok(sound)))
            })
    };
    let writer = pool(1).connect_with(options.clone()).await?;
    migrator().await?.run(&writer).await?;
    let checkpoints = pool(1).connect_lazy_with(options.clone().busy_timeout(CHECKPOINT_WAIT));
    let writer = Writer::new(writer, checkpoints);
    // Before this process has readers, so that only those of another process can delay it.
    let _emptied = Emptying::begin(&writer).wait().await;
    let share = async |reader| pool(Readers::share(reader)).connect_with(options.clone()).await;
    let readers = Readers::new(
        share(Reader::Release).await?,
        share(Reader::Token).await?,
        share(Reader::Operator).await?,
        share(Reader::Records).await?,
    );
    Ok(Pools { writer, readers, watch: Arc::default(), lock: lock.map(Arc::new) })
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

/// Number, name and text of each migration, in order. One that has been released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("../../migrations/0001_tables.sql")),
    (2, "retirement", include_str!("../../migrations/0002_retirement.sql")),
    (3, "volumes", include_str!("../../migrations/0003_volumes.sql")),
    (4, "proposals", include_str!("../../migrations/0004_proposals.sql")),
    (5, "nonce floor", include_str!("../../migrations/0005_nonce_floor.sql")),
    (6, "log tree", include_str!("../../migrations/0006_log_tree.sql")),
    (7, "token ends", include_str!("../../migrations/0007_token_ends.sql")),
    (8, "generations", include_str!("../../migrations/0008_generations.sql")),
    (9, "identity uses", include_str!("../../migrations/0009_identity_uses.sql")),
];

/// The number of the last migration.
pub(super) const NEWEST_TABLES: i64 = 9;

/// The tables that the migrations create.
const TABLES: &[&str] = &[
    "chips",
    "chips_head",
    "document_versions",
    "documents",
    "epoch",
    "evidence",
    "identities",
    "identity_uses",
    "log_head",
    "log_leaves",
    "meta",
    "nonce_floor",
    "operators",
    "sealed_values",
    "secret_versions",
    "secrets",
    "spent_nonces",
];

const STATEMENTS: usize = 256;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_tables_of_the_migrations_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vouchsafe.db");
        create_file(&path).unwrap();
        let pools = connect(&path, None).await.unwrap();
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations' ORDER BY name",
        )
        .fetch_all(pools.readers.of(Reader::Release))
        .await
        .unwrap();
        assert_eq!(found, TABLES);
        assert!(!any_rows(&mut pools.writer.acquire().await.unwrap()).await.unwrap());
        assert_eq!(MIGRATIONS.last().map(|(version, ..)| *version), Some(NEWEST_TABLES));
    }
}
