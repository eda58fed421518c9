//! Errors on the wire: RFC 9457 problems with a fixed set of reason codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::answer::DecisionId;
use crate::encoding::Bytes;

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = ($text:literal, $status:literal, $title:literal),)*) => {
        /// Why a request failed. Stable: programs may match on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ReasonCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as written in JSON, metrics and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status for this code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// One line for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

reason_codes! {
    /// Not JSON of the expected form.
    MalformedRequest = ("malformed-request", 400, "The request is malformed"),
    /// No such route.
    NoSuchRoute = ("no-such-route", 404, "There is nothing at this address"),
    /// A route, but not with this method.
    MethodNotAllowed = ("method-not-allowed", 405, "This method is not allowed here"),
    /// The body did not arrive in time.
    RequestTimeout = ("request-timeout", 408, "The request took too long to arrive"),
    /// The body exceeds the size limit.
    RequestTooLarge = ("request-too-large", 413, "The request is too large"),
    /// This broker did not issue the challenge.
    ChallengeInvalid = ("challenge-invalid", 400, "The challenge was not issued by this broker"),
    /// The challenge has expired.
    ChallengeExpired = ("challenge-expired", 400, "The challenge has expired"),
    /// The challenge was already used for a release.
    NonceSpent = ("nonce-spent", 409, "The challenge has been used already"),
    /// The guest's key is not a valid key of its suite.
    KeyInvalid = ("key-invalid", 400, "The guest's public key is not valid"),
    /// The evidence cannot be parsed.
    EvidenceMalformed = ("evidence-malformed", 400, "The evidence is malformed"),
    /// The evidence was parsed, but a check refused it.
    EvidenceRefused = ("evidence-refused", 403, "The evidence was refused"),
    /// PCRs were being extended during the quote: the VM may quote again.
    EvidenceUnsettled = ("evidence-unsettled", 403, "The VM was extending its PCRs, quote again"),
    /// Pieces of evidence that are not linked.
    UnlinkedEvidence = ("unlinked-evidence", 403, "The pieces of evidence are not linked"),
    /// Collateral for the verification is being fetched.
    CollateralPending = ("collateral-pending", 503, "Collateral is being fetched, try again"),
    /// No secret for this VM at this path, whatever the reason.
    NotGranted = ("not-granted", 403, "Not granted"),
    /// The broker has reached a limit on concurrent work.
    Overloaded = ("overloaded", 503, "The broker is busy, try again"),
    /// This client sends too many requests.
    RateLimited = ("rate-limited", 429, "Too many requests"),
    /// The broker cannot answer now: its storage failed, or it is stopping.
    Unavailable = ("unavailable", 503, "The broker cannot answer now"),
    /// A bug of the broker.
    Internal = ("internal", 500, "The broker failed"),
    /// An operator's request without a valid credential.
    Unauthorized = ("unauthorized", 401, "A valid operator credential is needed"),
    /// An operator's request with a token that was valid, and has ended.
    TokenExpired = ("token-expired", 401, "The operator's token has ended"),
    /// The operator does not have this permission.
    Forbidden = ("forbidden", 403, "This operator may not do this"),
    /// The object of an operator's request does not exist.
    NotFound = ("not-found", 404, "There is no such object"),
    /// An operator's request conflicts with the object's state.
    Conflict = ("conflict", 409, "The object is in another state"),
    /// A policy, baseline or other object was rejected at registration.
    InvalidObject = ("invalid-object", 422, "The object was refused"),
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a reason code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason code")]
pub struct UnknownReasonCode;

impl FromStr for ReasonCode {
    type Err = UnknownReasonCode;

    fn from_str(text: &str) -> Result<Self, UnknownReasonCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownReasonCode)
    }
}

/// An RFC 9457 problem, `application/problem+json`.
///
/// `signature` is present if the challenge was valid; without one the guest treats a problem like a transport
/// error. `detail` is only for operators' requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:vouchsafe:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable reason.
    pub code: ReasonCode,
    /// The id under which the broker recorded the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// The broker's signature over nonce, code and decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Bytes>,
    /// Details of the fault, for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// The media type.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem with only its code.
    #[must_use]
    pub fn new(code: ReasonCode) -> Self {
        Self {
            kind: format!("urn:vouchsafe:problem:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            decision: None,
            signature: None,
            detail: None,
        }
    }

    /// Adds details of the fault.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_spelling_everywhere() {
        for &code in ReasonCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!((400..600).contains(&code.status()));
        }
        assert_eq!("".parse::<ReasonCode>(), Err(UnknownReasonCode));
    }
}
