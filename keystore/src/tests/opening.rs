//! The database is opened again: after a close or a crash, with another keyring, after a rotation.

use std::os::unix::fs::PermissionsExt as _;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Connection as _, SqliteConnection};

use super::*;
use crate::db::{Reader, create_file};

#[tokio::test]
async fn a_put_secret_is_there_after_a_restart() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.put("prod/db", b"first value").await, 1);
    assert_eq!(fixture.put("prod/db", b"second value").await, 2);
    let identity = fixture.keystore.identity().await.unwrap().identity();
    fixture.keystore.close().await;
    let reopened = Fixture { keystore: fixture.again().await.unwrap(), folder: fixture.folder };
    assert_eq!(reopened.served("prod/db").await.unwrap(), b"second value");
    assert_eq!(reopened.keystore.identity().await.unwrap().identity(), identity, "T43");
    let summary = reopened.keystore.secret(&path("prod/db")).await.unwrap().unwrap();
    assert_eq!(summary.served().unwrap().version, 2);
    assert_eq!(reopened.keystore.secrets(Some(&["prod".to_owned()])).await.unwrap(), [summary]);
    assert_eq!(reopened.keystore.secrets(Some(&["test".to_owned()])).await.unwrap(), []);
}

#[tokio::test]
async fn a_put_secret_is_there_without_a_close() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"acknowledged").await;
    let copy = tempfile::tempdir().unwrap();
    // The files at this moment are what a machine that loses power would keep.
    for file in ["vouchsafe.db", "vouchsafe.db-wal", "vouchsafe.head", "root.json"] {
        fs::copy(fixture.folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let keyring = Keyring::load(&copy.path().join("root.json")).unwrap();
    let keystore = Keystore::open(&copy.path().join("vouchsafe.db"), keyring).await.unwrap();
    let after = Fixture { folder: copy, keystore };
    assert_eq!(after.served("prod/db").await.unwrap(), b"acknowledged");
}

#[tokio::test]
async fn startup_says_what_is_wrong() {
    let fixture = Fixture::new().await;
    let other = || Keyring::generate(NOW).unwrap();
    let wrong = Keystore::open_beside_others(&fixture.path(), other()).await.unwrap_err();
    assert!(matches!(wrong, OpenError::WrongKeyring { .. }));
    let missing = Keystore::open(&fixture.folder.path().join("none.db"), other()).await.unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }));
    let exists = Keystore::create(&fixture.path(), other()).await.unwrap_err();
    assert!(matches!(exists, OpenError::Exists { .. }));
    let mode = fs::metadata(fixture.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Asserts that the message leads an operator whose database is damaged to the backup, and not to `init`.
fn assert_leads_to_the_backup(error: &OpenError) {
    let said = error.to_string();
    let restore = said.find("`vouchsafe restore`").or_else(|| said.find("from a backup"));
    let restore = restore.unwrap_or_else(|| panic!("{said}"));
    assert!(said.contains("docs/operations.md"), "{said}");
    assert!(said.find("init`").is_none_or(|init| init > restore), "{said}");
}

#[tokio::test]
async fn a_lost_row_is_not_a_new_keystore() {
    let fixture = Fixture::new().await;
    fixture.sql("DELETE FROM meta").await;
    let lost = fixture.again().await.unwrap_err();
    assert!(matches!(lost, OpenError::MetaLost { .. }), "{lost}");
    assert_leads_to_the_backup(&lost);
    assert!(!lost.to_string().contains("init"), "{lost}");
}

#[tokio::test]
async fn only_a_keystore_without_any_row_is_unfinished() {
    let fixture = Fixture::new().await;
    for table in ["meta", "document_versions", "documents", "epoch", "identities", "log_head", "log_leaves"] {
        fixture.run(&format!("DELETE FROM {table}")).await;
        let lost = fixture.again().await.unwrap_err();
        assert!(matches!(lost, OpenError::MetaLost { .. }), "{table}: {lost}");
    }
    fixture.sql("DELETE FROM chips_head").await;
    let unfinished = fixture.again().await.unwrap_err();
    assert!(matches!(unfinished, OpenError::Unfinished { .. }), "{unfinished}");
}

#[tokio::test]
async fn a_file_without_tables_is_refused_as_it_is() {
    let fixture = Fixture::new().await;
    fixture.keystore.close().await;
    let full = fs::read(fixture.path()).unwrap();
    fs::write(fixture.path(), b"").unwrap();
    let log = fixture.folder.path().join("vouchsafe.db-wal");
    fs::write(&log, b"what is left").unwrap();
    let empty = fixture.again().await.unwrap_err();
    assert!(matches!(empty, OpenError::NoTables { .. }), "{empty}");
    assert_leads_to_the_backup(&empty);
    // SQLite deletes the write-ahead log of an empty database.
    assert_eq!(fs::read(&log).unwrap(), b"what is left");
    fs::remove_file(&log).unwrap();
    assert_eq!(fs::read(fixture.path()).unwrap(), b"");

    // A copy without its write-ahead log may have no more than the header.
    let other = fixture.folder.path().join("other.db");
    create_file(&other).unwrap();
    let header = SqliteConnectOptions::new().filename(&other).journal_mode(SqliteJournalMode::Wal);
    SqliteConnection::connect_with(&header).await.unwrap().close().await.unwrap();
    let header = fs::read(&other).unwrap();
    assert!(!header.is_empty());
    let tables = Keystore::open(&other, fixture.keyring()).await.unwrap_err();
    assert!(matches!(tables, OpenError::NoTables { .. }), "{tables}");
    assert_eq!(fs::read(&other).unwrap(), header, "nothing was migrated");

    fs::write(fixture.path(), &full[..full.len() / 2]).unwrap();
    assert_leads_to_the_backup(&fixture.again().await.unwrap_err());
    fs::write(fixture.path(), vec![7; 8192]).unwrap();
    assert_leads_to_the_backup(&fixture.again().await.unwrap_err());
}

#[tokio::test]
async fn what_is_missing_or_damaged_leads_to_the_backup() {
    let fixture = Fixture::new().await;
    let missing =
        Keystore::open(&fixture.folder.path().join("none.db"), fixture.keyring()).await.unwrap_err();
    assert_leads_to_the_backup(&missing);
    let keyring = Keyring::load(&fixture.folder.path().join("none.json")).unwrap_err().to_string();
    let (restore, init) = (keyring.find("from its backup").unwrap(), keyring.find("init`").unwrap());
    assert!(restore < init && keyring.contains("docs/operations.md"), "{keyring}");
    let key = || "prod/p".to_owned();
    let rolled_back = StoreError::RowRolledBack { table: "documents", key: key(), found: 1, pinned: 2 };
    for error in [StoreError::RowTampered { table: "documents", key: key() }, rolled_back] {
        assert!(error.to_string().ends_with("; restore it from a backup: docs/operations.md"), "{error}");
    }
    let unknown = StoreError::UnknownGeneration { table: "documents", key: key(), id: 2 };
    assert!(unknown.to_string().ends_with("; put back the keyring file that has it: docs/operations.md"));
    fixture.sql("UPDATE log_head SET size = size - 1").await;
    assert_leads_to_the_backup(&fixture.again().await.unwrap_err());
}

#[tokio::test]
async fn t05_a_database_has_one_broker_at_a_time() {
    let fixture = Fixture::new().await;
    let open = async |path: PathBuf| Keystore::open(&path, fixture.keyring()).await;
    let link = fixture.folder.path().join("link.db");
    std::os::unix::fs::symlink(fixture.path(), &link).unwrap();
    for path in [fixture.path(), link] {
        let refused = open(path.clone()).await.unwrap_err();
        let own = std::process::id();
        assert!(
            matches!(&refused, OpenError::InUse { path: found, process: Some(id) } if *found == path && *id == own),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(&format!("is in use by process {own}: stop it first")),
            "{refused}"
        );
    }
    let lock = fixture.folder.path().join("vouchsafe.db.lock");
    assert_eq!(fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o600);
    // Who holds it is for the message only.
    fs::write(&lock, "no number").unwrap();
    let refused = open(fixture.path()).await.unwrap_err();
    assert!(refused.to_string().contains("is in use by another process"), "{refused}");
    // The handles of a closed keystore do not hold it.
    fixture.keystore.close().await;
    let second = open(fixture.path()).await.unwrap();
    assert!(matches!(open(fixture.path()).await, Err(OpenError::InUse { .. })));
    second.close().await;
    // A link in its place is not followed.
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &lock).unwrap();
    assert!(matches!(open(fixture.path()).await, Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn migrations_run_once() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        fixture.again().await.unwrap().close().await;
    }
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations")
        .fetch_one(fixture.keystore.pools().readers.of(Reader::Release))
        .await
        .unwrap();
    assert_eq!(count, 9);
}

#[tokio::test]
async fn rotation_keeps_old_rows_readable() {
    let fixture = Fixture::new().await;
    fixture.put("prod/old", b"old").await;
    fixture.keystore.close().await;
    let (keyring, _) = fixture.keyring().with_pending(NOW).unwrap();
    let (keyring, _) = keyring.with_promoted(NOW).unwrap();
    let keystore = Keystore::open(&fixture.path(), keyring).await.unwrap();
    let rotated = Fixture { keystore, folder: fixture.folder };
    rotated.put("prod/new", b"new").await;
    assert_eq!(rotated.served("prod/old").await.unwrap(), b"old");
    assert_eq!(rotated.served("prod/new").await.unwrap(), b"new");
    // The keyring file has the old generation only.
    assert!(matches!(
        rotated.again().await.unwrap_err(),
        OpenError::Store(StoreError::UnknownGeneration { id: 2, .. })
    ));
}

#[tokio::test]
async fn t47_a_probe_writes_to_the_disk() {
    let fixture = Fixture::new().await;
    let log = fixture.folder.path().join("vouchsafe.db-wal");
    for _ in 0..3 {
        let before = fs::read(&log).unwrap();
        fixture.keystore.probe().await.unwrap();
        assert!(fs::read(&log).unwrap() != before);
    }
    fixture.keystore.recorder().stop().await;
    assert!(matches!(
        fixture.keystore.probe().await.unwrap_err(),
        StoreError::Database(sqlx::Error::WorkerCrashed)
    ));
}
