//! The key sets that verify tokens of kind OIDC.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use der::Encode;
use der::Tag;
use der::asn1::AnyRef;
use der::asn1::UintRef;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::challenge::CLOCK_SKEW;
use vouchsafe_protocol::encoding::from_base64url;

use super::error::TokenError;
use super::error::shown;
use super::json;
use super::json::Flaw;
use super::json::Json;
use super::json::Members;
use super::jws::MAX_KEY_ID;
use crate::anchors::Root;
use crate::x509::Revocation;

/// Upper limit of bytes in a key set; Google's has a few kilobytes.
pub const MAX_JWKS: usize = 256 * 1024;
/// Upper limit of keys in a set.
pub const MAX_KEYS: usize = 64;
/// Seconds after which a key set that was not renewed verifies nothing any more: long enough to bridge an
/// outage of Google or of the connection to it, and a limit for how long a withdrawn key stays valid (T40).
pub const MAX_KEYS_AGE: u64 = 7 * 86_400;
/// Seconds for which a key set counts as current.
pub const KEYS_FRESH: u64 = 86_400;

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeysError {
    /// Larger than any real one.
    #[error("{found} bytes, the limit is {MAX_JWKS}")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not a JSON object with a list of objects.
    #[error("not a JSON Web Key Set")]
    NotAKeySet,
    /// A member occurs twice.
    #[error("{name:?} occurs twice")]
    DuplicateMember {
        /// Its name.
        name: String,
    },
    /// More keys than any real set has.
    #[error("{found} keys, the limit is {MAX_KEYS}")]
    TooManyKeys {
        /// Number of keys.
        found: usize,
    },
    /// A member of a key is missing or malformed.
    #[error("key {index}: {member} is missing or malformed")]
    Member {
        /// Position of the key, from 0.
        index: usize,
        /// Its name.
        member: &'static str,
    },
    /// A key has fewer than 2048 or more than 4096 bits.
    #[error("key {index}: {bits} bits, 2048 to 4096 are used")]
    KeySize {
        /// Position of the key, from 0.
        index: usize,
        /// Its size.
        bits: usize,
    },
    /// Two keys have the same id.
    #[error("two keys with the id {kid:?}")]
    DuplicateKey {
        /// Their id.
        kid: String,
    },
    /// No key for RS256 signatures.
    #[error("no key for RS256 signatures")]
    NoKeys,
}

/// One key set of the issuer, with its fetch time. It never changes: a later fetch returns a new value.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    jwks: Vec<u8>,
    keys: Arc<BTreeMap<String, ParsedPublicKey>>,
    root: Root,
    fetched_at: UnixTime,
}

impl TokenKeys {
    /// A key set with the root `google`. The caller asserts that it was fetched over TLS, under public web
    /// roots, from the URL that Google publishes ([`Self::GOOGLE_JWKS`]).
    ///
    /// # Errors
    /// [`TokenKeysError`] when it is not a key set.
    pub fn from_google(jwks: &[u8], fetched_at: UnixTime) -> Result<Self, TokenKeysError> {
        Self::new(jwks, Root::Google, fetched_at)
    }

    /// A key set from any other source; its tokens have the root `extra`.
    ///
    /// # Errors
    /// [`TokenKeysError`] when it is not a key set.
    pub fn extra(jwks: &[u8], fetched_at: UnixTime) -> Result<Self, TokenKeysError> {
        Self::new(jwks, Root::Extra, fetched_at)
    }

    fn new(jwks: &[u8], root: Root, fetched_at: UnixTime) -> Result<Self, TokenKeysError> {
        if jwks.len() > MAX_JWKS {
            return Err(TokenKeysError::TooLarge { found: jwks.len() });
        }
        let keys = Arc::new(read(jwks)?);
        Ok(Self { jwks: jwks.to_vec(), keys, root, fetched_at })
    }

    /// The root of what these keys sign.
    #[must_use]
    pub const fn root(&self) -> Root {
        self.root
    }

    /// When it was fetched.
    #[must_use]
    pub const fn fetched_at(&self) -> UnixTime {
        self.fetched_at
    }

    /// The ids of its keys.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Whether it still verifies tokens. A set with a fetch time in the future does not: it would never
    /// become too old.
    #[must_use]
    pub const fn is_usable(&self, now: UnixTime) -> bool {
        self.age(now) <= MAX_KEYS_AGE
    }

    /// `fresh` for a day after it was fetched, then `stale`.
    #[must_use]
    pub const fn revocation(&self, now: UnixTime) -> Revocation {
        if self.age(now) <= KEYS_FRESH { Revocation::Fresh } else { Revocation::Stale }
    }

    const fn age(&self, now: UnixTime) -> u64 {
        if self.fetched_at.0 > now.0.saturating_add(CLOCK_SKEW) {
            return u64::MAX;
        }
        now.0.saturating_sub(self.fetched_at.0)
    }

    /// The bytes as fetched.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.jwks
    }

    /// The URL where Google publishes the keys of its attestation service.
    pub const GOOGLE_JWKS: &'static str = "https://www.googleapis.com/service_accounts/v1/metadata/jwk/signer@confidentialspace-sign.iam.gserviceaccount.com";
}

/// The key with that id (RFC 7517 §4.5), with its set: the first set that is not too old.
pub(super) fn find<'a>(
    sets: &'a [TokenKeys],
    kid: &str,
    now: UnixTime,
) -> Result<(&'a TokenKeys, &'a ParsedPublicKey), TokenError> {
    let mut verdict = TokenError::UnknownKey { kid: shown(kid) };
    for set in sets {
        match set.keys.get(kid) {
            Some(key) if set.is_usable(now) => return Ok((set, key)),
            Some(_) => verdict = TokenError::KeysStale { fetched_at: set.fetched_at },
            None => {}
        }
    }
    Err(verdict)
}

/// RFC 7517 §5: the keys for RS256 signatures; others are ignored.
fn read(jwks: &[u8]) -> Result<BTreeMap<String, ParsedPublicKey>, TokenKeysError> {
    let set = json::object(jwks).map_err(|flaw| match flaw {
        Flaw::NotAnObject => TokenKeysError::NotAKeySet,
        Flaw::Duplicate(name) => TokenKeysError::DuplicateMember { name: shown(&name) },
    })?;
    let Some(Json::List(items)) = set.get("keys") else {
        return Err(TokenKeysError::NotAKeySet);
    };
    if items.len() > MAX_KEYS {
        return Err(TokenKeysError::TooManyKeys { found: items.len() });
    }
    let mut keys = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let Json::Object(key) = item else {
            return Err(TokenKeysError::NotAKeySet);
        };
        if !serves(key) {
            continue;
        }
        let (kid, key) = rsa_key(key, index)?;
        // RFC 7517 §4.5: ids should be distinct. If two keys have the same id, a token's key is ambiguous.
        if keys.insert(kid.to_owned(), key).is_some() {
            return Err(TokenKeysError::DuplicateKey { kid: shown(kid) });
        }
    }
    if keys.is_empty() { Err(TokenKeysError::NoKeys) } else { Ok(keys) }
}

/// RFC 7517 §4: an RSA key for signatures; if it names an algorithm, RS256.
fn serves(key: &Members) -> bool {
    let is = |name: &str, value: &str| matches!(key.get(name), Some(Json::Text(text)) if text == value);
    is("kty", "RSA") && is("use", "sig") && (is("alg", "RS256") || !key.contains_key("alg"))
}

/// RFC 7518 §6.3.1: modulus and exponent, big-endian in the fewest bytes.
fn rsa_key(key: &Members, index: usize) -> Result<(&str, ParsedPublicKey), TokenKeysError> {
    let text = |member: &'static str| match key.get(member) {
        Some(Json::Text(text)) => Ok(text.as_str()),
        _ => Err(TokenKeysError::Member { index, member }),
    };
    let number = |member: &'static str| {
        let bytes =
            from_base64url(text(member)?).filter(|bytes| bytes.first().is_some_and(|first| *first != 0));
        bytes.ok_or(TokenKeysError::Member { index, member })
    };
    let kid = text("kid")?;
    if kid.is_empty() || kid.len() > MAX_KEY_ID {
        return Err(TokenKeysError::Member { index, member: "kid" });
    }
    let (n, e) = (number("n")?, number("e")?);
    let leading = n.first().map_or(0, |first| first.leading_zeros()) as usize;
    let bits = 8 * n.len() - leading;
    // RFC 7518 §3.3: 2048 bits or more.
    if !(2048..=4096).contains(&bits) {
        return Err(TokenKeysError::KeySize { index, bits });
    }
    // 65537, as in all of Google's keys: a long exponent is slow to verify with, a short one is a risk.
    if e != [1, 0, 1] {
        return Err(TokenKeysError::Member { index, member: "e" });
    }
    let key = encode(&n, &e).ok().and_then(|der| ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok());
    Ok((kid, key.ok_or(TokenKeysError::Member { index, member: "n" })?))
}

/// RFC 8017 §A.1.1: `RSAPublicKey { modulus, exponent }`.
fn encode(n: &[u8], e: &[u8]) -> der::Result<Vec<u8>> {
    let numbers = [UintRef::new(n)?.to_der()?, UintRef::new(e)?.to_der()?].concat();
    AnyRef::new(Tag::Sequence, &numbers)?.to_der()
}
