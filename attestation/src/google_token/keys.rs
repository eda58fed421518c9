//! The key sets that tokens of kind OIDC are verified with.

use vouchsafe_protocol::UnixTime;

use crate::anchors::Root;

/// How large a key set may be; Google's has a few kilobytes.
pub const MAX_JWKS: usize = 256 * 1024;

/// A key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeysError {
    /// Larger than any real one.
    #[error("{found} bytes, the limit is {MAX_JWKS}")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not a key set, or without any key for RS256.
    #[error("not a JSON Web Key Set with keys for RS256: {0}")]
    Malformed(String),
}

/// One key set of the issuer, and since when it is known. Never changes: what is fetched later is a new value.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    jwks: Vec<u8>,
    root: Root,
    fetched_at: UnixTime,
}

impl TokenKeys {
    /// A key set that was fetched, over TLS under the public web's roots, from the address that Google publishes
    /// ([`Self::GOOGLE_JWKS`]): it gives the root `google`, and whoever calls this says that it was.
    ///
    /// # Errors
    /// [`TokenKeysError`] when it is no key set.
    pub fn from_google(jwks: &[u8], fetched_at: UnixTime) -> Result<Self, TokenKeysError> {
        Self::new(jwks, Root::Google, fetched_at)
    }

    /// A key set from anywhere else; it gives the root `extra`.
    ///
    /// # Errors
    /// [`TokenKeysError`] when it is no key set.
    pub fn extra(jwks: &[u8], fetched_at: UnixTime) -> Result<Self, TokenKeysError> {
        Self::new(jwks, Root::Extra, fetched_at)
    }

    fn new(jwks: &[u8], root: Root, fetched_at: UnixTime) -> Result<Self, TokenKeysError> {
        if jwks.len() > MAX_JWKS {
            return Err(TokenKeysError::TooLarge { found: jwks.len() });
        }
        let _set: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(jwks).map_err(|error| TokenKeysError::Malformed(error.to_string()))?;
        Ok(Self { jwks: jwks.to_vec(), root, fetched_at })
    }

    /// Who vouches for what these keys sign.
    #[must_use]
    pub const fn root(&self) -> Root {
        self.root
    }

    /// When it was fetched.
    #[must_use]
    pub const fn fetched_at(&self) -> UnixTime {
        self.fetched_at
    }

    /// As fetched.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.jwks
    }

    /// Where Google publishes the keys of its attestation service.
    pub const GOOGLE_JWKS: &'static str = "https://www.googleapis.com/service_accounts/v1/metadata/jwk/signer@confidentialspace-sign.iam.gserviceaccount.com";
}
