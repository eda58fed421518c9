//! A fake attestation key, and quotes under it in which every field can be set.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use aws_lc_rs::signature::RSA_PKCS1_SHA384;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;

use crate::vtpm::Hash;
use crate::vtpm::PublicKey;
use crate::vtpm::RELEASE_PCRS;
use crate::vtpm::qualified_name;

/// An attestation key, newly generated.
#[derive(Debug)]
pub struct FakeAk {
    key: Key,
    hash: Hash,
    spki: Vec<u8>,
    qualified_name: Vec<u8>,
}

#[derive(Debug)]
enum Key {
    Rsa(Box<KeyPair>),
    Ec(EcdsaKeyPair),
}

impl FakeAk {
    /// A new RSA-2048 key, the most common kind on GCE. This is slow; see [`Self::shared_rsa`].
    #[must_use]
    pub fn rsa() -> Self {
        Self::rsa_with(KeySize::Rsa2048, Hash::Sha256)
    }

    /// A new RSA key of any size, signing with SHA-256 or SHA-384.
    #[must_use]
    pub fn rsa_with(size: KeySize, hash: Hash) -> Self {
        let key = KeyPair::generate(size).expect("aws-lc makes RSA keys");
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der().expect("an RSA key encodes");
        let spki = spki.as_ref().to_vec();
        Self::build(Key::Rsa(Box::new(key)), hash, spki)
    }

    /// The RSA-2048 key that the tests of a process share.
    #[must_use]
    pub fn shared_rsa() -> &'static Self {
        static SHARED: OnceLock<FakeAk> = OnceLock::new();
        SHARED.get_or_init(Self::rsa)
    }

    /// A new P-256 key.
    #[must_use]
    pub fn p256() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("aws-lc makes P-256 keys");
        Self::ec(key, Hash::Sha256)
    }

    /// A new P-384 key, signing with SHA-384.
    #[must_use]
    pub fn p384() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("aws-lc makes P-384 keys");
        Self::ec(key, Hash::Sha384)
    }

    fn ec(key: EcdsaKeyPair, hash: Hash) -> Self {
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der().expect("an EC key encodes");
        let spki = spki.as_ref().to_vec();
        Self::build(Key::Ec(key), hash, spki)
    }

    fn build(key: Key, hash: Hash, spki: Vec<u8>) -> Self {
        let public = PublicKey::parse(&spki).expect("a supported kind of key");
        let qualified_name = qualified_name(&public, hash).to_vec();
        Self { key, hash, spki, qualified_name }
    }

    /// DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Qualified name under GCE's template.
    #[must_use]
    pub fn qualified_name(&self) -> &[u8] {
        &self.qualified_name
    }

    /// Hash of its scheme.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// `TPMT_SIGNATURE` over `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match self.hash {
                    Hash::Sha256 => &RSA_PKCS1_SHA256,
                    Hash::Sha384 => &RSA_PKCS1_SHA384,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).expect("an RSA key signs");
                tpm_signature(0x0014, self.hash.id(), &[&signature])
            }
            Key::Ec(key) => {
                let signature = key.sign(&random, message).expect("an EC key signs");
                let (r, s) = signature.as_ref().split_at(signature.as_ref().len() / 2);
                tpm_signature(0x0018, self.hash.id(), &[r, s])
            }
        }
    }
}

/// `TPMT_SIGNATURE` of these numbers.
#[must_use]
pub fn tpm_signature(scheme: u16, hash: u16, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = [scheme.to_be_bytes(), hash.to_be_bytes()].concat();
    for part in parts {
        out.extend(sized(part));
    }
    out
}

/// `TPMS_ATTEST` to build; starts as a valid quote.
#[derive(Clone, Debug)]
pub struct QuoteSpec {
    /// `TPM_GENERATED_VALUE`.
    pub magic: u32,
    /// Type of the statement.
    pub kind: u16,
    /// `None`: the name of the signing key.
    pub qualified_signer: Option<Vec<u8>>,
    /// The nonce.
    pub extra_data: Vec<u8>,
    /// Milliseconds.
    pub clock: u64,
    /// Resets.
    pub reset_count: u32,
    /// Restarts.
    pub restart_count: u32,
    /// 0 or 1.
    pub safe: u8,
    /// Vendor's version.
    pub firmware_version: u64,
    /// Banks by algorithm, each with its bitmap.
    pub selections: Vec<(u16, Vec<u8>)>,
    /// `None`: the digest over the given PCRs.
    pub pcr_digest: Option<Vec<u8>>,
    /// Bytes after the quote.
    pub trailing: Vec<u8>,
}

impl QuoteSpec {
    /// A valid quote with this nonce.
    #[must_use]
    pub fn new(extra_data: &[u8]) -> Self {
        Self {
            magic: 0xff54_4347,
            kind: 0x8018,
            qualified_signer: None,
            extra_data: extra_data.to_vec(),
            clock: 123_456,
            reset_count: 3,
            restart_count: 0,
            safe: 1,
            firmware_version: 0x2016_0511_0016_2800,
            selections: vec![(0x000b, bitmap(RELEASE_PCRS))],
            pcr_digest: None,
            trailing: Vec::new(),
        }
    }

    /// A quote over exactly these PCRs.
    #[must_use]
    pub fn over(pcrs: &BTreeMap<u8, Digest32>, extra_data: &[u8]) -> Self {
        let set = pcrs.keys().fold(0, |set, pcr| set | 1 << pcr);
        Self { selections: vec![(0x000b, bitmap(set))], ..Self::new(extra_data) }
    }

    /// The bytes that `ak` is to sign.
    #[must_use]
    pub fn encode(&self, ak: &FakeAk, pcrs: &BTreeMap<u8, Digest32>) -> Bytes {
        let mut out = self.magic.to_be_bytes().to_vec();
        out.extend(self.kind.to_be_bytes());
        out.extend(sized(self.qualified_signer.as_deref().unwrap_or(ak.qualified_name())));
        out.extend(sized(&self.extra_data));
        out.extend(self.clock.to_be_bytes());
        out.extend(self.reset_count.to_be_bytes());
        out.extend(self.restart_count.to_be_bytes());
        out.push(self.safe);
        out.extend(self.firmware_version.to_be_bytes());
        out.extend(u32::try_from(self.selections.len()).expect("few banks").to_be_bytes());
        for (algorithm, bitmap) in &self.selections {
            out.extend(algorithm.to_be_bytes());
            out.push(u8::try_from(bitmap.len()).expect("a small bitmap"));
            out.extend(bitmap);
        }
        let digest = self.pcr_digest.clone().unwrap_or_else(|| pcr_digest(ak.hash(), pcrs));
        out.extend(sized(&digest));
        out.extend(&self.trailing);
        Bytes(out)
    }
}

/// Bitmap of three bytes, bit i for PCR i.
#[must_use]
pub fn bitmap(pcrs: u32) -> Vec<u8> {
    pcrs.to_le_bytes().into_iter().take(3).collect()
}

fn pcr_digest(hash: Hash, pcrs: &BTreeMap<u8, Digest32>) -> Vec<u8> {
    let values: Vec<u8> = pcrs.values().flat_map(|value| *value.as_bytes()).collect();
    match hash {
        Hash::Sha256 => Digest32::of(&values).0.to_vec(),
        Hash::Sha384 => Digest48::of(&values).0.to_vec(),
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(bytes.len()).expect("a small field").to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}
