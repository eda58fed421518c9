//! The files of `keystore/vectors/`, and a database filled from them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;
use vouchsafe_keystore::{Keyring, Keystore};

pub(crate) const KEYRING: &str = "keyring.json";
pub(crate) const DATABASE: &str = "database.sql";
pub(crate) const ROW_MACS: &str = "row-macs.json";
pub(crate) const LOG_RECORDS: &str = "log-records.json";
pub(crate) const KNOWN: &str = "known.json";

pub(crate) fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(vector(name)).expect("a vector")
}

/// A folder with the keyring as a private file, and a database.
pub(crate) struct Stored {
    folder: TempDir,
}

impl Stored {
    /// A new keyring and an empty folder.
    pub(crate) fn with_keyring(text: &str) -> Self {
        let stored = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(stored.folder.path().join(KEYRING));
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a private file");
        stored
    }

    /// The database of the vectors.
    pub(crate) async fn of_vectors() -> Self {
        let stored = Self::with_keyring(&read(KEYRING));
        // Its tables are those of this version: stored rows must survive every migration.
        stored.create().await.close().await;
        let mut connection = stored.connect().await;
        for table in tables(&mut connection).await.iter().rev() {
            run(&mut connection, format!("DELETE FROM {table}")).await;
        }
        run(&mut connection, read(DATABASE)).await;
        // The file of the keystore whose tables these are; earlier versions wrote none.
        fs::remove_file(stored.path().with_extension("head")).expect("removed");
        connection.close().await.expect("closed");
        stored
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::load(&self.folder.path().join(KEYRING)).expect("a keyring")
    }

    pub(crate) async fn create(&self) -> Keystore {
        Keystore::create(&self.path(), self.keyring()).await.expect("a new keystore")
    }

    pub(crate) async fn open(&self) -> Keystore {
        Keystore::open(&self.path(), self.keyring()).await.expect("an opened keystore")
    }

    pub(crate) async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).foreign_keys(false);
        SqliteConnection::connect_with(&options).await.expect("the database")
    }

    pub(crate) fn keyring_file(&self) -> PathBuf {
        self.folder.path().join(KEYRING)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("vouchsafe.db")
    }
}

/// Tables of the keystore, in the order of their creation.
pub(crate) async fn tables(connection: &mut SqliteConnection) -> Vec<String> {
    let names =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlx%' ORDER BY rowid";
    let rows = sqlx::query(names).fetch_all(connection).await.expect("the schema");
    rows.iter().map(|row| row.get("name")).collect()
}

async fn run(connection: &mut SqliteConnection, script: String) {
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.expect("statements of a vector");
}
