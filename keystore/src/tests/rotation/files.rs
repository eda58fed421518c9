//! The keyring's file: what becomes of one that is older, that others change, or that cannot be written.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::keyring::GenerationState;
use crate::keyring::file::KeyringFileError;
use crate::keyring::wrapped::{UnwrappedKeyError, WrappedKeyring, Wrapper, WrapperError};

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

/// Wraps nothing; waits until it may go on.
struct Slow(Mutex<Receiver<()>>);

impl Wrapper for Slow {
    fn wrap(&self, keyring: &Keyring, kms: &str) -> Result<WrappedKeyring, WrapperError> {
        WrappedKeyring::new(keyring, kms, |wrapping| Ok(wrapping.key.to_vec()))
    }

    fn open(&self, wrapped: &WrappedKeyring) -> Result<Keyring, WrapperError> {
        self.0.lock().unwrap().recv().expect("a word");
        let opened = wrapped.open(|wrapping| Ok::<_, UnwrappedKeyError>(wrapping.key.to_vec().into()));
        opened.map_err(|error| WrapperError(error.into()))
    }
}

/// The operator who asked for a step is gone while the service that unwraps keys has not answered.
#[tokio::test]
async fn a_step_that_nobody_waits_for_keeps_the_next_one_out_until_it_ends() {
    let fixture = Fixture::new().await;
    let plain = fixture.keyring();
    let wrapped =
        WrappedKeyring::new(&plain, "k", |wrapping| Ok::<_, UnwrappedKeyError>(wrapping.key.to_vec()));
    let locked = LockedFile::lock(&fixture.root()).unwrap();
    locked.prepare_wrapped(&wrapped.unwrap()).unwrap().put_in_place().unwrap();
    let (goes_on, waits) = channel();
    let file = KeyringFile::new(fixture.root(), Arc::new(Slow(Mutex::new(waits))));
    let soon = Duration::from_millis(200);
    assert!(timeout(soon, fixture.keystore.add_generation(BY, &file)).await.is_err());
    let refused = fixture.keystore.add_generation(BY, &file).await.unwrap_err();
    assert!(matches!(refused, RotationError::File(KeyringFileError::Busy { .. })), "{refused}");
    goes_on.send(()).unwrap();
    goes_on.send(()).unwrap();
    let added = loop {
        match fixture.keystore.add_generation(BY, &file).await {
            Err(RotationError::File(KeyringFileError::Busy { .. })) => tokio::time::sleep(soon).await,
            other => break other,
        }
    };
    assert_eq!(added.unwrap(), 2);
    assert_eq!(fixture.steps().await, ["keyring.add 2 by alice"]);
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
