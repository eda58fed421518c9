use vouchsafe_protocol::UnixTime;

use super::*;

/// Opens the secret with the generation that it names.
fn open(
    sealed: &SealedSecret,
    keyring: &Keyring,
    context: SealContext<'_>,
) -> Result<PlaintextSecret, SealError> {
    sealed.unseal(&*sealed.generation(keyring)?, context)
}

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn keyring() -> Keyring {
    Keyring::generate(UnixTime(1)).unwrap()
}

fn secret() -> PlaintextSecret {
    PlaintextSecret::new(b"correct horse".to_vec()).unwrap()
}

#[test]
fn a_sealed_secret_can_be_opened() {
    let (keyring, path, policy) = (keyring(), path("prod/db"), name("prod/p"));
    let context = SealContext { path: &path, version: 1, policy: &policy };
    let sealed = SealedSecret::seal(&keyring, context, &secret()).unwrap();
    assert_eq!(open(&sealed, &keyring, context).unwrap().expose(), b"correct horse");
    let (keyring, _) = keyring.with_pending(UnixTime(2)).unwrap();
    let (keyring, _) = keyring.with_promoted(UnixTime(2)).unwrap();
    assert_eq!(open(&sealed, &keyring, context).unwrap().expose(), b"correct horse");
    assert_eq!(SealedSecret::seal(&keyring, context, &secret()).unwrap().generation, 2);
}

#[test]
fn t42_a_moved_or_edited_version_does_not_open() {
    let (keyring, here, policy) = (keyring(), path("prod/db"), name("prod/p"));
    let context = SealContext { path: &here, version: 1, policy: &policy };
    let sealed = SealedSecret::seal(&keyring, context, &secret()).unwrap();
    let key_of = |path: &SecretPath, version| SealError::DataKey { path: path.clone(), version };

    let (there, weaker) = (path("prod/other"), name("prod/weaker"));
    let moved = open(&sealed, &keyring, SealContext { path: &there, ..context });
    assert_eq!(moved.unwrap_err(), key_of(&there, 1));
    assert_eq!(open(&sealed, &keyring, SealContext { version: 2, ..context }).unwrap_err(), key_of(&here, 2));
    let weakened = open(&sealed, &keyring, SealContext { policy: &weaker, ..context });
    assert_eq!(weakened.unwrap_err(), key_of(&here, 1));

    let mut edited = sealed.clone();
    edited.wrapped_key[20] ^= 1;
    assert_eq!(open(&edited, &keyring, context).unwrap_err(), key_of(&here, 1));
    let mut edited = sealed.clone();
    edited.data[20] ^= 1;
    let data = SealError::Data { path: here.clone(), version: 1 };
    assert_eq!(open(&edited, &keyring, context).unwrap_err(), data);
    let mut edited = sealed;
    edited.generation = 9;
    assert_eq!(open(&edited, &keyring, context).unwrap_err(), SealError::UnknownGeneration { id: 9 });
}

#[test]
fn t42_the_data_of_another_version_does_not_open() {
    let (keyring, here, policy) = (keyring(), path("prod/db"), name("prod/p"));
    let context = SealContext { path: &here, version: 1, policy: &policy };
    let mut first = SealedSecret::seal(&keyring, context, &secret()).unwrap();
    let second = SealedSecret::seal(&keyring, SealContext { version: 2, ..context }, &secret()).unwrap();
    first.data = second.data;
    let error = SealError::Data { path: here.clone(), version: 1 };
    assert_eq!(open(&first, &keyring, context).unwrap_err(), error);
}

#[test]
fn t42_the_generation_is_authenticated() {
    let (keyring, here, policy) = (keyring(), path("prod/db"), name("prod/p"));
    let (keyring, _) = keyring.with_pending(UnixTime(2)).unwrap();
    let context = SealContext { path: &here, version: 1, policy: &policy };
    let mut sealed = SealedSecret::seal(&keyring, context, &secret()).unwrap();
    sealed.generation = 2;
    let error = SealError::DataKey { path: here.clone(), version: 1 };
    assert_eq!(open(&sealed, &keyring, context).unwrap_err(), error);
}

#[test]
fn a_policy_change_binds_the_data_key_anew() {
    let (keyring, here, old, new) = (keyring(), path("prod/db"), name("prod/old"), name("prod/new"));
    let context = SealContext { path: &here, version: 1, policy: &old };
    let sealed = SealedSecret::seal(&keyring, context, &secret()).unwrap();
    let rebound = sealed.rebind(&keyring, context, &new).unwrap();
    let moved = SealContext { policy: &new, ..context };
    assert_eq!(open(&rebound, &keyring, moved).unwrap().expose(), b"correct horse");
    assert!(open(&rebound, &keyring, context).is_err());
    assert!(sealed.rebind(&keyring, moved, &old).is_err());
}

#[test]
fn instances_have_values_of_their_own() {
    let seed = secret();
    let value = |project, instance| instance_secret(&seed, project, instance).expose().to_vec();
    assert_eq!(value(1, 2), value(1, 2));
    assert_eq!(value(1, 2).len(), 32);
    assert_ne!(value(1, 2), value(2, 1));
    assert_ne!(value(1, 2), value(1, 3));
}

#[test]
fn t43_the_identity_survives_and_an_edited_row_does_not_open() {
    let keyring = keyring();
    let (generation, sealed) = IdentitySeed::generate().unwrap().seal(&keyring).unwrap();
    let one = unseal_identity(&keyring, generation, &sealed).unwrap();
    assert_eq!(one.identity(), unseal_identity(&keyring, generation, &sealed).unwrap().identity());
    let mut edited = sealed.clone();
    edited[15] ^= 1;
    assert_eq!(unseal_identity(&keyring, generation, &edited).unwrap_err(), SealError::Identity);
    let other = Keyring::generate(UnixTime(1)).unwrap();
    assert_eq!(unseal_identity(&other, generation, &sealed).unwrap_err(), SealError::Identity);
}
