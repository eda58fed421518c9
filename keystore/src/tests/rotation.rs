//! Rotation of the keyring: in steps that can be interrupted, and never past a row that needs the old generation.

mod files;

use std::collections::BTreeMap;

use super::record::grant;
use super::*;
use crate::db::Reader;
use crate::keyring::KeyringError;
use crate::keyring::locked::{KeyringFile, LockedFile};
use crate::log::DecisionFilter;
use crate::log::record::LogRecord;
use crate::record::RecordError;
use crate::registry::TokenLifetime;
use crate::rotation::{Resealed, RotationError};

const LIFETIME: u64 = 60;
const LATER: Actor<'static> = Actor::offline("alice", UnixTime(NOW.0 + LIFETIME));

impl Fixture {
    fn root(&self) -> PathBuf {
        self.folder.path().join("root.json")
    }

    async fn take(&self, new: Keyring) -> Result<bool, RotationError> {
        self.keystore.take_keyring(move || Ok(new), NOW).await
    }

    async fn add(&self) -> Result<u32, RotationError> {
        self.keystore.add_generation(BY, &KeyringFile::plain(self.root())).await
    }

    async fn promote(&self) -> Result<u32, RotationError> {
        self.keystore.promote_generation(BY, &KeyringFile::plain(self.root())).await
    }

    async fn remove(&self, id: u32) -> Result<(), RotationError> {
        self.keystore.remove_generation(LATER, &KeyringFile::plain(self.root()), id, LIFETIME).await
    }

    /// Reseals everything; returns how many rows.
    async fn reseal(&self) -> Result<u64, RotationError> {
        let mut all = 0;
        loop {
            let Resealed { rows, remaining, unreadable, .. } = self.keystore.reseal(BY).await?;
            assert_eq!(unreadable, []);
            all += rows;
            if remaining == 0 {
                return Ok(all);
            }
        }
    }

    /// Puts a keyring in the place of the one in the file.
    fn put_keyring(&self, keyring: &Keyring) {
        LockedFile::lock(&self.root()).unwrap().prepare(keyring).unwrap().put_in_place().unwrap();
    }

    /// The operators' records about the keyring, the oldest first.
    async fn steps(&self) -> Vec<String> {
        let records = self.keystore.decisions(&DecisionFilter::default(), None).await.expect("the log");
        let step = |record| match record {
            LogRecord::Operator(change) if change.action.starts_with("keyring.") => {
                Some(format!("{} {} by {}", change.action, change.target, change.operator))
            }
            _ => None,
        };
        let mut steps: Vec<_> = records.into_iter().filter_map(|logged| step(logged.record)).collect();
        steps.reverse();
        steps
    }

    /// Another broker on the same files, with the keyring as it is in its file.
    async fn restarted(self) -> Self {
        self.keystore.close().await;
        let keystore = Keystore::open(&self.path(), self.keyring()).await.expect("opens");
        Self { keystore, folder: self.folder }
    }
}

#[tokio::test]
async fn the_first_generation_is_replaced_and_removed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    assert_eq!(fixture.add().await.unwrap(), 2);
    assert_eq!(fixture.keyring().generations(), fixture.keystore.keyring().generations());
    assert_eq!(fixture.promote().await.unwrap(), 2);
    // Nothing has to be resealed to go on.
    fixture.put("prod/new", b"new value").await;
    assert!(fixture.reseal().await.unwrap() > 0);
    assert_eq!(fixture.reseal().await.unwrap(), 0);
    fixture.remove(1).await.unwrap();
    assert_eq!(fixture.keyring().generations().len(), 1);
    assert!(fixture.keystore.keyring().get(1).is_none());
    let expected = ["keyring.add 2", "keyring.promote 2", "keyring.reseal 2", "keyring.remove 1"];
    assert_eq!(fixture.steps().await, expected.map(|step| format!("{step} by alice")));
    for fixture in [fixture.restarted().await.restarted().await] {
        assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
        assert_eq!(fixture.served("prod/new").await.unwrap(), b"new value");
        fixture.put("prod/db", b"another").await;
    }
}

#[tokio::test]
async fn the_floor_of_the_nonces_and_grants_are_resealed() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(grant(epoch, 1, 1)).await.unwrap();
    let mut later = grant(epoch, 2, 2);
    (later.record.at, later.nonce_expires_at) = (NOW.plus(600), NOW.plus(660));
    fixture.keystore.record(later).await.unwrap();
    let floor = fixture.keystore.nonce_floor().await.unwrap();
    assert!(floor > UnixTime(0));
    fixture.add().await.unwrap();
    fixture.promote().await.unwrap();
    let uses = fixture.keystore.generation_uses().await.unwrap();
    assert_eq!(uses[0].rows["nonce_floor"], 1);
    fixture.reseal().await.unwrap();
    fixture.remove(1).await.unwrap();
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.keystore.nonce_floor().await.unwrap(), floor);
    let epoch = fixture.keystore.epoch().await.unwrap();
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 3)).await, Err(RecordError::NonceSpent));
}

#[tokio::test]
async fn grants_are_recorded_during_every_step() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let keystore = fixture.keystore.clone();
    let guests = tokio::spawn(async move {
        let mut recorded = 0_u64;
        while !*stopped.borrow() {
            let epoch = keystore.epoch().await.expect("the epoch");
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..8 {
                recorded += 1;
                let mut new = grant(epoch, 0, 0);
                new.record.nonce.0[..8].copy_from_slice(&recorded.to_be_bytes());
                new.record.decision.0[..8].copy_from_slice(&recorded.to_be_bytes());
                let keystore = keystore.clone();
                tasks.spawn(async move { keystore.record(new).await });
            }
            for result in tasks.join_all().await {
                assert!(
                    matches!(result, Ok(_) | Err(RecordError::EpochMoved { .. })),
                    "a grant fails for no other reason: {result:?}"
                );
            }
        }
        recorded
    });
    for generation in 2..5 {
        assert_eq!(fixture.add().await.unwrap(), generation);
        assert_eq!(fixture.promote().await.unwrap(), generation);
        fixture.reseal().await.unwrap();
        // Grants that were under way had the generation before only while they held the writer.
        fixture.remove(generation - 1).await.unwrap();
    }
    stop.send(true).unwrap();
    assert!(guests.await.unwrap() > 0);
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
}

#[tokio::test]
async fn a_generation_that_is_needed_is_not_removed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let said = |error: RotationError| error.to_string();
    assert_eq!(said(fixture.promote().await.unwrap_err()), KeyringError::NothingPending.to_string());
    assert_eq!(said(fixture.remove(1).await.unwrap_err()), KeyringError::IsPrimary { id: 1 }.to_string());
    assert_eq!(said(fixture.remove(7).await.unwrap_err()), KeyringError::NotThere { id: 7 }.to_string());
    fixture.add().await.unwrap();
    assert_eq!(said(fixture.add().await.unwrap_err()), KeyringError::AlreadyPending { id: 2 }.to_string());
    fixture.promote().await.unwrap();
    let early = fixture
        .keystore
        .remove_generation(BY, &KeyringFile::plain(fixture.root()), 1, LIFETIME)
        .await
        .unwrap_err();
    assert!(matches!(early, RotationError::Outstanding { id: 1, seconds: LIFETIME }), "{early}");
    let needed = said(fixture.remove(1).await.unwrap_err());
    assert_eq!(
        needed,
        "generation 1 is still needed by 2 of meta, 1 of identities, 1 of documents, 1 of document_versions, 1 of secrets, \
         1 of secret_versions, 1 of sealed_values, 1 of chips_head, 1 of log_head, 4 of log_leaves: run `vouchsafe keyring reseal` first"
    );
    // Refused, and so neither recorded nor in the file.
    assert_eq!(fixture.steps().await.len(), 2);
    assert_eq!(fixture.keyring().generations().len(), 2);
    // A pending generation is not needed yet.
    fixture.add().await.unwrap();
    fixture.remove(3).await.unwrap();
}

#[tokio::test]
async fn a_generation_is_not_removed_while_an_older_state_is_read() {
    let fixture = Fixture::new().await;
    fixture.add().await.unwrap();
    fixture.promote().await.unwrap();
    let mut reads = fixture.keystore.pools().read(Reader::Records, "test").await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM log_leaves").fetch_one(&mut *reads).await.unwrap();
    fixture.reseal().await.unwrap();
    let refused = fixture.remove(1).await.unwrap_err();
    assert!(matches!(refused, RotationError::OlderState { id: 1 }), "{refused}");
    reads.rollback().await.unwrap();
    fixture.remove(1).await.unwrap();
}

/// What a row of the old generation is not: authentic under the new one because it was resealed.
#[tokio::test]
async fn t42_an_edited_row_does_not_become_authentic() {
    for (statement, table) in [
        ("UPDATE secrets SET policy = 'prod/weak'", "secrets"),
        ("UPDATE secret_versions SET state = 'retired'", "secret_versions"),
        ("UPDATE documents SET revoked = NOT revoked", "documents"),
        ("UPDATE document_versions SET created_by = 'mallory'", "document_versions"),
        ("UPDATE log_leaves SET record = '{}' WHERE idx = 0", "log_leaves"),
        ("UPDATE chips_head SET size = 1", "chips_head"),
        ("UPDATE meta SET mac = x'00' WHERE name = 'keyring'", "meta"),
        ("UPDATE operators SET role = 'administrator'", "operators"),
    ] {
        let fixture = Fixture::new().await;
        fixture.put("prod/db", b"value").await;
        fixture
            .keystore
            .add_operator(BY, "kim", OperatorRole::Auditor, &["prod".to_owned()], TokenLifetime::default())
            .await
            .unwrap();
        fixture.add().await.unwrap();
        fixture.promote().await.unwrap();
        fixture.run("PRAGMA ignore_check_constraints = ON").await;
        assert_ne!(fixture.sql(statement).await, 0, "{statement}");
        let Resealed { rows, remaining, unreadable, .. } = fixture.keystore.reseal(BY).await.unwrap();
        assert_eq!(remaining, unreadable.len() as u64, "{statement}: all others are resealed");
        assert!(rows > 5, "{statement}");
        // A value is bound to the policy, so that one does not open either.
        let named = unreadable.iter().map(|row| row.table.as_str()).collect::<Vec<_>>();
        let values: &[&str] = if table == "secrets" { &["sealed_values"] } else { &[] };
        assert_eq!(named, [&[table], values].concat(), "{statement}");
        let next =
            format!("of table {table} was tampered with; restore it from a backup: docs/operations.md");
        assert!(unreadable[0].problem.ends_with(&next), "{statement}: {unreadable:?}");
        // What is left is found again.
        let again = fixture.keystore.reseal(BY).await.unwrap();
        assert_eq!((again.rows, again.unreadable), (0, unreadable), "{statement}");
        let needed = fixture.remove(1).await.unwrap_err();
        assert!(matches!(needed, RotationError::Needed { .. }), "{statement}: {needed}");
    }
    for (statement, named) in [
        (
            "UPDATE sealed_values SET wrapped_key = x'00'",
            ("sealed_values", "prod/db 1", "`vouchsafe secret put`"),
        ),
        ("UPDATE identities SET sealed = x'00'", ("identities", "1", "restore it from a backup")),
    ] {
        let fixture = Fixture::new().await;
        fixture.put("prod/db", b"value").await;
        fixture.add().await.unwrap();
        fixture.promote().await.unwrap();
        assert_ne!(fixture.sql(statement).await, 0, "{statement}");
        let Resealed { remaining, unreadable, .. } = fixture.keystore.reseal(BY).await.unwrap();
        let [row] = unreadable.as_slice() else { panic!("{unreadable:?}") };
        assert_eq!((row.table.as_str(), row.key.as_str(), remaining), (named.0, named.1, 1));
        assert!(row.problem.contains(named.2), "{row:?}");
    }
}

/// The step that is named for a value: what others have put is not lost with it.
#[tokio::test]
async fn a_value_that_cannot_be_opened_does_not_keep_the_old_generation() {
    let fixture = Fixture::new().await;
    for name in ["prod/bad", "prod/db", "prod/z"] {
        fixture.put(name, b"value").await;
    }
    fixture.add().await.unwrap();
    fixture.promote().await.unwrap();
    fixture.sql("UPDATE sealed_values SET wrapped_key = x'00' WHERE path = 'prod/bad'").await;
    let done = fixture.keystore.reseal(BY).await.unwrap();
    assert_eq!((done.remaining, done.unreadable.len()), (1, 1), "{done:?}");
    fixture.put("prod/bad", b"another").await;
    fixture.keystore.destroy_secret(BY, &path("prod/bad"), Some(1)).await.unwrap();
    assert_eq!(fixture.keystore.reseal(BY).await.unwrap().remaining, 0);
    fixture.remove(1).await.unwrap();
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.served("prod/bad").await.unwrap(), b"another");
    assert_eq!(fixture.served("prod/z").await.unwrap(), b"value");
}

#[tokio::test]
async fn a_keyring_without_a_generation_that_any_row_needs_is_refused() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.add().await.unwrap();
    fixture.promote().await.unwrap();
    fixture.reseal().await.unwrap();
    fixture.keystore.close().await;
    let whole = fixture.keyring();
    fixture.put_keyring(&whole.without(1).unwrap());
    let again = fixture.again().await.expect("nothing needs it");
    again.close().await;
    let mut connection = crate::db::connect(&fixture.path(), None).await.unwrap();
    let mut tx = connection.write("test").await.unwrap();
    sqlx::query("UPDATE sealed_values SET generation = 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    connection.close().await;
    let opened = Keystore::open(&fixture.path(), fixture.keyring()).await.unwrap_err();
    assert!(matches!(opened, OpenError::MissingGeneration { id: 1, .. }), "{opened}");
    connection = crate::db::connect(&fixture.path(), None).await.unwrap();
    connection.close().await;
}

#[tokio::test]
async fn a_large_log_is_resealed_in_parts() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let count = crate::rotation::RESEAL_MOST + 200;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        let mut new = grant(epoch, 0, 0);
        new.record.nonce.0[..8].copy_from_slice(&number.to_be_bytes());
        let keystore = fixture.keystore.clone();
        tasks.spawn(async move { keystore.record(new).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    fixture.add().await.unwrap();
    fixture.promote().await.unwrap();
    let part = fixture.keystore.reseal(BY).await.unwrap();
    assert!(part.rows >= crate::rotation::RESEAL_MOST && part.remaining > 0, "{part:?}");
    let left: BTreeMap<_, _> = fixture.keystore.generation_uses().await.unwrap()[0].rows.clone();
    assert_eq!(left.get("log_leaves"), Some(&part.remaining));
    // Another process goes on where this one was.
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.reseal().await.unwrap(), part.remaining);
    fixture.remove(1).await.unwrap();
    // One record for each process that resealed.
    let records = fixture.steps().await;
    assert_eq!(records.iter().filter(|step| step.starts_with("keyring.reseal 2")).count(), 2);
}
