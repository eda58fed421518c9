//! Collateral in one file, signed by the exporting broker.
//!
//! For brokers that cannot reach any vendor, and for a broker's own storage. The signature proves who put the
//! items together, not that they are valid: each is verified where it is used.

use serde::{Deserialize, Serialize};

use crate::digest::Digest32;
use crate::encoding::{Bytes, deserialize_at_most};
use crate::hashing::Preimage;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::time::UnixTime;

/// Upper limit of a bundle, in bytes of JSON.
pub const MAX_BUNDLE: usize = 32 * 1024 * 1024;
/// Upper limit of items in a bundle.
pub const MAX_BUNDLE_ITEMS: usize = 16_384;
/// Upper limit of an item's subject and source.
pub const MAX_BUNDLE_TEXT: usize = 512;

/// A kind of collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CollateralKind {
    /// A certificate revocation list, DER.
    Crl,
    /// Certificate of an AMD chip or of an issuing CA, DER.
    Certificate,
    /// Intel's collateral for one platform, JSON.
    Tdx,
    /// A JSON Web Key Set.
    #[serde(rename = "jwks")]
    TokenKeys,
    /// A launch endorsement of Google's.
    LaunchEndorsement,
}

impl CollateralKind {
    /// Every kind.
    pub const ALL: &'static [Self] =
        &[Self::Crl, Self::Certificate, Self::Tdx, Self::TokenKeys, Self::LaunchEndorsement];

    /// The name in JSON, metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crl => "crl",
            Self::Certificate => "certificate",
            Self::Tdx => "tdx",
            Self::TokenKeys => "jwks",
            Self::LaunchEndorsement => "launch-endorsement",
        }
    }
}

/// The purpose that a bundle was signed for. A bundle for one purpose is not valid for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundleFormat {
    /// For another broker.
    #[serde(rename = "vouchsafe/v1 collateral bundle")]
    Exported,
    /// Fetched by a broker for its own storage.
    #[serde(rename = "vouchsafe/v1 fetched collateral")]
    Kept,
}

impl BundleFormat {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Exported => EXPORTED_LABEL,
            Self::Kept => KEPT_LABEL,
        }
    }
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleItem {
    /// Its kind.
    pub kind: CollateralKind,
    /// What it is for, if the content does not state it: a measurement, a root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The URL that it was fetched from, or `import`.
    pub source: String,
    /// When.
    pub fetched_at: UnixTime,
    /// SHA-256 of the content.
    pub digest: Digest32,
    /// The content.
    pub content: Bytes,
}

/// A bundle as received. Only its form has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: BundleFormat,
    signer: BrokerIdentity,
    made_at: UnixTime,
    #[serde(deserialize_with = "deserialize_at_most::<_, _, MAX_BUNDLE_ITEMS>")]
    items: Vec<BundleItem>,
    signature: Bytes,
}

/// Why a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It exceeds the size limit.
    #[error("{found} bytes, the limit is {MAX_BUNDLE}")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not the JSON of a bundle.
    #[error("not a collateral bundle: {0}")]
    Malformed(String),
    /// Subject or source of an item exceeds its limit.
    #[error("item {index}: its subject or source is too long")]
    TextTooLong {
        /// Position, from 0.
        index: usize,
    },
    /// The digest of an item is not that of its content.
    #[error("item {index}: the content has another digest")]
    Digest {
        /// Position, from 0.
        index: usize,
    },
    /// Signed for something else.
    #[error("the bundle was made for another purpose")]
    Format,
    /// Another broker signed it.
    #[error("signed by {signer}, not by {expected}")]
    Signer {
        /// The signer named in the bundle.
        signer: BrokerIdentity,
        /// The required signer.
        expected: BrokerIdentity,
    },
    /// The signature does not verify.
    #[error("the signature of the bundle does not verify")]
    Signature,
}

impl Bundle {
    /// Puts items together and signs them.
    #[must_use]
    pub fn sign(key: &IdentityKey, format: BundleFormat, made_at: UnixTime, items: Vec<BundleItem>) -> Self {
        let signature = Bytes::default();
        let unsigned = Self { format, signer: key.identity(), made_at, items, signature };
        Self { signature: Bytes(key.sign(&unsigned.signed())), ..unsigned }
    }

    /// Reads the JSON.
    ///
    /// # Errors
    /// When it is too large, not a bundle, or the digest of an item is not that of its content.
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > MAX_BUNDLE {
            return Err(BundleError::TooLarge { found: json.len() });
        }
        let bundle: Self =
            serde_json::from_slice(json).map_err(|error| BundleError::Malformed(error.to_string()))?;
        for (index, item) in bundle.items.iter().enumerate() {
            if item.subject.len() > MAX_BUNDLE_TEXT || item.source.len() > MAX_BUNDLE_TEXT {
                return Err(BundleError::TextTooLong { index });
            }
            if item.digest != Digest32::of(&item.content) {
                return Err(BundleError::Digest { index });
            }
        }
        Ok(bundle)
    }

    /// The items, after verifying the signature of `expected`.
    ///
    /// # Errors
    /// When it has another signer or purpose.
    pub fn verify(
        self,
        expected: &BrokerIdentity,
        format: BundleFormat,
    ) -> Result<Vec<BundleItem>, BundleError> {
        if self.format != format {
            return Err(BundleError::Format);
        }
        if self.signer != *expected {
            return Err(BundleError::Signer { signer: self.signer, expected: *expected });
        }
        if !expected.signed(&self.signed(), &self.signature) {
            return Err(BundleError::Signature);
        }
        Ok(self.items)
    }

    /// The signer named in the bundle, unverified.
    #[must_use]
    pub const fn signer(&self) -> BrokerIdentity {
        self.signer
    }

    /// label || signer || made_at || number of items || for each item: kind || subject || source ||
    /// fetched_at || SHA-256(content), every field length-prefixed, numbers as 8 bytes.
    fn signed(&self) -> Vec<u8> {
        let count = u64::try_from(self.items.len()).unwrap_or(u64::MAX);
        let head = Preimage::new(self.format.label()).field(&self.signer.0).number(self.made_at.0);
        let all = self.items.iter().fold(head.number(count), |preimage, item| {
            preimage
                .field(item.kind.name().as_bytes())
                .field(item.subject.as_bytes())
                .field(item.source.as_bytes())
                .number(item.fetched_at.0)
                .field(item.digest.as_bytes())
        });
        all.into_bytes()
    }
}

impl BundleItem {
    /// An item with the digest of its content.
    #[must_use]
    pub fn new(
        kind: CollateralKind,
        subject: String,
        source: String,
        fetched_at: UnixTime,
        content: Vec<u8>,
    ) -> Self {
        let digest = Digest32::of(&content);
        Self { kind, subject, source, fetched_at, digest, content: Bytes(content) }
    }
}

const EXPORTED_LABEL: &[u8] = b"vouchsafe/v1 collateral bundle";
const KEPT_LABEL: &[u8] = b"vouchsafe/v1 fetched collateral";

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn key(seed: u8) -> IdentityKey {
        IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn bundle() -> Bundle {
        let item = |kind, subject: &str, content: &[u8]| {
            BundleItem::new(kind, subject.to_owned(), "import".to_owned(), UnixTime(7), content.to_vec())
        };
        let items = vec![
            item(CollateralKind::Crl, "", b"crl"),
            item(CollateralKind::LaunchEndorsement, "aa", b"endorsement"),
        ];
        Bundle::sign(&key(1), BundleFormat::Exported, UnixTime(9), items)
    }

    fn json(bundle: &Bundle) -> Vec<u8> {
        serde_json::to_vec(bundle).unwrap()
    }

    #[test]
    fn a_bundle_verifies_for_its_expected_signer() {
        let read = Bundle::parse(&json(&bundle())).unwrap();
        assert_eq!(read, bundle());
        let items = read.clone().verify(&key(1).identity(), BundleFormat::Exported).unwrap();
        assert_eq!(items, bundle().items);
        let (signer, expected) = (key(1).identity(), key(2).identity());
        assert_eq!(
            read.clone().verify(&expected, BundleFormat::Exported),
            Err(BundleError::Signer { signer, expected })
        );
        assert_eq!(read.verify(&signer, BundleFormat::Kept), Err(BundleError::Format));
    }

    #[test]
    fn every_field_is_signed() {
        let changes: [fn(&mut Bundle); 8] = [
            |bundle| bundle.made_at.0 += 1,
            |bundle| bundle.items.truncate(1),
            |bundle| bundle.items[0].kind = CollateralKind::Certificate,
            |bundle| bundle.items[1].subject.push('a'),
            |bundle| bundle.items[1].source.clear(),
            |bundle| bundle.items[1].fetched_at.0 += 1,
            |bundle| bundle.items.swap(0, 1),
            |bundle| {
                bundle.items[0] = BundleItem {
                    content: b"x"[..].into(),
                    digest: Digest32::of(b"x"),
                    ..bundle.items[0].clone()
                }
            },
        ];
        for change in changes {
            let mut changed = bundle();
            change(&mut changed);
            let read = Bundle::parse(&json(&changed)).unwrap();
            assert_eq!(read.verify(&key(1).identity(), BundleFormat::Exported), Err(BundleError::Signature));
        }
        // The signature does not verify for another purpose or signer.
        let kept = Bundle { format: BundleFormat::Kept, ..bundle() };
        assert_eq!(kept.verify(&key(1).identity(), BundleFormat::Kept), Err(BundleError::Signature));
        let foreign = Bundle { signer: key(2).identity(), ..bundle() };
        assert_eq!(foreign.verify(&key(2).identity(), BundleFormat::Exported), Err(BundleError::Signature));
    }

    #[test]
    fn a_malformed_bundle_is_refused() {
        let text = String::from_utf8(json(&bundle())).unwrap();
        let extra = text.replacen('{', "{\"x\":1,", 1);
        for text in ["", "{}", "[]", extra.as_str()] {
            assert!(matches!(Bundle::parse(text.as_bytes()), Err(BundleError::Malformed(_))), "{text}");
        }
        let mut changed = bundle();
        changed.items[1].content.0.push(0);
        assert_eq!(Bundle::parse(&json(&changed)), Err(BundleError::Digest { index: 1 }));
        changed.items[0].source = "x".repeat(MAX_BUNDLE_TEXT + 1);
        assert_eq!(Bundle::parse(&json(&changed)), Err(BundleError::TextTooLong { index: 0 }));
        let found = MAX_BUNDLE + 1;
        assert_eq!(Bundle::parse(&vec![b' '; found]), Err(BundleError::TooLarge { found }));
    }
}
