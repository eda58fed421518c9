//! Single operations of aws-lc-rs that the floor does not measure separately.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};

/// The key agreements in an encapsulation.
pub(super) struct Encapsulation {
    kem: EncapsulationKey,
    peer: [u8; 32],
}

impl Encapsulation {
    pub(super) fn new() -> Self {
        let kem = DecapsulationKey::generate(&ML_KEM_768).and_then(|key| key.encapsulation_key());
        let peer =
            PrivateKey::generate(&X25519).and_then(|key| key.compute_public_key()).expect("randomness");
        let mut bytes = [0; 32];
        bytes.copy_from_slice(peer.as_ref());
        Self { kem: kem.expect("randomness"), peer: bytes }
    }

    /// ML-KEM-768 and X25519.
    pub(super) fn xwing(&self) {
        black_box(self.kem.encapsulate().expect("a good key"));
        self.x25519();
    }

    /// X25519 with a new key.
    pub(super) fn x25519(&self) {
        let key = PrivateKey::generate(&X25519).expect("randomness");
        black_box(key.compute_public_key().expect("a good key"));
        let peer = UnparsedPublicKey::new(&X25519, &self.peer);
        let agreed = agreement::agree(&key, peer, "a good key", |shared| {
            black_box(shared);
            Ok(())
        });
        agreed.expect("a good key");
    }
}

/// AES-256-GCM over the data key and the secret: the two decryptions of unsealing.
pub(super) struct TwoOpens {
    sealed: [Vec<u8>; 2],
    key: LessSafeKey,
}

impl TwoOpens {
    pub(super) fn new() -> Self {
        let key = || LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).expect("32 bytes"));
        let seal = |length: usize| {
            let mut data = vec![2; length];
            let nonce = Nonce::assume_unique_for_key([3; 12]);
            key().seal_in_place_append_tag(nonce, Aad::empty(), &mut data).expect("seals");
            data
        };
        Self { sealed: [seal(32), seal(32)], key: key() }
    }

    pub(super) fn open(&self) {
        for sealed in &self.sealed {
            let mut data = sealed.clone();
            let nonce = Nonce::assume_unique_for_key([3; 12]);
            black_box(self.key.open_in_place(nonce, Aad::empty(), &mut data).expect("opens"));
        }
    }
}
