//! Versions that are retired and restored, alone or with their secret.

use super::*;
use crate::registry::secrets::types::{VersionState, VersionSummary};

/// The states of a secret's versions, oldest first: `a`ctive, `r`etired, `d`estroyed.
async fn states(fixture: &Fixture, text: &str) -> String {
    let summary = fixture.keystore.secret(&path(text)).await.unwrap().unwrap();
    let letter = |version: &VersionSummary| match version.state {
        VersionState::Active => 'a',
        VersionState::Retired => 'r',
        VersionState::Destroyed => 'd',
    };
    summary.versions.iter().map(letter).collect()
}

#[tokio::test]
async fn a_retired_version_is_not_served() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"old").await;
    fixture.put("prod/db", b"new").await;
    let here = path("prod/db");
    fixture.keystore.retire_secret(BY, &here, Some(2)).await.unwrap();
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"old");
    fixture.keystore.restore_secret(BY, &here, Some(2)).await.unwrap();
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"new");
    let unknown = fixture.keystore.retire_secret(BY, &here, Some(3)).await.unwrap_err();
    assert!(matches!(unknown, SecretError::UnknownVersion { version: 3, .. }));
    let unknown = fixture.keystore.retire_secret(BY, &path("prod/none"), None).await.unwrap_err();
    assert!(matches!(unknown, SecretError::Unknown { .. }));
}

#[tokio::test]
async fn a_version_that_was_retired_by_itself_does_not_come_back_with_the_secret() {
    let fixture = Fixture::new().await;
    for value in [b"one", b"two", b"six"] {
        fixture.put("prod/db", value).await;
    }
    let (here, keystore) = (path("prod/db"), &fixture.keystore);
    keystore.retire_secret(BY, &here, Some(2)).await.unwrap();
    keystore.retire_secret(BY, &here, None).await.unwrap();
    assert_eq!(states(&fixture, "prod/db").await, "rrr");
    // Retired by number while the secret is retired: it stays retired, too.
    keystore.retire_secret(BY, &here, Some(3)).await.unwrap();
    keystore.restore_secret(BY, &here, None).await.unwrap();
    assert_eq!(states(&fixture, "prod/db").await, "arr");
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"one");
    let nothing = keystore.restore_secret(BY, &here, None).await.unwrap_err();
    assert!(matches!(nothing, SecretError::NothingToRestore { .. }));
    keystore.restore_secret(BY, &here, Some(2)).await.unwrap();
    assert_eq!(states(&fixture, "prod/db").await, "aar");
}

#[tokio::test]
async fn a_secret_comes_back_as_its_last_retirement_found_it() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"one").await;
    let (here, keystore) = (path("prod/db"), &fixture.keystore);
    keystore.retire_secret(BY, &here, None).await.unwrap();
    fixture.put("prod/db", b"two").await;
    keystore.retire_secret(BY, &here, None).await.unwrap();
    keystore.restore_secret(BY, &here, None).await.unwrap();
    assert_eq!(states(&fixture, "prod/db").await, "ra", "version 1 was retired by another retirement");
    keystore.restore_secret(BY, &here, None).await.unwrap();
    assert_eq!(states(&fixture, "prod/db").await, "aa");
    keystore.restore_secret(BY, &here, None).await.unwrap();
    assert_eq!(states(&fixture, "prod/db").await, "aa", "nothing is retired");
}

#[tokio::test]
async fn t42_how_a_version_was_retired_cannot_be_edited() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"one").await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), Some(1)).await.unwrap();
    fixture.sql("UPDATE secret_versions SET retirement = row_version").await;
    let edited = fixture.keystore.restore_secret(BY, &path("prod/db"), None).await.unwrap_err();
    let SecretError::Store(StoreError::RowTampered { table, .. }) = edited else { panic!("{edited:?}") };
    assert_eq!(table, "secret_versions");
}

#[tokio::test]
async fn t42_a_retirement_of_the_whole_secret_cannot_be_removed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"one").await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), None).await.unwrap();
    fixture.sql("UPDATE secret_versions SET retirement = 0").await;
    let edited = fixture.keystore.secret(&path("prod/db")).await.unwrap_err();
    assert!(matches!(edited, StoreError::RowTampered { table: "secret_versions", .. }));
}
