//! A machine whose software TPM is provisioned like GCE's.

#[path = "turn.rs"]
mod turn;

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use tempfile::TempDir;
use vouchsafe_guest_client::config::VtpmConfig;
use vouchsafe_guest_client::vtpm::{AkAlgorithm, AkChoice, Vtpm};

use crate::swtpm::Swtpm;
use turn::Turn;

/// The firmware log of the machine.
pub(crate) const LOG: &[u8] = b"a firmware log";

/// A TPM, and a directory with its state and the firmware log.
pub(crate) struct Machine {
    pub(crate) swtpm: Swtpm,
    pub(crate) directory: TempDir,
    /// The last field: the next test's turn comes when the TPM is gone.
    _turn: Turn,
}

impl Machine {
    /// A TPM without Google's keys.
    pub(crate) fn new() -> Self {
        let turn = Turn::take();
        let directory = TempDir::new().expect("a temporary directory");
        let state = directory.path().join("tpm");
        std::fs::create_dir(&state).expect("a directory");
        std::fs::write(directory.path().join("log"), LOG).expect("a file");
        Self { swtpm: Swtpm::start(&state).expect("swtpm starts"), directory, _turn: turn }
    }

    /// A TPM with one AK, and its `SubjectPublicKeyInfo`.
    pub(crate) fn provisioned(algorithm: AkAlgorithm) -> (Self, Vec<u8>) {
        let machine = Self::new();
        let spki = machine.swtpm.provision(algorithm, certificate_for).expect("NV can be written");
        (machine, spki)
    }

    /// A connection to the TPM.
    pub(crate) fn vtpm(&self) -> Vtpm {
        Vtpm::open(&self.swtpm.address()).expect("the TPM is up")
    }

    /// Path of the firmware log.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Path of systemd's measurement log; it does not exist unless a test writes it.
    pub(crate) fn userspace_log(&self) -> PathBuf {
        self.directory.path().join("tpm2-measure.log")
    }

    /// The guest's configuration of this TPM.
    pub(crate) fn config(&self) -> VtpmConfig {
        let device = Some(self.swtpm.address());
        VtpmConfig {
            device,
            key: AkChoice::Auto,
            event_log: self.log(),
            userspace_log: self.userspace_log(),
            issuers: vec![],
        }
    }
}

/// A certificate for this key. Its signature is real, by a key that is not kept.
pub(crate) fn certificate_for(spki: &[u8]) -> Vec<u8> {
    let algorithm = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let name = [0x30, 0];
    let times = *b"\x17\x0d250101000000Z\x17\x0d350101000000Z";
    let (version, serial) = ([0xa0, 3, 2, 1, 2], [2, 1, 1]);
    let validity = tlv(0x30, &times);
    let body = [&version, serial.as_slice(), &algorithm, &name, &validity, &name, spki].concat();
    let body = tlv(0x30, &body);
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let signature = key.sign(&SystemRandom::new(), &body).expect("a signature");
    let signature = tlv(3, &[[0].as_slice(), signature.as_ref()].concat());
    tlv(0x30, &[body, algorithm.to_vec(), signature].concat())
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).expect("certificates are small").to_be_bytes();
    let length = match (high, low) {
        (0, 0..0x80) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [vec![tag], length, value.to_vec()].concat()
}
