use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::db::Reader;
use crate::log::DecisionFilter;

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
async fn t38_a_secret_without_a_policy_of_its_namespace_cannot_exist() {
    let fixture = Fixture::new().await;
    let (here, missing, foreign) = (path("prod/db"), name("prod/missing"), name("test/p"));
    let fixture = &fixture;
    let here = &here;
    let put = |policy| {
        let new = NewVersion { path: here, purpose: Purpose::App, policy };
        async move { fixture.keystore.put_secret(BY, new, &secret(b"v")).await.unwrap_err() }
    };
    assert!(matches!(put(&missing).await, SecretError::NoSuchPolicy { policy } if policy == missing));
    assert!(matches!(put(&foreign).await, SecretError::ForeignPolicy { .. }));
    assert!(matches!(fixture.state("prod/db").await.unwrap(), StoredState::Absent));
    fixture.policy("shared/p", "shared").await;
    let shared = name("shared/p");
    let new = NewVersion { path: here, purpose: Purpose::App, policy: &shared };
    assert_eq!(fixture.keystore.put_secret(BY, new, &secret(b"v")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_new_version_is_of_the_same_kind_and_policy() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"one").await;
    fixture.policy("prod/other", "2").await;
    let (here, other) = (path("prod/db"), name("prod/other"));
    let keystore = &fixture.keystore;
    let disk = NewVersion { purpose: Purpose::Disk, ..new(&here) };
    let refused = keystore.put_secret(BY, disk, &secret(b"v")).await.unwrap_err();
    assert!(matches!(refused, SecretError::OtherKind { purpose: Purpose::App, per_instance: false, .. }));
    let refused = keystore.generate_per_instance(BY, new(&here)).await.unwrap_err();
    assert!(matches!(refused, SecretError::OtherKind { .. }));
    let moved = NewVersion { policy: &other, ..new(&here) };
    let refused = keystore.put_secret(BY, moved, &secret(b"v")).await.unwrap_err();
    assert!(matches!(refused, SecretError::OtherPolicy { .. }));
    keystore.set_secret_policy(BY, &here, &other).await.unwrap();
    assert_eq!(keystore.put_secret(BY, moved, &secret(b"two")).await.unwrap(), 2);
    keystore.retire_secret(BY, &here, Some(2)).await.unwrap();
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"one", "rewrapped under the new policy");
}

#[tokio::test]
async fn t50_absent_and_retired_differ_in_the_stored_input() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let here = path("prod/db");
    assert!(matches!(fixture.state("prod/none").await.unwrap(), StoredState::Absent));
    fixture.keystore.retire_secret(BY, &here, None).await.unwrap();
    assert!(matches!(fixture.state("prod/db").await.unwrap(), StoredState::Retired));
    fixture.keystore.restore_secret(BY, &here, None).await.unwrap();
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
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

#[tokio::test]
async fn a_destroyed_version_has_no_bytes_left() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let here = path("prod/db");
    let StoredState::Active(active) = fixture.state("prod/db").await.unwrap() else { panic!("not active") };
    let (data, key) = active.sealed_bytes();
    assert!(contains(&fixture.bytes(), data) && contains(&fixture.bytes(), key));
    fixture.keystore.destroy_secret(BY, &here, Some(1)).await.unwrap();
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
async fn t42_no_plaintext_is_in_the_database() {
    let fixture = Fixture::new().await;
    let value = b"plaintext that must not be found";
    fixture.put("prod/db", value).await;
    let token =
        fixture.keystore.add_operator(BY, "bob", OperatorRole::Editor, &["prod".to_owned()]).await.unwrap();
    let bytes = fixture.bytes();
    assert!(contains(&bytes, b"prod/db"), "the scan sees what is there");
    assert!(!contains(&bytes, value));
    assert!(!contains(&bytes, &value[..12]));
    assert!(!contains(&bytes, token.expose().as_bytes()), "T34: nor an operator's token");
}

#[tokio::test]
async fn generated_secrets_have_the_length_asked_for() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    for length in [16, 32, 1024] {
        let here = path(&format!("prod/generated-{length}"));
        keystore.generate_secret(BY, new(&here), length).await.unwrap();
        assert_eq!(fixture.served(here.as_str()).await.unwrap().len(), length);
    }
    for length in [0, 15, 1025] {
        let refused = keystore.generate_secret(BY, new(&path("prod/x")), length).await.unwrap_err();
        assert!(matches!(refused, SecretError::GeneratedLength { length: found } if found == length));
    }
}

#[tokio::test]
async fn instances_are_given_values_of_their_own() {
    let fixture = Fixture::new().await;
    fixture.keystore.generate_per_instance(BY, new(&path("prod/fleet"))).await.unwrap();
    let StoredState::Active(active) = fixture.state("prod/fleet").await.unwrap() else {
        panic!("not active")
    };
    let value = |instance| fixture.keystore.unseal_active(&active, Some(instance)).unwrap().expose().to_vec();
    assert_eq!(value((1, 2)), value((1, 2)));
    assert_ne!(value((1, 2)), value((1, 3)));
    let unnamed = fixture.keystore.unseal_active(&active, None).unwrap_err();
    assert_eq!(unnamed, UnsealError::NoInstance { path: path("prod/fleet") });
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
    assert_eq!(count, 2);
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
async fn operators_authenticate_until_they_are_removed() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let root = keystore.add_operator(BY, "root", OperatorRole::Administrator, &[]).await.unwrap();
    let bob = keystore.add_operator(BY, "bob", OperatorRole::Editor, &["prod".to_owned()]).await.unwrap();
    assert_eq!(format!("{bob:?}"), "OperatorToken([REDACTED])");
    let found = keystore.authenticate(bob.expose()).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.role), ("bob", OperatorRole::Editor));
    assert_eq!(found.namespaces, ["prod"]);
    let mut forged = bob.expose().to_owned();
    forged.pop();
    for token in ["", "vouchsafe-operator.", &forged, &format!("{}x", bob.expose()), &root.expose()[..40]] {
        assert_eq!(keystore.authenticate(token).await.unwrap(), None, "T41: {token}");
    }
    let again =
        keystore.add_operator(BY, "bob", OperatorRole::Auditor, &["prod".to_owned()]).await.unwrap_err();
    assert!(matches!(again, OperatorError::Exists { .. }));
    let unnamed = keystore.add_operator(BY, "Bob Smith", OperatorRole::Auditor, &[]).await.unwrap_err();
    assert!(matches!(unnamed, OperatorError::Name { .. }));
    for (role, namespaces, refused) in [
        (OperatorRole::Administrator, &["prod"][..], "AdministratorNamespace"),
        (OperatorRole::Editor, &[], "NoNamespace { role: Editor }"),
        (OperatorRole::Auditor, &[], "NoNamespace { role: Auditor }"),
        (OperatorRole::Editor, &["*"], "EveryNamespace"),
        (OperatorRole::Auditor, &["*", "prod"], "EveryNamespace"),
        (OperatorRole::Auditor, &["Prod"], "Name { text: \"Prod\" }"),
    ] {
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        let error = keystore.add_operator(BY, "kim", role, &namespaces).await.unwrap_err();
        assert_eq!(format!("{error:?}"), refused, "T41");
    }
    keystore.add_operator(BY, "ann", OperatorRole::Auditor, &["*".to_owned()]).await.unwrap();
    keystore.remove_operator(BY, "ann").await.unwrap();
    keystore.remove_operator(BY, "bob").await.unwrap();
    assert_eq!(keystore.authenticate(bob.expose()).await.unwrap(), None);
    assert!(matches!(keystore.remove_operator(BY, "bob").await, Err(OperatorError::Unknown { .. })));
    let last = keystore.remove_operator(BY, "root").await.unwrap_err();
    assert!(matches!(last, OperatorError::LastAdministrator { .. }));
    assert_eq!(keystore.operators().await.unwrap().len(), 1);
}

#[tokio::test]
async fn documents_have_versions_and_can_be_revoked() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let (kind, base) = (DocumentKind::Baseline, name("prod/base"));
    assert_eq!(keystore.put_document(BY, kind, &base, "one").await.unwrap(), 1);
    assert_eq!(keystore.put_document(BY, kind, &base, "two").await.unwrap(), 2);
    let current = keystore.document(kind, &base, None).await.unwrap().unwrap();
    assert_eq!((current.text.as_str(), current.version, current.created_by.as_str()), ("two", 2, "alice"));
    assert_eq!(keystore.document(kind, &base, Some(1)).await.unwrap().unwrap().text, "one");
    assert_eq!(keystore.document(kind, &base, Some(3)).await.unwrap(), None);
    assert_eq!(keystore.document(DocumentKind::Policy, &base, None).await.unwrap(), None);
    fixture.put("prod/db", b"value").await;
    assert!(!keystore.stored_input(&[path("prod/db")]).await.unwrap().baselines[&base].revoked);
    keystore.revoke_baseline(BY, &base).await.unwrap();
    assert!(keystore.stored_input(&[path("prod/db")]).await.unwrap().baselines[&base].revoked);
    let revoked = keystore.put_document(BY, kind, &base, "three").await.unwrap_err();
    assert!(matches!(revoked, DocumentError::Revoked { .. }));
    let unknown = keystore.revoke_baseline(BY, &name("prod/none")).await.unwrap_err();
    assert!(matches!(unknown, DocumentError::Unknown { .. }));
    let large = keystore.put_document(BY, kind, &name("prod/l"), &"x".repeat(1 << 21)).await.unwrap_err();
    assert!(matches!(large, DocumentError::TooLarge { .. }));
}

#[tokio::test]
async fn every_change_is_on_record_and_raises_the_epoch() {
    let fixture = Fixture::new().await;
    let before = fixture.keystore.epoch().await.unwrap();
    fixture.put("prod/db", b"value").await;
    assert_eq!(fixture.keystore.epoch().await.unwrap(), before + 1);
    let logged = fixture.keystore.decisions(&DecisionFilter::default(), None).await.unwrap();
    let crate::record::LogRecord::Operator(record) = &logged[0].record else { panic!("no operator record") };
    assert_eq!((record.action.as_str(), record.target.as_str()), ("secret.put", "prod/db"));
    assert_eq!((record.operator.as_str(), record.epoch), ("alice", before + 1));
    assert_eq!(fixture.keystore.decision(record.id).await.unwrap().unwrap(), logged[0]);
}

#[tokio::test]
async fn stored_input_of_another_process_is_seen_after_the_epoch_moved() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let other = fixture.again().await.unwrap();
    let here = [path("prod/db")];
    let stale = other.stored_input(&here).await.unwrap();
    fixture.keystore.retire_secret(BY, &here[0], None).await.unwrap();
    // Cached and out of date: the record transaction notices this, and informs the cache.
    assert_eq!(other.stored_input(&here).await.unwrap().epoch, stale.epoch);
    other.registry().forget_before(stale.epoch + 1);
    let fresh = other.stored_input(&here).await.unwrap();
    assert!(matches!(fresh.items[0].state, StoredState::Retired));
}

#[tokio::test]
async fn t51_asking_for_the_epoch_forgets_older_input() {
    let fixture = Fixture::new().await;
    let other = fixture.again().await.unwrap();
    let here = [path("prod/db")];
    fixture.put("prod/other", b"value").await;
    other.stored_input(&[path("prod/other")]).await.unwrap();
    fixture.keystore.retire_secret(BY, &path("prod/other"), None).await.unwrap();
    fixture.put("prod/db", b"value").await;
    let stale = other.stored_input(&[path("prod/other")]).await.unwrap();
    let now = other.epoch().await.unwrap();
    assert!(stale.epoch < now);
    assert_eq!(other.stored_input(&[path("prod/other")]).await.unwrap().epoch, now);
    assert_eq!(other.stored_input(&here).await.unwrap().epoch, now);
}

#[tokio::test]
async fn t44_paths_that_guests_come_up_with_take_no_room() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.keystore.stored_input(&[path("prod/db")]).await.unwrap();
    for number in 0..100 {
        let absent = [path(&format!("n{number}/a")), path(&format!("prod/a{number}")), path("prod/db")];
        let stored = fixture.keystore.stored_input(&absent).await.unwrap();
        assert!(matches!(stored.items[0].state, StoredState::Absent));
        assert!(matches!(stored.items[2].state, StoredState::Active(_)));
    }
    assert_eq!(fixture.keystore.kept(), (1, 2), "the secret; its namespace and shared");
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
