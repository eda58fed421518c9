//! Keyrings as their files have them, and answers of Cloud KMS, whose key may wrap them.

use std::path::Path;

use vouchsafe_broker::kms::{KmsKey, Problem, decrypted, encrypted, refused};
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::wrapped::{StoredKeyring, UnwrappedKeyError, WrappedKeyring, Wrapping};
use vouchsafe_protocol::UnixTime;
use zeroize::Zeroizing;

/// A keyring's file. A wrapped one is unwrapped by taking the first 32 bytes of each ciphertext for the root key.
pub fn keyring_file(data: &[u8]) {
    let path = Path::new("keyring.json");
    let keyring = match StoredKeyring::parse(path, data) {
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains(char::is_control) && said.len() < 2048, "{said}");
            return;
        }
        Ok(StoredKeyring::Plain(keyring)) => keyring,
        Ok(StoredKeyring::Wrapped(wrapped)) => {
            assert!(!wrapped.kms().contains(char::is_control));
            let opened = wrapped.open(|wrapping| {
                let key = wrapping.key.get(..32).unwrap_or_default();
                Ok::<_, UnwrappedKeyError>(Zeroizing::new(key.to_vec()))
            });
            let Ok(keyring) = opened else { return };
            keyring
        }
    };
    survives_its_file(&keyring);
    // Any step of a rotation leads to a keyring.
    let steps = [keyring.with_pending(NOW), keyring.with_promoted(NOW)];
    steps.into_iter().flatten().for_each(|(next, _)| survives_its_file(&next));
}

/// "Wrapped", written, read and unwrapped it is the same.
fn survives_its_file(keyring: &Keyring) {
    let wrap = |wrapping: Wrapping<'_, [u8; 32]>| Ok::<_, UnwrappedKeyError>(wrapping.key.to_vec());
    let wrapped = WrappedKeyring::new(keyring, "k", wrap).expect("wrapped");
    let text = serde_json::to_vec(&wrapped).expect("serialises");
    let Ok(StoredKeyring::Wrapped(again)) = StoredKeyring::parse(Path::new("k"), &text) else {
        panic!("reads its own output")
    };
    let opened = again.open(|wrapping| Ok::<_, UnwrappedKeyError>(Zeroizing::new(wrapping.key.to_vec())));
    assert!(opened.expect("opened").is_same(keyring));
}

/// An answer of Cloud KMS: a success of each method, or an error.
pub fn kms_answer(data: &[u8]) {
    let key: KmsKey = KEY.parse().expect("the name of a key");
    let problems = [
        encrypted(data, &key).err(),
        decrypted(data).err(),
        Some(refused(400, data)),
        Some(refused(503, data)),
    ];
    for problem in problems.into_iter().flatten() {
        let said = problem.to_string();
        assert!(!said.contains(char::is_control) && said.len() < 4096, "{said}");
    }
    assert!(matches!(refused(503, data), Problem::Unavailable { status: 503, .. }));
    if let Ok(ciphertext) = encrypted(data, &key) {
        assert!(!ciphertext.is_empty() && ciphertext.len() < data.len());
    }
    if let Ok(plaintext) = decrypted(data) {
        assert!(plaintext.len() < data.len());
    }
}

const KEY: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const NOW: UnixTime = UnixTime(1_800_000_000);
