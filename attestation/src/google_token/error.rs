//! Every reason to refuse a token.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use crate::chain::ChainError;

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

/// A token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A part is larger than any real one.
    #[error("the token's {part:?} has {found} characters, the limit is {limit}")]
    TooLarge {
        /// Which.
        part: TokenPart,
        /// What it has.
        found: usize,
        /// What is read.
        limit: usize,
    },
    /// Not a JWS in compact form.
    #[error("a token has three parts, this one {found}")]
    PartCount {
        /// How many, at most four are counted.
        found: usize,
    },
    /// A part is not base64url without padding.
    #[error("the token's {part:?} is not base64url without padding")]
    Encoding {
        /// Which.
        part: TokenPart,
    },
    /// A part is not one JSON object.
    #[error("the token's {part:?} is not a JSON object")]
    NotAnObject {
        /// Which.
        part: TokenPart,
    },
    /// A member occurs twice.
    #[error("the token's {part:?} has {name:?} twice")]
    DuplicateMember {
        /// In which part.
        part: TokenPart,
        /// Its name.
        name: String,
    },
    /// A header parameter that says where the key is, changes the meaning, or is unknown.
    #[error("header parameter {name:?} is not allowed")]
    HeaderParameter {
        /// Its name.
        name: String,
    },
    /// A header parameter is of the wrong kind or missing.
    #[error("header parameter {name} is missing or malformed")]
    HeaderMalformed {
        /// Its name.
        name: &'static str,
    },
    /// Signed in another way than Google's tokens.
    #[error("algorithm {found:?}, and tokens are signed with RS256")]
    Algorithm {
        /// What the header says.
        found: String,
    },
    /// Another kind of object.
    #[error("type {found:?}, and tokens are JWT")]
    ObjectType {
        /// What the header says.
        found: String,
    },
    /// Not the chain of a token.
    #[error("{found} certificates, a token has leaf, intermediate and root")]
    CertificateCount {
        /// How many there are.
        found: usize,
    },
    /// A certificate is not standard base64.
    #[error("certificate {index} is not base64")]
    CertificateEncoding {
        /// Position, from 0.
        index: usize,
    },
    /// The root is none that is trusted.
    #[error("the token's root {sha256} is not trusted")]
    UnknownRoot {
        /// SHA-256 of the certificate.
        sha256: Digest32,
    },
    /// The chain does not verify.
    #[error("certificate chain: {0}")]
    Chain(#[from] ChainError),
    /// The chain verifies, but it is not leaf, intermediate and the token's own root.
    #[error("the chain is not that of leaf, intermediate and root as they came")]
    ChainOrder,
    /// The leaf has no RSA key.
    #[error("the certificate's key is not RSA")]
    KeyNotRsa,
    /// Neither certificates nor the name of a key.
    #[error("neither certificates nor a key id")]
    NoKeyId,
    /// No key set has the key. It may be a new one.
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
    /// A claim is of another kind than it should be.
    #[error("claim {claim} is malformed")]
    ClaimMalformed {
        /// Its name.
        claim: &'static str,
    },
    /// A claim has a value that nobody here knows.
    #[error("claim {claim} is {found:?}, which is unknown")]
    ClaimUnknown {
        /// Its name.
        claim: &'static str,
        /// Its value, shortened.
        found: String,
    },
    /// From another issuer.
    #[error("issued by {found:?}")]
    IssuerMismatch {
        /// What it says.
        found: String,
    },
    /// For somebody else.
    #[error("made for {found:?}, not for this broker")]
    AudienceMismatch {
        /// What it says.
        found: String,
    },
    /// Its time is over.
    #[error("the token expired at {expires_at}")]
    Expired {
        /// `exp`.
        expires_at: UnixTime,
    },
    /// Its time has not begun.
    #[error("the token is not valid before {not_before}")]
    NotValidYet {
        /// `nbf`.
        not_before: UnixTime,
    },
    /// From the future.
    #[error("the token was issued at {issued_at}, which is still to come")]
    IssuedInFuture {
        /// `iat`.
        issued_at: UnixTime,
    },
    /// Issued before any challenge that is still alive.
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
    #[error("the token's nonce is another one")]
    NonceMismatch,
}

impl TokenError {
    /// Whether the token is malformed, rather than refused for what it says.
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

    /// Whether an authentic, current token has a claim of another form or value than this version knows.
    pub(crate) const fn is_of_unknown_form(&self) -> bool {
        matches!(self, Self::ClaimMissing { .. } | Self::ClaimMalformed { .. } | Self::ClaimUnknown { .. })
    }

    /// Whether the broker may have what is missing in a moment: a newer key set.
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self, Self::UnknownKey { .. } | Self::KeysStale { .. })
    }
}

/// The beginning of a text that anybody may have written, for errors.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// Characters of foreign text that an error repeats.
const MAX_SHOWN: usize = 128;
