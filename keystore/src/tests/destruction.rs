//! What is destroyed is in no file of the database any more.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::db::{Emptying, Reader};
use crate::registry::secrets::types::{Erasure, VersionState};

#[tokio::test]
async fn a_destroyed_version_has_no_bytes_left() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let here = path("prod/db");
    let StoredState::Active(active) = fixture.state("prod/db").await.unwrap() else { panic!("not active") };
    let (data, key) = active.sealed_bytes();
    assert!(contains(&fixture.bytes(), data) && contains(&fixture.bytes(), key));
    assert_eq!(fixture.keystore.destroy_secret(BY, &here, Some(1)).await.unwrap(), Erasure::Done);
    assert!(!contains(&fixture.bytes(), data), "ciphertext");
    assert!(!contains(&fixture.bytes(), key), "wrapped key");
    assert_eq!(fixture.served("prod/db").await, None);
    let gone = fixture.keystore.restore_secret(BY, &here, Some(1)).await.unwrap_err();
    assert!(matches!(gone, SecretError::Destroyed { version: 1, .. }));
    let gone = fixture.keystore.restore_secret(BY, &here, None).await.unwrap_err();
    assert!(matches!(gone, SecretError::NothingToRestore { .. }));
    assert_eq!(fixture.served("prod/db").await, None, "what is destroyed does not come back");
}

#[tokio::test]
async fn ciphertext_that_a_reader_keeps_is_said_to_be_there_still() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let StoredState::Active(active) = fixture.state("prod/db").await.unwrap() else { panic!("not active") };
    let (data, _) = active.sealed_bytes();
    let mut reads = fixture.keystore.pools().read(Reader::Records, "test").await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM log_leaves").fetch_one(&mut *reads).await.unwrap();
    let said = fixture.keystore.destroy_secret(BY, &path("prod/db"), None).await.unwrap();
    assert_eq!(said, Erasure::Waits);
    assert!(contains(&fixture.bytes(), data));
    assert_eq!(fixture.served("prod/db").await, None, "it is not released in any case");
}

/// A broker that is stopped before the log is emptied: the next start empties it.
#[tokio::test]
async fn what_a_closed_database_keeps_is_not_said_to_be_erased() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.keystore.pools().close().await;
    assert!(!Emptying::begin(&fixture.keystore.pools().writer).wait().await);
}

/// Whether a file of this folder contains these bytes.
fn is_below(folder: &Path, bytes: &[u8]) -> bool {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.any(|file| contains(&file, bytes))
}

#[tokio::test]
async fn what_a_killed_broker_destroyed_is_erased_when_the_database_is_opened() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let here = path("prod/db");
    let StoredState::Active(active) = fixture.state("prod/db").await.unwrap() else { panic!("not active") };
    let (data, key) = active.sealed_bytes();
    // As long as it reads, the log is not emptied.
    let mut reads = fixture.keystore.pools().read(Reader::Records, "test").await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM log_leaves").fetch_one(&mut *reads).await.unwrap();
    let soon = Duration::from_millis(500);
    assert!(timeout(soon, fixture.keystore.destroy_secret(BY, &here, None)).await.is_err());
    // The files at this moment are what a broker that is killed leaves.
    let killed = tempfile::tempdir().unwrap();
    for file in ["vouchsafe.db", "vouchsafe.db-wal", "vouchsafe.head"] {
        fs::copy(fixture.folder.path().join(file), killed.path().join(file)).unwrap();
    }
    assert!(is_below(killed.path(), data) && is_below(killed.path(), key));
    let keystore = Keystore::open(&killed.path().join("vouchsafe.db"), fixture.keyring()).await.unwrap();
    assert!(!is_below(killed.path(), data), "ciphertext");
    assert!(!is_below(killed.path(), key), "wrapped key");
    let versions = keystore.secret(&here).await.unwrap().unwrap().versions;
    assert!(versions.iter().all(|version| version.state == VersionState::Destroyed), "{versions:?}");
}
