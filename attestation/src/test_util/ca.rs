//! Throw-away certificate authorities for tests.
//!
//! They sign anything, so that a test can break one field at a time. Nothing here is trusted by default: a
//! test configures a root as an extra anchor, which only ever gives the root `extra`.

pub mod encode;
pub mod google;
mod key;
pub mod storage;

use vouchsafe_protocol::UnixTime;

pub use self::google::AkCertificateSpec;
pub use self::google::FakeGoogle;
pub use self::google::InstanceInfo;
use self::key::FakeKey;
pub use self::storage::FakeIssuer;

/// The signature scheme of a fake CA, and its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// sha256WithRSAEncryption, as Google's CAs.
    Pkcs1Sha256,
    /// RSASSA-PSS with SHA-256 and the default trailer field omitted, as in Google's launch endorsements.
    PssSha256,
    /// RSASSA-PSS with SHA-384 and an explicit trailer field, as in AMD's certificates until about 2023.
    PssSha384,
    /// RSASSA-PSS with SHA-384 and the default trailer field omitted, as in AMD's newer certificates.
    PssSha384ShortForm,
    /// ecdsa-with-SHA256 under P-256, as Intel's CAs.
    EcdsaSha256,
}

impl Scheme {
    /// `AlgorithmIdentifier` of the scheme.
    fn identifier(self) -> Vec<u8> {
        let (hash, salt) = match self {
            Self::Pkcs1Sha256 => {
                return encode::sequence(&[encode::oid("1.2.840.113549.1.1.11"), vec![5, 0]]);
            }
            // RFC 5758 §3.2: no parameters.
            Self::EcdsaSha256 => return encode::sequence(&[encode::oid("1.2.840.10045.4.3.2")]),
            Self::PssSha256 => ("2.16.840.1.101.3.4.2.1", 32),
            Self::PssSha384 | Self::PssSha384ShortForm => ("2.16.840.1.101.3.4.2.2", 48),
        };
        let hash = encode::sequence(&[encode::oid(hash), vec![5, 0]]);
        let mgf1 = encode::sequence(&[encode::oid("1.2.840.113549.1.1.8"), hash.clone()]);
        let mut parameters = vec![
            encode::tlv(0xa0, &hash),
            encode::tlv(0xa1, &mgf1),
            encode::tlv(0xa2, &encode::integer(salt)),
        ];
        if self == Self::PssSha384 {
            parameters.push(encode::tlv(0xa3, &encode::integer(1)));
        }
        encode::sequence(&[encode::oid("1.2.840.113549.1.1.10"), encode::sequence(&parameters)])
    }
}

/// The content of a fake certificate.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Subject, an encoded Name.
    pub subject: Vec<u8>,
    /// Start of validity.
    pub not_before: UnixTime,
    /// End of validity.
    pub not_after: UnixTime,
    /// Encoded `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    /// Encoded extensions.
    pub extensions: Vec<Vec<u8>>,
    /// Signature scheme, also stated in the certificate.
    pub scheme: Scheme,
}

/// The content of a fake CRL.
#[derive(Clone, Debug)]
pub struct CrlSpec {
    /// Time of issue.
    pub this_update: UnixTime,
    /// `nextUpdate`; `None` omits it.
    pub next_update: Option<UnixTime>,
    /// Serial numbers of revoked certificates, big-endian.
    pub revoked: Vec<Vec<u8>>,
    /// CRL number.
    pub number: u64,
    /// Encoded extensions in addition to the CRL number.
    pub extensions: Vec<Vec<u8>>,
}

impl CrlSpec {
    /// A CRL without entries that is current between the two times.
    #[must_use]
    pub const fn current(this_update: UnixTime, next_update: UnixTime) -> Self {
        Self {
            this_update,
            next_update: Some(next_update),
            revoked: Vec::new(),
            number: 1,
            extensions: Vec::new(),
        }
    }

    /// The same with one more revoked serial number.
    #[must_use]
    pub fn revoking(mut self, serial: &[u8]) -> Self {
        self.revoked.push(serial.to_vec());
        self
    }
}

/// A key pair with a name: signs certificates and CRLs.
#[derive(Debug)]
pub struct FakeCa {
    key: FakeKey,
    name: Vec<u8>,
    scheme: Scheme,
}

impl FakeCa {
    /// A CA with a new key: P-256 for ECDSA, else RSA-2048.
    #[must_use]
    pub fn new(name: Vec<u8>, scheme: Scheme) -> Self {
        Self { key: FakeKey::generate(scheme), name, scheme }
    }

    /// A CA with a new RSA-4096 key. This is slow.
    #[must_use]
    pub fn new_4096(name: Vec<u8>, scheme: Scheme) -> Self {
        Self { key: FakeKey::rsa_4096(), name, scheme }
    }

    /// A CA with a saved key.
    ///
    /// # Panics
    /// When `pkcs8` is not a key for the scheme.
    #[must_use]
    pub fn from_pkcs8(name: Vec<u8>, scheme: Scheme, pkcs8: &[u8]) -> Self {
        Self { key: FakeKey::from_pkcs8(scheme, pkcs8), name, scheme }
    }

    /// Private key, PKCS #8.
    #[must_use]
    pub fn to_pkcs8(&self) -> Vec<u8> {
        self.key.to_pkcs8()
    }

    /// Encoded `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        self.key.spki()
    }

    /// Modulus of its key, big-endian.
    ///
    /// # Panics
    /// When the key is not RSA.
    #[must_use]
    pub fn modulus(&self) -> Vec<u8> {
        self.key.modulus().expect("an RSA key")
    }

    /// A signature over a message.
    #[must_use]
    pub fn sign(&self, message: &[u8], scheme: Scheme) -> Vec<u8> {
        self.key.sign(scheme, message)
    }

    /// Encoded name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The scheme that the CA uses unless a specification says otherwise.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Specification of a CA certificate for `subject`: `keyCertSign`, `cRLSign`, no path length.
    #[must_use]
    pub fn ca_spec(&self, subject: &Self, serial: u64) -> CertificateSpec {
        CertificateSpec {
            serial: serial.to_be_bytes().to_vec(),
            subject: subject.name.clone(),
            not_before: CA_NOT_BEFORE,
            not_after: CA_NOT_AFTER,
            spki: subject.spki(),
            extensions: vec![encode::basic_constraints(true, None), encode::key_usage(0x06)],
            scheme: self.scheme,
        }
    }

    /// Its own certificate.
    #[must_use]
    pub fn self_signed(&self, serial: u64) -> Vec<u8> {
        self.issue(&self.ca_spec(self, serial))
    }

    /// A certificate, DER.
    #[must_use]
    pub fn issue(&self, spec: &CertificateSpec) -> Vec<u8> {
        let validity = [encode::time(spec.not_before), encode::time(spec.not_after)];
        let mut tbs = vec![
            encode::tlv(0xa0, &encode::integer(2)),
            encode::unsigned(&spec.serial),
            spec.scheme.identifier(),
            self.name.clone(),
            encode::sequence(&validity),
            spec.subject.clone(),
            spec.spki.clone(),
        ];
        if !spec.extensions.is_empty() {
            tbs.push(encode::tlv(0xa3, &encode::sequence(&spec.extensions)));
        }
        self.signed(&encode::sequence(&tbs), spec.scheme)
    }

    /// A CRL, DER.
    #[must_use]
    pub fn crl(&self, spec: &CrlSpec) -> Vec<u8> {
        let number = encode::extension("2.5.29.20", false, &encode::integer(spec.number));
        let extensions = [vec![number], spec.extensions.clone()].concat();
        let entry =
            |serial: &Vec<u8>| encode::sequence(&[encode::unsigned(serial), encode::time(spec.this_update)]);
        let mut tbs = vec![
            encode::integer(1),
            self.scheme.identifier(),
            self.name.clone(),
            encode::time(spec.this_update),
        ];
        tbs.extend(spec.next_update.map(encode::time));
        if !spec.revoked.is_empty() {
            tbs.push(encode::sequence(&spec.revoked.iter().map(entry).collect::<Vec<_>>()));
        }
        tbs.push(encode::tlv(0xa0, &encode::sequence(&extensions)));
        self.signed(&encode::sequence(&tbs), self.scheme)
    }

    /// `SEQUENCE { tbs, algorithm, signature }`, as in certificates and CRLs.
    fn signed(&self, tbs: &[u8], scheme: Scheme) -> Vec<u8> {
        let signature = self.key.sign(scheme, tbs);
        encode::sequence(&[tbs.to_vec(), scheme.identifier(), encode::bits(&signature)])
    }
}

/// 2020-01-01.
pub const CA_NOT_BEFORE: UnixTime = UnixTime(1_577_836_800);
/// 2100-01-01.
pub const CA_NOT_AFTER: UnixTime = UnixTime(4_102_444_800);
