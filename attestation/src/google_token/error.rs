//! The reasons to refuse a token.

use std::fmt;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use crate::x509::ChainError;

/// A part of a token that is JSON, or the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPart {
    /// The protected header.
    Header,
    /// The claims.
    Payload,
    /// The signature.
    Signature,
}

impl fmt::Display for TokenPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A part is larger than any real one.
    #[error("the token's {part} has {found} characters: the limit is {limit}")]
    TooLarge {
        /// Which.
        part: TokenPart,
        /// Its length in characters.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Not a JWS in compact form.
    #[error("a token must have three parts, not {found}")]
    PartCount {
        /// Number of parts, counted up to four.
        found: usize,
    },
    /// A part is not base64url without padding.
    #[error("the token's {part} is not base64url without padding")]
    Encoding {
        /// Which.
        part: TokenPart,
    },
    /// A part is not one JSON object.
    #[error("the token's {part} is not a JSON object")]
    NotAnObject {
        /// Which.
        part: TokenPart,
    },
    /// A member occurs twice.
    #[error("the token's {part} has {name:?} twice")]
    DuplicateMember {
        /// The part.
        part: TokenPart,
        /// Its name.
        name: String,
    },
    /// A header parameter that says where the key is, changes how the token is signed, or is unknown.
    #[error("header parameter {name:?} is not allowed")]
    HeaderParameter {
        /// Its name.
        name: String,
    },
    /// A header parameter is missing or of the wrong type.
    #[error("header parameter {name} is missing or malformed")]
    HeaderMalformed {
        /// Its name.
        name: &'static str,
    },
    /// The signature algorithm is not that of Google's tokens.
    #[error("algorithm {found:?}: tokens must be signed with RS256")]
    Algorithm {
        /// The header's value.
        found: String,
    },
    /// Another kind of object.
    #[error("type {found:?}: tokens must be of type JWT")]
    ObjectType {
        /// The header's value.
        found: String,
    },
    /// The number of certificates is not that of a token's chain.
    #[error("{found} certificates: a token must have leaf, intermediate and root")]
    CertificateCount {
        /// Number of certificates.
        found: usize,
    },
    /// A certificate is not standard base64.
    #[error("certificate {index} is not base64")]
    CertificateEncoding {
        /// Position, from 0.
        index: usize,
    },
    /// The root is not trusted.
    #[error("the token's root {sha256} is not trusted")]
    UnknownRoot {
        /// SHA-256 of the certificate.
        sha256: Digest32,
    },
    /// The chain does not verify.
    #[error("certificate chain: {0}")]
    Chain(#[from] ChainError),
    /// The chain verifies, but is not leaf, intermediate and the token's own root.
    #[error("the verified chain is not the token's leaf, intermediate and root in this order")]
    ChainOrder,
    /// The leaf has no RSA key.
    #[error("the certificate's key is not RSA")]
    KeyNotRsa,
    /// The token has neither certificates nor a key id.
    #[error("neither certificates nor a key id")]
    NoKeyId,
    /// No key set has the key. It may be newer than the key sets.
    #[error("no key {kid:?} in any key set")]
    UnknownKey {
        /// Its id.
        kid: String,
    },
    /// The key set was not renewed for too long.
    #[error("the key set is from {fetched_at}: too old")]
    KeysStale {
        /// When it was fetched.
        fetched_at: UnixTime,
    },
    /// The signature does not verify.
    #[error("token signature does not verify")]
    SignatureInvalid,
    /// A claim that every token has is missing.
    #[error("claim {claim} is missing")]
    ClaimMissing {
        /// Its name.
        claim: &'static str,
    },
    /// A claim has the wrong type.
    #[error("claim {claim} is malformed")]
    ClaimMalformed {
        /// Its name.
        claim: &'static str,
    },
    /// A claim has an unknown value.
    #[error("claim {claim} is {found:?}, which is unknown")]
    ClaimUnknown {
        /// Its name.
        claim: &'static str,
        /// Its value, shortened.
        found: String,
    },
    /// The token has another issuer.
    #[error("issued by {found:?}")]
    IssuerMismatch {
        /// The token's value.
        found: String,
    },
    /// It has another audience.
    #[error("made for {found:?}, not for this broker")]
    AudienceMismatch {
        /// The token's value.
        found: String,
    },
    /// Its time is over.
    #[error("the token expired at {expires_at}")]
    Expired {
        /// `exp`.
        expires_at: UnixTime,
    },
    /// `nbf` is in the future.
    #[error("the token is not valid before {not_before}")]
    NotValidYet {
        /// `nbf`.
        not_before: UnixTime,
    },
    /// The token was issued in the future.
    #[error("the token was issued at {issued_at}, which is still to come")]
    IssuedInFuture {
        /// `iat`.
        issued_at: UnixTime,
    },
    /// The token is older than any live challenge.
    #[error("the token was issued at {issued_at}: too long ago")]
    TooOld {
        /// `iat`.
        issued_at: UnixTime,
    },
    /// Not exactly one nonce.
    #[error("{found} nonces, and a token for this broker has one")]
    NonceCount {
        /// How many.
        found: usize,
    },
    /// Made for another request.
    #[error("the token has another nonce")]
    NonceMismatch,
}

impl TokenError {
    /// Whether the token is malformed, rather than refused for its content.
    pub(crate) const fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::PartCount { .. }
                | Self::Encoding { .. }
                | Self::NotAnObject { .. }
                | Self::DuplicateMember { .. }
                | Self::HeaderMalformed { .. }
                | Self::CertificateEncoding { .. }
                | Self::ClaimMissing { .. }
                | Self::ClaimMalformed { .. }
                | Self::Chain(ChainError::Malformed | ChainError::CertificateTooLarge { .. })
        )
    }

    /// Whether a claim of an authentic, current token has a form or value that this version does not support.
    pub(crate) const fn is_of_unknown_form(&self) -> bool {
        matches!(self, Self::ClaimMissing { .. } | Self::ClaimMalformed { .. } | Self::ClaimUnknown { .. })
    }

    /// Whether a newer key set, which the broker can fetch, may change the result.
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self, Self::UnknownKey { .. } | Self::KeysStale { .. })
    }
}

/// The beginning of an untrusted text, for errors.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// Characters of an untrusted text that an error quotes.
const MAX_SHOWN: usize = 128;
