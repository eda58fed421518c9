//! Tokens of Google Cloud Attestation.

mod claims;
mod keys;

pub use self::claims::Container;
pub use self::claims::GoogleTokenClaims;
pub use self::claims::SoftwareName;
pub use self::claims::TokenKind;
pub use self::claims::TokenTdxTcb;
pub use self::keys::MAX_JWKS;
pub use self::keys::TokenKeys;
pub use self::keys::TokenKeysError;
