//! The client by itself.

mod credentials;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub(crate) use credentials::{is_signed, write_account};
use serde_json::{Value, json};
use tempfile::TempDir;
use vouchsafe_broker::config::kms::KmsConfig;
use vouchsafe_broker::kms::{CloudKms, KmsError, KmsKey, Problem};
use vouchsafe_broker::service_cas::ServiceCasError;
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::wrapped::{StoredKeyring, UnwrappedKeyError, WrappedKeyring};
use vouchsafe_protocol::UnixTime;

use crate::fake::{FakeKms, FakeMetadata, Fault, KEY, OTHER_KEY};

const NOW: UnixTime = UnixTime(1_800_000_000);

struct World {
    folder: TempDir,
    kms: FakeKms,
    metadata: FakeMetadata,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.no_complaints();
        }
    }
}

impl World {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            kms: FakeKms::start(),
            metadata: FakeMetadata::start(),
        }
    }

    fn config(&self) -> KmsConfig {
        KmsConfig {
            endpoint: self.kms.endpoint(),
            ca: Some(self.kms.ca(self.folder.path())),
            credentials: None,
            metadata: self.metadata.url(),
            timeout: Duration::from_secs(1),
        }
    }

    fn client(&self) -> CloudKms {
        CloudKms::new(&self.config()).expect("a client")
    }

    fn wrap(&self, keyring: &Keyring) -> Result<WrappedKeyring, KmsError> {
        self.client().wrap(keyring, &key())
    }

    /// A wrapped keyring, from its file.
    fn wrapped(&self) -> (PathBuf, Keyring) {
        let (path, keyring) = (self.folder.path().join("keyring.json"), two_generations());
        self.wrap(&keyring).expect("wrapped").create(&path).expect("written");
        (path, keyring)
    }

    fn open(&self, text: &str) -> Result<Keyring, KmsError> {
        let path = self.folder.path().join("edited.json");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        let StoredKeyring::Wrapped(wrapped) = StoredKeyring::load(&path).expect("a keyring") else {
            panic!("not wrapped")
        };
        self.client().open(&wrapped)
    }

    fn no_complaints(&self) {
        assert_eq!(self.kms.state().complaints, [""; 0]);
    }
}

fn key() -> KmsKey {
    KEY.parse().expect("a name")
}

fn two_generations() -> Keyring {
    let keyring = Keyring::generate(NOW).expect("randomness");
    keyring.with_pending(UnixTime(NOW.0 + 1)).expect("added").0
}

fn problem(error: &KmsError) -> &Problem {
    let KmsError::Call { key, problem } = error else { panic!("{error}") };
    assert_eq!(key.as_str(), KEY);
    problem
}

#[test]
fn a_keyring_is_wrapped_and_unwrapped() {
    let world = World::new();
    let (path, keyring) = world.wrapped();
    let text = fs::read_to_string(&path).expect("read");
    assert!(world.open(&text).expect("opened").is_same(&keyring));
    // Wrapped, unwrapped to see that it can be, and unwrapped.
    let each = ["encrypt", "encrypt", "decrypt", "decrypt", "decrypt", "decrypt"];
    assert_eq!(world.kms.state().calls, each);
    let token = "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1 Google";
    assert_eq!(*world.metadata.asked.lock().expect("a list"), [token; 2], "one token for each operation");
    let plain = world.folder.path().join("plain.json");
    keyring.create(&plain).expect("written");
    let plain: Value = serde_json::from_slice(&fs::read(&plain).expect("read")).expect("JSON");
    for generation in plain["generations"].as_array().expect("generations") {
        let root = hex::decode(generation["key"].as_str().expect("a key")).expect("hex");
        assert!(!text.contains(&hex::encode(&root)) && !text.contains(&STANDARD.encode(&root)));
    }
}

#[test]
fn t34_a_wrapped_root_key_is_bound_to_its_generation_and_key() {
    let world = World::new();
    let (path, _) = world.wrapped();
    let document: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let mut swapped = document.clone();
    swapped["generations"][0]["wrapped"] = document["generations"][1]["wrapped"].clone();
    let mut younger = document.clone();
    younger["generations"][0]["created_at"] = json!(NOW.0 + 5);
    let mut renumbered = document.clone();
    renumbered["generations"][0]["id"] = json!(7);
    for (edited, id) in [(swapped, 1), (younger, 1), (renumbered, 7)] {
        let error = world.open(&edited.to_string()).unwrap_err();
        assert!(
            matches!(problem(&error), Problem::NotWrappedHere { generation, .. } if *generation == id),
            "{error}"
        );
        assert!(error.to_string().contains("Put back the keyring's file from a backup"), "{error}");
    }
    let mut promoted = document.clone();
    promoted["generations"][0]["state"] = json!("retired");
    promoted["generations"][1]["state"] = json!("primary");
    let mut expired = document.clone();
    expired["generations"][0]["retired_at"] = json!(NOW.0);
    let mut fewer = document.clone();
    fewer["generations"].as_array_mut().expect("generations").pop();
    // Another key that could unwrap them.
    let mut elsewhere = document.clone();
    elsewhere["kms"] = json!(OTHER_KEY);
    for edited in [promoted, expired, fewer, elsewhere] {
        let error = world.open(&edited.to_string()).unwrap_err();
        assert!(
            matches!(&error, KmsError::Call { problem: Problem::NotWrappedHere { generation: 1, .. }, .. }),
            "{error}"
        );
    }
    let mut other = document;
    other["kms"] = json!("projects/my-project");
    assert!(matches!(world.open(&other.to_string()), Err(KmsError::Key(_))));
}

#[test]
fn answers_with_wrong_checksums_are_discarded() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    for (member, value) in [
        ("plaintextCrc32c", json!("1")),
        ("plaintextCrc32c", json!("")),
        ("plaintextCrc32c", Value::Null),
        ("plaintext", Value::Null),
        ("plaintext", json!(STANDARD.encode([0; 32]))),
    ] {
        world.kms.set(Fault::Member(member, value));
        let error = world.open(&text).unwrap_err();
        assert_eq!(*problem(&error), Problem::Checksum("the checksum of the plaintext is wrong"), "{member}");
        assert!(error.may_pass());
    }
    for (member, value, said) in [
        ("ciphertextCrc32c", json!("1"), "the checksum of the ciphertext is wrong"),
        ("ciphertextCrc32c", Value::Null, "the checksum of the ciphertext is wrong"),
        ("verifiedPlaintextCrc32c", Value::Null, "it did not verify the checksums of the request"),
        ("ciphertext", json!("AAAA"), "the checksum of the ciphertext is wrong"),
        ("verifiedPlaintextCrc32c", json!(false), "it did not verify the checksums of the request"),
        (
            "verifiedAdditionalAuthenticatedDataCrc32c",
            json!(false),
            "it did not verify the checksums of the request",
        ),
    ] {
        world.kms.set(Fault::Member(member, value));
        let error = world.wrap(&two_generations()).unwrap_err();
        assert_eq!(*problem(&error), Problem::Checksum(said), "{member}");
    }
}

#[test]
fn only_a_version_of_the_key_may_answer() {
    let world = World::new();
    for name in [format!("{KEY}2/cryptoKeyVersions/1"), KEY.to_owned(), String::new()] {
        world.kms.set(Fault::Member("name", json!(name)));
        let error = world.wrap(&two_generations()).unwrap_err();
        assert_eq!(*problem(&error), Problem::OtherKey { name });
    }
}

#[test]
fn each_refusal_of_google_names_the_next_step() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    let message = "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource";
    for (code, status, next) in [
        (403, "PERMISSION_DENIED", "the role roles/cloudkms.cryptoKeyEncrypterDecrypter on this key"),
        (404, "NOT_FOUND", "there is no such key"),
        (400, "FAILED_PRECONDITION", "one that is scheduled for destruction has to be restored first"),
        (418, "", "Check `endpoint` of [kms]"),
    ] {
        world.kms.set(Fault::Error(code, status, message));
        let before = world.kms.state().calls.len();
        let error = world.open(&text).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(next) && said.contains(message) && said.contains(KEY), "{said}");
        assert!(!error.may_pass(), "{said}");
        assert_eq!(world.kms.state().calls.len(), before + 1, "it is not asked again: {said}");
    }
    world.kms.set(Fault::Error(400, "INVALID_ARGUMENT", "purpose"));
    let said = world.wrap(&two_generations()).unwrap_err().to_string();
    assert!(said.contains("purpose. Check that the key's purpose is symmetric encryption"), "{said}");
    world.kms.set(Fault::None);
    world.kms.state().versions.insert(1, None);
    let said = world.open(&text).unwrap_err().to_string();
    assert!(
        said.contains("current state is: DESTROYED.") && said.contains("put back a copy of the keyring"),
        "{said}"
    );
}

#[test]
fn a_rotated_key_still_unwraps() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    world.kms.state().versions.insert(2, Some([2; 32]));
    world.open(&text).expect("opened");
}

#[test]
fn what_passes_is_tried_again_and_not_for_ever() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    world.kms.set(Fault::Busy(1));
    world.open(&text).expect("opened");
    world.kms.set(Fault::Busy(u32::MAX));
    let started = Instant::now();
    let error = world.open(&text).unwrap_err();
    assert!(
        matches!(problem(&error), Problem::Unavailable { status: 503, .. }) && error.may_pass(),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    world.kms.serving(false);
    let started = Instant::now();
    let error = world.open(&text).unwrap_err();
    assert!(matches!(problem(&error), Problem::Unreachable { .. }) && error.may_pass(), "{error}");
    assert!(error.to_string().contains("the broker needs the service only when it starts"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_token_that_has_ended_and_a_value_that_was_damaged_are_sent_once_more() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    let asked = || world.metadata.asked.lock().expect("a list").len();
    let before = asked();
    world.kms.set(Fault::Unauthenticated(1));
    world.open(&text).expect("opened");
    assert_eq!(asked(), before + 2, "another token");
    world.kms.set(Fault::Unauthenticated(u32::MAX));
    let error = world.open(&text).unwrap_err();
    assert!(matches!(problem(&error), Problem::Unauthenticated { .. }) && !error.may_pass(), "{error}");
    assert!(
        error.to_string().contains("Check the service account, its key, and the system's clock"),
        "{error}"
    );
    assert_eq!(asked(), before + 4, "and no third one");
    world.kms.set(Fault::Damaged(1));
    world.open(&text).expect("opened");
    world.kms.set(Fault::Damaged(2));
    let error = world.open(&text).unwrap_err();
    assert!(matches!(problem(&error), Problem::NotWrappedHere { generation: 1, .. }), "{error}");
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    world.kms.set(Fault::Silent);
    let started = Instant::now();
    let error = world.open(&text).unwrap_err();
    assert!(matches!(problem(&error), Problem::Unreachable { .. }) && error.may_pass(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn t37_answers_that_lead_elsewhere_or_are_no_answers_are_refused() {
    let world = World::new();
    let text = fs::read_to_string(world.wrapped().0).expect("read");
    let not_documented = Problem::Answer("it is not the JSON that Google documents");
    for (fault, expected) in [
        (Fault::Redirect, Problem::Redirect { status: 307 }),
        (Fault::Large, Problem::TooLarge),
        (Fault::Body("<html>"), not_documented.clone()),
        (Fault::Body("{\"plaintext\": \"!\"}"), not_documented),
        (Fault::Body("{}"), Problem::Checksum("the checksum of the plaintext is wrong")),
    ] {
        world.kms.set(fault.clone());
        let before = world.kms.state().calls.len();
        let error = world.open(&text).unwrap_err();
        assert_eq!(*problem(&error), expected, "{fault:?}");
        assert!(error.may_pass() || world.kms.state().calls.len() == before + 1, "{fault:?}");
    }
    // What decrypts to something else than a root key is no keyring. The checksum of nothing is 0.
    world.kms.set(Fault::Body("{\"plaintextCrc32c\": \"0\"}"));
    let error = world.open(&text).unwrap_err();
    assert!(matches!(&error, KmsError::Unwrapped(UnwrappedKeyError::Length { id: 1 })), "{error}");
}

#[test]
fn t37_only_the_configured_ca_is_trusted() {
    let (world, other) = (World::new(), FakeKms::start());
    let config = world.config();
    // Over the CA of this one, in the same file.
    let config = KmsConfig { ca: Some(other.ca(world.folder.path())), ..config };
    let error = CloudKms::new(&config).expect("a client").wrap(&two_generations(), &key()).unwrap_err();
    assert!(
        matches!(problem(&error), Problem::Certificate { detail } if detail.contains("certificate")),
        "{error}"
    );
    assert!(!error.may_pass() && error.to_string().contains("Check `endpoint` and `ca` of [kms]"), "{error}");
    assert_eq!(world.kms.state().calls, [""; 0]);
    let loose = world.kms.ca(world.folder.path());
    fs::set_permissions(&loose, Permissions::from_mode(0o666)).expect("set");
    let refused = CloudKms::new(&KmsConfig { ca: Some(loose), ..config }).unwrap_err();
    assert!(matches!(refused, KmsError::Cas(ServiceCasError::File { .. })), "{refused}");
}
