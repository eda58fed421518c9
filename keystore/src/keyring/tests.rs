use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::file::KeyringFileError;
use super::locked::LockedFile;
use super::wrapped::WrappedKeyring;
use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn saved() -> (tempfile::TempDir, std::path::PathBuf, Keyring) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.json");
    let keyring = Keyring::generate(NOW).unwrap();
    keyring.create(&path).unwrap();
    (folder, path, keyring)
}

#[test]
fn a_keyring_survives_its_file() {
    let (folder, path, keyring) = saved();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (keyring, id) = keyring.with_pending(NOW).unwrap();
    assert_eq!(id, 2);
    let (keyring, _) = keyring.with_promoted(NOW.plus(5)).unwrap();
    LockedFile::lock(&path).unwrap().prepare(&keyring).unwrap().put_in_place().unwrap();
    let loaded = Keyring::load(&path).unwrap();
    assert_eq!(loaded.generations(), keyring.generations());
    let retired: Vec<_> = loaded.generations().iter().map(|found| found.retired_at).collect();
    assert_eq!(retired, [Some(NOW.plus(5)), None]);
    assert_eq!(*loaded.get(2).unwrap().root.0, *keyring.get(2).unwrap().root.0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays behind");
}

#[test]
fn a_keyring_is_not_overwritten() {
    let (_folder, path, _) = saved();
    let before = fs::read(&path).unwrap();
    let other = Keyring::generate(NOW).unwrap();
    assert!(matches!(other.create(&path), Err(KeyringFileError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn t34_a_keyring_that_others_can_read_is_refused() {
    let (_folder, path, _) = saved();
    for mode in [0o640, 0o604, 0o660, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            matches!(Keyring::load(&path), Err(KeyringFileError::Mode { mode: found, .. }) if found == mode)
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    Keyring::load(&path).unwrap();
}

#[test]
fn links_and_folders_are_no_keyrings() {
    let (folder, path, _) = saved();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(Keyring::load(&link), Err(KeyringFileError::NotAFile { .. })));
    assert!(matches!(Keyring::load(folder.path()), Err(KeyringFileError::NotAFile { .. })));
}

#[test]
fn malformed_files_are_refused_without_their_text() {
    let (_folder, path, _) = saved();
    let text = fs::read_to_string(&path).unwrap();
    for broken in [
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("\"primary\"", "\"main\""),
        text.replace("\"key\"", "\"keys\""),
        format!("{text}x"),
        String::new(),
    ] {
        fs::write(&path, broken).unwrap();
        let error = Keyring::load(&path).unwrap_err();
        assert!(matches!(error, KeyringFileError::Malformed { .. }), "{error}");
    }
    let secret = text.split('"').find(|part| part.len() == 64).unwrap();
    fs::write(&path, text.replace(secret, &secret[1..])).unwrap();
    assert!(!Keyring::load(&path).unwrap_err().to_string().contains(&secret[1..9]));
    fs::write(&path, vec![b' '; 70_000]).unwrap();
    assert!(matches!(Keyring::load(&path), Err(KeyringFileError::TooLarge { size: 70_000, .. })));
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let (folder, path, keyring) = saved();
    let before = fs::read(&path).unwrap();
    let wrapped = WrappedKeyring::new(&keyring, "k", |_| Ok::<_, KeyringError>(vec![0; 60_000])).unwrap();
    let refused = LockedFile::lock(&path).unwrap().prepare_wrapped(&wrapped).unwrap_err();
    assert!(matches!(refused, KeyringFileError::TooLarge { size: 80_000.., .. }), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_keyring_has_one_primary_and_no_number_twice() {
    let make = |id, state| Member::new(state, Generation::new(id, NOW, RootKey(Zeroizing::new([7; 32]))));
    let none = Keyring::from_members(vec![make(1, GenerationState::Retired)], None);
    assert_eq!(none.unwrap_err(), KeyringError::Primaries { count: 0 });
    let two = vec![make(1, GenerationState::Primary), make(2, GenerationState::Primary)];
    assert_eq!(Keyring::from_members(two, None).unwrap_err(), KeyringError::Primaries { count: 2 });
    let twice = vec![make(1, GenerationState::Primary), make(1, GenerationState::Retired)];
    assert_eq!(Keyring::from_members(twice, None).unwrap_err(), KeyringError::Duplicate { id: 1 });
}

#[test]
fn t34_states_that_no_rotation_leads_to_are_refused() {
    use GenerationState::{Pending, Primary, Retired};
    let make = |id, state| Member::new(state, Generation::new(id, NOW, RootKey(Zeroizing::new([7; 32]))));
    let of = |states: [(GenerationId, GenerationState); 3]| {
        Keyring::from_members(states.into_iter().map(|(id, state)| make(id, state)).collect(), None)
            .map(|_| ())
    };
    assert_eq!(of([(1, Retired), (2, Primary), (3, Pending)]), Ok(()));
    for (states, id) in [
        ([(1, Retired), (2, Primary), (3, Retired)], 3),
        ([(1, Primary), (2, Retired), (3, Pending)], 2),
        ([(1, Pending), (2, Primary), (3, Pending)], 1),
        ([(1, Primary), (2, Pending), (3, Pending)], 2),
    ] {
        assert_eq!(of(states), Err(KeyringError::OutOfOrder { id }), "{states:?}");
    }
}

#[test]
fn rotation_goes_by_way_of_pending() {
    let first = Keyring::generate(NOW).unwrap();
    assert_eq!(first.with_promoted(NOW).map(|_| ()), Err(KeyringError::NothingPending));
    let (second, id) = first.with_pending(NOW).unwrap();
    assert_eq!(id, 2);
    assert_eq!(second.with_pending(NOW).map(|_| ()), Err(KeyringError::AlreadyPending { id: 2 }));
    assert_eq!(second.primary().id, 1);
    let (third, id) = second.with_promoted(NOW).unwrap();
    assert_eq!((id, third.primary().id), (2, 2));
    assert_eq!(third.generations()[0].state, GenerationState::Retired);
    assert_eq!(third.without(2).map(|_| ()), Err(KeyringError::IsPrimary { id: 2 }));
    assert_eq!(third.without(9).map(|_| ()), Err(KeyringError::NotThere { id: 9 }));
    // No number is used twice, also after its file.
    let (pending, _) = third.with_pending(NOW).unwrap();
    let removed = pending.without(3).unwrap();
    assert!(!removed.is_same(&third));
    let (_folder, path, _) = saved();
    LockedFile::lock(&path).unwrap().prepare(&removed).unwrap().put_in_place().unwrap();
    let loaded = Keyring::load(&path).unwrap();
    assert!(loaded.is_same(&removed));
    assert_eq!(loaded.with_pending(NOW).unwrap().1, 4);
    assert!(fs::read_to_string(&path).unwrap().contains("\"newest\": 3"));
    let last = third.without(1).unwrap();
    assert!(last.get(1).is_none());
    // Numbers are not given twice as long as the newest generation is there.
    assert_eq!(last.with_pending(NOW).unwrap().1, 3);
}

#[test]
fn a_removed_generation_is_erased_with_its_last_use() {
    let keyring = Keyring::generate(NOW).unwrap().with_pending(NOW).unwrap().0.with_promoted(NOW).unwrap().0;
    let (in_use, held) = (keyring.get(1).unwrap(), Arc::downgrade(&keyring.get(1).unwrap()));
    keyring.replace_with(&keyring.without(1).unwrap());
    assert!(keyring.get(1).is_none() && held.upgrade().is_some());
    drop(in_use);
    assert!(held.upgrade().is_none(), "nothing else holds its keys");
}

const BROKER: vouchsafe_protocol::BrokerIdentity = vouchsafe_protocol::BrokerIdentity([3; 32]);

#[test]
fn challenges_are_checked_under_every_generation_the_primary_one_first() {
    let (keyring, _) = Keyring::generate(NOW).unwrap().with_pending(NOW).unwrap();
    let old = keyring.challenge_key().issue(&BROKER, vouchsafe_protocol::Nonce([1; 32]), NOW, 60);
    let (keyring, _) = keyring.with_promoted(NOW).unwrap();
    let verdicts: Vec<_> =
        keyring.challenge_keys().map(|key| key.check(&BROKER, &old, NOW).is_ok()).collect();
    assert_eq!(verdicts, [false, true]);
    let new = keyring.challenge_key().issue(&BROKER, vouchsafe_protocol::Nonce([2; 32]), NOW, 60);
    let verdicts: Vec<_> =
        keyring.challenge_keys().map(|key| key.check(&BROKER, &new, NOW).is_ok()).collect();
    assert_eq!(verdicts, [true, false]);
}

#[test]
fn every_purpose_has_its_own_key() {
    let root = RootKey(Zeroizing::new([7; 32]));
    let keys: std::collections::HashSet<_> = [SEALING_LABEL, CHALLENGE_LABEL, ROW_LABEL, IDENTITY_LABEL]
        .map(|label| *root.derive(label))
        .into_iter()
        .chain([[7; 32]])
        .collect();
    assert_eq!(keys.len(), 5);
}

#[test]
fn t34_debug_of_keys_is_redacted() {
    let generation = Generation::new(1, NOW, RootKey(Zeroizing::new([0x77; 32])));
    let text = format!(
        "{:?} {:?} {:?} {:?}",
        generation.root,
        generation.sealing(),
        generation.identity(),
        generation.row()
    );
    assert_eq!(
        text,
        "RootKey([REDACTED]) SealingKey([REDACTED]) IdentitySealingKey([REDACTED]) RowMacKey([REDACTED])"
    );
    assert!(
        !format!("{:?}", Keyring::of(vec![Member::new(GenerationState::Primary, generation)], 1))
            .contains("119")
    );
}

#[test]
fn t34_a_replacement_that_fails_leaves_no_keys_behind() {
    let (folder, path, keyring) = saved();
    let replacement = LockedFile::lock(&path).unwrap().prepare(&keyring).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(replacement.put_in_place(), Err(KeyringFileError::Io { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the folder");
}

#[test]
fn t34_what_a_killed_process_left_is_gone_after_the_next_change() {
    let (folder, path, keyring) = saved();
    let left = || fs::write(folder.path().join("root.json.new"), "keys").unwrap();
    left();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    drop(LockedFile::lock(&path).unwrap().prepare(&keyring).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "one that is not put in place is removed");
    left();
    LockedFile::lock(&path).unwrap().prepare(&keyring).unwrap().put_in_place().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
