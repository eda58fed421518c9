//! The database is opened again: after a close or a crash, with another keyring, after a rotation.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::db::Reader;

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
    for file in ["vouchsafe.db", "vouchsafe.db-wal", "root.json"] {
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
    let wrong = Keystore::open(&fixture.path(), other()).await.unwrap_err();
    assert!(matches!(wrong, OpenError::WrongKeyring { .. }));
    let missing = Keystore::open(&fixture.folder.path().join("none.db"), other()).await.unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }));
    let exists = Keystore::create(&fixture.path(), other()).await.unwrap_err();
    assert!(matches!(exists, OpenError::Exists { .. }));
    fixture.sql("DELETE FROM meta").await;
    assert!(matches!(fixture.again().await.unwrap_err(), OpenError::Unfinished { .. }));
    let mode = fs::metadata(fixture.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
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
    assert_eq!(count, 4);
}

#[tokio::test]
async fn rotation_keeps_old_rows_readable() {
    let fixture = Fixture::new().await;
    fixture.put("prod/old", b"old").await;
    fixture.keystore.close().await;
    let mut keyring = fixture.keyring();
    keyring.add_pending(NOW).unwrap();
    keyring.promote().unwrap();
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
