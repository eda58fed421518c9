//! Keys of fake CAs: RSA, or P-256 for ECDSA.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use aws_lc_rs::signature::RSA_PSS_SHA384;
use aws_lc_rs::signature::RsaEncoding;
use aws_lc_rs::signature::RsaKeyPair;

use super::Scheme;
use super::encode;
use crate::x509::der;

#[derive(Debug)]
pub(super) enum FakeKey {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl FakeKey {
    pub(super) fn generate(scheme: Scheme) -> Self {
        if scheme == Scheme::EcdsaSha256 {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
            return Self::P256(key.expect("aws-lc makes P-256 keys"));
        }
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("aws-lc makes RSA keys"))
    }

    pub(super) fn rsa_4096() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa4096).expect("aws-lc makes RSA keys"))
    }

    /// Modulus, big-endian; `None` for a key without one.
    pub(super) fn modulus(&self) -> Option<Vec<u8>> {
        let Self::Rsa(key) = self else { return None };
        // RFC 8017 §A.1.1: the modulus comes first.
        let mut rest = der::content_of(der::SEQUENCE, key.public_key().as_ref())?;
        let modulus = der::take(&mut rest)?.content;
        Some(modulus.strip_prefix(&[0]).unwrap_or(modulus).to_vec())
    }

    pub(super) fn from_pkcs8(scheme: Scheme, pkcs8: &[u8]) -> Self {
        if scheme == Scheme::EcdsaSha256 {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8);
            return Self::P256(key.expect("the key file of a test CA"));
        }
        Self::Rsa(RsaKeyPair::from_pkcs8(pkcs8).expect("the key file of a test CA"))
    }

    pub(super) fn to_pkcs8(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().expect("an RSA key encodes");
                der.as_ref().to_vec()
            }
            Self::P256(key) => key.to_pkcs8v1().expect("a P-256 key encodes").as_ref().to_vec(),
        }
    }

    /// Encoded `SubjectPublicKeyInfo`.
    pub(super) fn spki(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let algorithm = encode::sequence(&[encode::oid("1.2.840.113549.1.1.1"), vec![5, 0]]);
                encode::sequence(&[algorithm, encode::bits(key.public_key().as_ref())])
            }
            Self::P256(key) => {
                let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("a P-256 key encodes");
                public.as_ref().to_vec()
            }
        }
    }

    /// # Panics
    /// When the scheme does not match the kind of key.
    pub(super) fn sign(&self, scheme: Scheme, message: &[u8]) -> Vec<u8> {
        let padding: &'static dyn RsaEncoding = match scheme {
            Scheme::Pkcs1Sha256 | Scheme::EcdsaSha256 => &RSA_PKCS1_SHA256,
            Scheme::PssSha256 => &RSA_PSS_SHA256,
            Scheme::PssSha384 | Scheme::PssSha384ShortForm => &RSA_PSS_SHA384,
        };
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(padding, &SystemRandom::new(), message, &mut signature);
                signed.expect("an RSA key signs");
                signature
            }
            Self::P256(key) => {
                let signed = key.sign(&SystemRandom::new(), message);
                signed.expect("a P-256 key signs").as_ref().to_vec()
            }
        }
    }
}
