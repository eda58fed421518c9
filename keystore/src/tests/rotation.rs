//! Rotation of the keyring: in steps that can be interrupted, and never past a row that needs the old generation.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::record::grant;
use super::*;
use crate::db::Reader;
use crate::keyring::file::KeyringFileError;
use crate::keyring::locked::{KeyringFile, LockedFile};
use crate::keyring::{GenerationState, KeyringError};
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
async fn a_number_of_a_removed_generation_is_not_used_again() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.add().await.unwrap(), 2);
    let with_two = fixture.keyring();
    fixture.remove(2).await.unwrap();
    let fixture = fixture.restarted().await;
    // A copy of the keyring that still has it is older.
    let refused = fixture.take(with_two).await.unwrap_err();
    assert!(matches!(refused, RotationError::Older { id: 2 }), "{refused}");
    let forged = Keyring::from_members(fixture.keyring().members().to_vec(), None).unwrap();
    fixture.put_keyring(&forged);
    let refused = fixture.add().await.unwrap_err();
    assert!(matches!(refused, RotationError::FileChanged { .. }), "{refused}");
    fixture.put_keyring(fixture.keystore.keyring());
    assert_eq!(fixture.add().await.unwrap(), 3);
}

/// A keyring from before a promotion, because the broker was killed in the middle or the file was put back.
#[tokio::test]
async fn a_promotion_that_the_keyring_lacks_is_completed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let file = KeyringFile::plain(fixture.root());
    assert_eq!(fixture.keystore.complete_promotion(Some(&file), NOW).await.unwrap(), None);
    fixture.add().await.unwrap();
    assert_eq!(
        fixture.keystore.complete_promotion(Some(&file), NOW).await.unwrap(),
        None,
        "nothing needs it"
    );
    let before = fs::read(fixture.root()).unwrap();
    fixture.promote().await.unwrap();
    fixture.put("prod/new", b"new value").await;
    fs::write(fixture.root(), &before).unwrap();
    let fixture = fixture.restarted().await;
    // It cannot be written, or not by this process.
    let refused = fixture.keystore.complete_promotion(None, NOW).await.unwrap_err().to_string();
    assert!(
        refused.contains("`vouchsafe keyring promote --file FILE`") && refused.contains("generation 2"),
        "{refused}"
    );
    fs::create_dir(fixture.folder.path().join("root.json.new")).unwrap();
    let refused = fixture.keystore.complete_promotion(Some(&file), NOW).await.unwrap_err();
    assert!(
        matches!(&refused, RotationError::NotPromoted { id: 2, reason } if reason.contains("root.json.new")),
        "{refused}"
    );
    assert_eq!(fs::read(fixture.root()).unwrap(), before);
    fs::remove_dir(fixture.folder.path().join("root.json.new")).unwrap();

    assert_eq!(fixture.keystore.complete_promotion(Some(&file), NOW.plus(5)).await.unwrap(), Some(2));
    assert_eq!(fixture.steps().await.last().unwrap(), "keyring.promote 2 by start");
    let [one, two] = fixture.keyring().generations()[..] else { panic!("two generations") };
    assert_eq!((one.state, one.retired_at), (GenerationState::Retired, Some(NOW.plus(5))));
    assert_eq!(two.state, GenerationState::Primary);
    assert_eq!(fixture.keystore.complete_promotion(Some(&file), NOW).await.unwrap(), None);
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.served("prod/new").await.unwrap(), b"new value");
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
}

/// Who can write to the database, but has no key, starts no promotion.
#[tokio::test]
async fn t42_an_edited_row_does_not_promote_a_generation() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.add().await.unwrap();
    assert_ne!(fixture.sql("UPDATE secret_versions SET generation = 2").await, 0);
    let file = KeyringFile::plain(fixture.root());
    let refused = fixture.keystore.complete_promotion(Some(&file), NOW).await.unwrap_err();
    assert!(
        matches!(refused, RotationError::Store(StoreError::RowTampered { table: "secret_versions", .. })),
        "{refused}"
    );
    assert_eq!(fixture.keyring().primary().id, 1);
}

/// A command with `--file`, or a second broker, in the middle of its own change.
#[tokio::test]
async fn a_file_that_another_process_changes_is_left_alone() {
    let fixture = Fixture::new().await;
    let other = KeyringFile::plain(fixture.root()).open().unwrap();
    let refused = fixture.add().await.unwrap_err();
    assert!(matches!(refused, RotationError::File(KeyringFileError::Busy { .. })), "{refused}");
    assert!(fixture.steps().await.is_empty());
    drop(other);
    fixture.add().await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_changed_meanwhile_is_not_overwritten() {
    let fixture = Fixture::new().await;
    let (changed, _) = fixture.keyring().with_pending(NOW).unwrap();
    fixture.put_keyring(&changed);
    let refused = fixture.add().await.unwrap_err();
    assert!(matches!(refused, RotationError::FileChanged { .. }), "{refused}");
    // Taken, it is the one in use; each step is on record.
    assert!(fixture.take(fixture.keyring()).await.unwrap());
    assert!(!fixture.take(fixture.keyring()).await.unwrap());
    let before = fixture.keyring();
    fixture.promote().await.unwrap();
    assert_eq!(fixture.steps().await, ["keyring.add 2 by reload", "keyring.promote 2 by alice"]);
    let other = Keyring::generate(NOW).unwrap();
    let refused = fixture.take(other).await.unwrap_err();
    assert!(matches!(refused, RotationError::Keyring(KeyringError::OtherKey { id: 1 })), "{refused}");
    let lacking = fixture.keyring().without(1).unwrap();
    let refused = fixture.take(lacking).await.unwrap_err();
    assert!(matches!(refused, RotationError::Needed { id: 1, .. }), "{refused}");
    assert!(fixture.keystore.keyring().get(1).is_some());
    // A copy from before the promotion would bring generation 1 back as the primary one.
    let refused = fixture.take(before).await.unwrap_err();
    assert!(matches!(refused, RotationError::Older { id: 1 }), "{refused}");
    assert!(refused.to_string().contains("is older than the one in use: it would bring back generation 1"));
}

#[tokio::test]
async fn a_keyring_from_before_a_removal_is_not_taken() {
    let fixture = Fixture::new().await;
    fixture.add().await.unwrap();
    fixture.promote().await.unwrap();
    let before = fixture.keyring();
    fixture.reseal().await.unwrap();
    fixture.remove(1).await.unwrap();
    let refused = fixture.take(before).await.unwrap_err();
    assert!(matches!(refused, RotationError::Older { id: 1 }), "{refused}");
    assert!(fixture.keystore.keyring().get(1).is_none());
}

/// Where nothing can be written beside the file, nothing is recorded either.
#[tokio::test]
async fn a_step_whose_file_cannot_be_written_is_not_taken() {
    if rustix::process::geteuid().is_root() {
        // Root writes everywhere; the name of the temporary file is taken instead.
        let fixture = Fixture::new().await;
        let taken = fixture.folder.path().join("root.json.new");
        fs::create_dir(&taken).unwrap();
        assert!(matches!(fixture.add().await.unwrap_err(), RotationError::File(_)));
        assert!(fixture.steps().await.is_empty());
        return;
    }
    let fixture = Fixture::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("root.json");
    fs::copy(fixture.root(), &file).unwrap();
    fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let refused = fixture.keystore.add_generation(BY, &KeyringFile::plain(file)).await.unwrap_err();
    assert!(matches!(refused, RotationError::File(_)), "{refused}");
    assert!(fixture.steps().await.is_empty());
}

/// Killed after the record and before the file: the step is taken again.
#[tokio::test]
async fn a_step_that_was_only_recorded_is_taken_again() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    for (step, left) in [("keyring.add 2", 1), ("keyring.promote 2", 2)] {
        let before = fs::read(fixture.root()).unwrap();
        let _done = if left == 1 { fixture.add().await } else { fixture.promote().await }.unwrap();
        fs::write(fixture.root(), before).unwrap();
        let again = fixture.again().await;
        if left == 2 {
            // The head of the log needs the new generation, which is there as a pending one.
            again.as_ref().expect("opens");
        }
        drop(again);
        assert!(fixture.steps().await.last().unwrap().starts_with(step));
        let taken = fixture.keyring();
        assert_eq!(taken.generations().len(), left);
        fixture.keystore.keyring().replace_with(&taken);
        let _done = if left == 1 { fixture.add().await } else { fixture.promote().await }.unwrap();
    }
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.keystore.keyring().generations()[1].state, GenerationState::Primary);
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"value");
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
