//! A fake Intel: its CAs, the key of one platform and of its quoting enclave, collateral, and quotes.
//!
//! Names and layouts are Intel's, so that the verifier's own code path is tested; the keys are throw-away, so
//! only a verifier with the fake root as an extra anchor accepts them.

mod collateral;
mod quote;

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair;
use serde::Deserialize;
use serde::Serialize;
use vouchsafe_protocol::UnixTime;

pub use self::collateral::CollateralSpec;
pub use self::quote::TEE_TCB_SVN_OLD;
pub use self::quote::TdxQuoteBuilder;
use super::ca::CertificateSpec;
use super::ca::FakeCa;
use super::ca::Scheme;
use super::ca::encode;
use crate::tdx::PckCa;
use crate::tdx::Platform;
use crate::tdx::TdxCollateral;
use crate::tdx::TdxCollateralStore;

/// Root CA, PCK Platform CA, TCB signer, and the keys of one platform.
#[derive(Debug)]
pub struct FakeIntel {
    root: FakeCa,
    platform_ca: FakeCa,
    tcb_signer: FakeCa,
    root_der: Vec<u8>,
    platform_ca_der: Vec<u8>,
    tcb_signer_der: Vec<u8>,
    pck: EcdsaKeyPair,
    attestation: EcdsaKeyPair,
}

/// The private keys and certificates of a [`FakeIntel`], to save it for another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedIntel {
    keys: [Vec<u8>; 5],
    certificates: [Vec<u8>; 3],
}

/// The content of a fake PCK certificate; the default is valid.
#[derive(Clone, Debug)]
pub struct PckSpec {
    /// Family, model, stepping, platform type, custom SKU.
    pub fmspc: [u8; 6],
    /// Platform provisioning id.
    pub ppid: Vec<u8>,
    /// Id of the provisioning certification enclave.
    pub pce_id: [u8; 2],
    /// Security versions of the processor.
    pub cpu_svn: [u8; 16],
    /// Security version of the provisioning certification enclave.
    pub pce_svn: u8,
    /// OIDs of SGX extensions to omit.
    pub omitted: Vec<String>,
    /// Common name of the issuer, if it differs from the CA's.
    pub issuer: Option<String>,
    /// Encoded `SubjectPublicKeyInfo` instead of the platform's.
    pub spki: Option<Vec<u8>>,
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: UnixTime,
    /// End of validity.
    pub not_after: UnixTime,
}

impl Default for PckSpec {
    fn default() -> Self {
        Self {
            fmspc: FMSPC,
            ppid: vec![0x77; 16],
            pce_id: [0, 0],
            cpu_svn: CPU_SVN,
            pce_svn: PCE_SVN,
            omitted: Vec::new(),
            issuer: None,
            spki: None,
            serial: vec![0x21],
            // 2024-01-01 to 2031-01-01.
            not_before: UnixTime(1_704_067_200),
            not_after: UnixTime(1_924_992_000),
        }
    }
}

impl PckSpec {
    /// Intel SGX PCK Certificate Profile 1.5, §1.3.5.
    fn sgx_extensions(&self) -> Vec<u8> {
        let entry = |suffix: &str, value: &[u8]| {
            let oid = format!("1.2.840.113741.1.13.1.{suffix}");
            (oid.clone(), encode::sequence(&[encode::oid(&oid), value.to_vec()]))
        };
        let components = (1..).zip(self.cpu_svn);
        let mut tcb: Vec<Vec<u8>> = components
            .map(|(index, svn)| entry(&format!("2.{index}"), &encode::integer(u64::from(svn))).1)
            .collect();
        tcb.push(entry("2.17", &encode::integer(u64::from(self.pce_svn))).1);
        tcb.push(entry("2.18", &encode::octets(&self.cpu_svn)).1);
        let all = [
            entry("1", &encode::octets(&self.ppid)),
            entry("2", &encode::sequence(&tcb)),
            entry("3", &encode::octets(&self.pce_id)),
            entry("4", &encode::octets(&self.fmspc)),
            // ENUMERATED, standard.
            entry("5", &encode::tlv(0x0a, &[0])),
            entry("6", &encode::octets(&[0x66; 16])),
        ];
        let kept = all.into_iter().filter(|(oid, _)| !self.omitted.contains(oid));
        encode::sequence(&kept.map(|(_, entry)| entry).collect::<Vec<_>>())
    }
}

impl FakeIntel {
    /// A hierarchy with new keys.
    #[must_use]
    pub fn new() -> Self {
        let ca = |common_name: &str| FakeCa::new(name(common_name), Scheme::EcdsaSha256);
        let (root, platform_ca, tcb_signer) = (ca(ROOT_NAME), ca(PLATFORM_CA_NAME), ca(SIGNER_NAME));
        let key =
            || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("aws-lc makes P-256 keys");
        let mut spec = root.ca_spec(&root, ROOT_SERIAL);
        spec.extensions = authority(1);
        let root_der = root.issue(&spec);
        let mut spec = root.ca_spec(&platform_ca, PLATFORM_CA_SERIAL);
        spec.extensions = authority(0);
        let platform_ca_der = root.issue(&spec);
        let mut spec = root.ca_spec(&tcb_signer, SIGNER_SERIAL);
        spec.extensions = leaf();
        let tcb_signer_der = root.issue(&spec);
        Self {
            root,
            platform_ca,
            tcb_signer,
            root_der,
            platform_ca_der,
            tcb_signer_der,
            pck: key(),
            attestation: key(),
        }
    }

    /// The hierarchy that all tests of a process share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<FakeIntel> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Another platform under the same CAs, with its own keys.
    #[must_use]
    pub fn another_platform(&self) -> Self {
        let new = Self::new().save();
        let mut saved = self.save();
        let [_, _, _, pck, attestation] = new.keys;
        let [_, _, _, old_pck, old_attestation] = &mut saved.keys;
        (*old_pck, *old_attestation) = (pck, attestation);
        Self::load(&saved)
    }

    /// Keys and certificates, to be saved.
    #[must_use]
    pub fn save(&self) -> SavedIntel {
        let key = |key: &EcdsaKeyPair| key.to_pkcs8v1().expect("a P-256 key encodes").as_ref().to_vec();
        let authorities = [&self.root, &self.platform_ca, &self.tcb_signer].map(FakeCa::to_pkcs8);
        let [root, platform_ca, tcb_signer] = authorities;
        SavedIntel {
            keys: [root, platform_ca, tcb_signer, key(&self.pck), key(&self.attestation)],
            certificates: [self.root_der.clone(), self.platform_ca_der.clone(), self.tcb_signer_der.clone()],
        }
    }

    /// A saved hierarchy.
    ///
    /// # Panics
    /// When a key cannot be read.
    #[must_use]
    pub fn load(saved: &SavedIntel) -> Self {
        let [root, platform_ca, tcb_signer, pck, attestation] = &saved.keys;
        let ca =
            |common_name: &str, key: &[u8]| FakeCa::from_pkcs8(name(common_name), Scheme::EcdsaSha256, key);
        let key = |key: &[u8]| {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).expect("a saved key")
        };
        let [root_der, platform_ca_der, tcb_signer_der] = saved.certificates.clone();
        Self {
            root: ca(ROOT_NAME, root),
            platform_ca: ca(PLATFORM_CA_NAME, platform_ca),
            tcb_signer: ca(SIGNER_NAME, tcb_signer),
            root_der,
            platform_ca_der,
            tcb_signer_der,
            pck: key(pck),
            attestation: key(attestation),
        }
    }

    /// Root certificate, DER: the extra anchor of a test.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// The root CA, to issue other certificates.
    #[must_use]
    pub const fn root(&self) -> &FakeCa {
        &self.root
    }

    /// The PCK Platform CA.
    #[must_use]
    pub const fn platform_ca(&self) -> &FakeCa {
        &self.platform_ca
    }

    /// The key that signs TCB info and QE identity, as a CA with its name.
    #[must_use]
    pub const fn tcb_signer(&self) -> &FakeCa {
        &self.tcb_signer
    }

    /// The platform that the default specification certifies.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        Platform { fmspc: FMSPC, ca: PckCa::Platform }
    }

    /// A certificate for the platform's key.
    #[must_use]
    pub fn pck(&self, spec: &PckSpec) -> Vec<u8> {
        let certificate = CertificateSpec {
            serial: spec.serial.clone(),
            subject: name("Intel SGX PCK Certificate"),
            not_before: spec.not_before,
            not_after: spec.not_after,
            spki: spec.spki.clone().unwrap_or_else(|| spki(&self.pck)),
            extensions: [
                leaf(),
                vec![encode::extension("1.2.840.113741.1.13.1", false, &spec.sgx_extensions())],
            ]
            .concat(),
            scheme: Scheme::EcdsaSha256,
        };
        match &spec.issuer {
            None => self.platform_ca.issue(&certificate),
            Some(issuer) => {
                let key = self.platform_ca.to_pkcs8();
                FakeCa::from_pkcs8(name(issuer), Scheme::EcdsaSha256, &key).issue(&certificate)
            }
        }
    }

    /// PCK certificate, PCK CA and root, as they are in a quote.
    #[must_use]
    pub fn chain(&self, spec: &PckSpec) -> Vec<Vec<u8>> {
        vec![self.pck(spec), self.platform_ca_der.clone(), self.root_der.clone()]
    }

    /// Collateral for the platform.
    #[must_use]
    pub fn collateral(&self, spec: &CollateralSpec) -> TdxCollateral {
        spec.sign(self)
    }

    /// A store with the collateral of the platform.
    #[must_use]
    pub fn store(&self, spec: &CollateralSpec) -> TdxCollateralStore {
        TdxCollateralStore::new([(self.platform(), self.collateral(spec))])
    }
}

impl Default for FakeIntel {
    fn default() -> Self {
        Self::new()
    }
}

/// R then S.
fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), message).expect("a P-256 key signs").as_ref().to_vec()
}

/// X then Y.
fn point(key: &EcdsaKeyPair) -> Vec<u8> {
    key.public_key().as_ref().iter().skip(1).copied().collect()
}

fn spki(key: &EcdsaKeyPair) -> Vec<u8> {
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("a P-256 key encodes");
    public.as_ref().to_vec()
}

/// Extensions of a CA with this path length.
fn authority(path_length: u64) -> Vec<Vec<u8>> {
    vec![encode::basic_constraints(true, Some(path_length)), encode::key_usage(0x06), distribution_point()]
}

fn leaf() -> Vec<Vec<u8>> {
    vec![encode::basic_constraints(false, None), encode::key_usage(0xc0), distribution_point()]
}

fn distribution_point() -> Vec<u8> {
    encode::distribution_point("https://intel.invalid/crl")
}

fn name(common_name: &str) -> Vec<u8> {
    encode::name(&[("2.5.4.3", common_name), ("2.5.4.10", "Not Intel Corporation")])
}

/// FMSPC of every fake platform.
pub const FMSPC: [u8; 6] = [0x00, 0x80, 0x6f, 0x05, 0x00, 0x00];
/// `CPUSVN` of every fake platform.
pub const CPU_SVN: [u8; 16] = [3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
/// `PCESVN` of every fake platform.
pub const PCE_SVN: u8 = 13;
/// Serial number of every fake PCK Platform CA.
pub const PLATFORM_CA_SERIAL: u64 = 0x11;
/// Serial number of every fake TCB signer.
pub const SIGNER_SERIAL: u64 = 0x12;
/// Serial number of every fake root.
pub const ROOT_SERIAL: u64 = 0x10;
const ROOT_NAME: &str = "Intel SGX Root CA";
const PLATFORM_CA_NAME: &str = "Intel SGX PCK Platform CA";
const SIGNER_NAME: &str = "Intel SGX TCB Signing";

/// An issuer chain as Intel's service has it in a header.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
