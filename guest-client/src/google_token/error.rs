//! Why no token was issued.

use std::fmt;
use std::io;
use std::time::Duration;

#[cfg(feature = "google")]
use vouchsafe_protocol::text::printable;

/// The call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A value of the metadata server, such as `instance/zone`.
    Metadata(&'static str),
    /// Setting up the client of Google's API.
    Client,
    /// `CreateChallenge`.
    CreateChallenge,
    /// The metadata server's id token of the service account.
    IdToken,
    /// A certificate of the issuer of the AK certificate.
    Issuer,
    /// `VerifyAttestation`.
    VerifyAttestation,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(path) => write!(f, "metadata server, {path}"),
            Self::Client => f.write_str("client"),
            Self::CreateChallenge => f.write_str("CreateChallenge"),
            Self::IdToken => f.write_str("id token of the service account"),
            Self::Issuer => f.write_str("issuer of the AK certificate"),
            Self::VerifyAttestation => f.write_str("VerifyAttestation"),
        }
    }
}

/// Why no token was issued. No text in it comes from a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The feature `google` was disabled in this build.
    #[error("this build cannot request tokens (feature `google`): remove \"google-token\" from `evidence`")]
    LeftOut,
    /// The configuration presents a quote to Google, but no device makes one.
    #[error("there is no device for a quote to present to Google")]
    NothingToShow,
    /// The runtime could not be started.
    #[error("no runtime: {0}")]
    Runtime(#[source] io::Error),
    /// Google, or the metadata server, refused.
    #[error("{call}: status {status}: {message}{}", hint(*call, *status))]
    Refused {
        /// The call.
        call: Call,
        /// HTTP status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The metadata server returned no access token.
    #[error("{call}: no access token: {message} (has the VM a service account?)")]
    Credentials {
        /// The call.
        call: Call,
        /// The library's message.
        message: String,
    },
    /// There was no answer.
    #[error("{call}: {message}{}", hint(*call, 0))]
    Unreachable {
        /// The call.
        call: Call,
        /// The library's message.
        message: String,
    },
    /// No answer in time.
    #[error("{call}: no answer within the {} s of `google_token.timeout`", limit.as_secs())]
    TimedOut {
        /// The call.
        call: Call,
        /// The time limit for all calls together.
        limit: Duration,
    },
    /// The response does not have the documented form.
    #[error("{call}: the answer is malformed: {what}")]
    Malformed {
        /// The call.
        call: Call,
        /// The fault.
        what: String,
    },
    /// The challenge's nonce is not base64, or too long for a quote.
    #[error("CreateChallenge: the nonce is not base64 of 1 to 48 bytes")]
    ChallengeNonce,
    /// Google issued no token.
    #[error("VerifyAttestation: no token: {}", if remarks.is_empty() { "Google gives no reason".to_owned() } else { remarks.join("; ") })]
    NotIssued {
        /// Google's remarks.
        remarks: Vec<String>,
    },
}

impl TokenError {
    /// Whether the network or load at Google is the cause.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Refused { status, .. } => matches!(*status, 429 | 500..=599),
            _ => false,
        }
    }
}

impl TokenError {
    /// Whether Google has examined the evidence and rejects it.
    #[must_use]
    pub const fn is_about_evidence(&self) -> bool {
        match self {
            Self::Refused { call: Call::VerifyAttestation, status, .. } => {
                matches!(*status, 400..=499) && !matches!(*status, 401 | 403 | 404 | 408 | 429)
            }
            Self::NotIssued { .. } => true,
            _ => false,
        }
    }
}

const fn hint(call: Call, status: u16) -> &'static str {
    match (call, status) {
        (Call::CreateChallenge | Call::VerifyAttestation, 403) => {
            " (the VM's service account needs roles/confidentialcomputing.workloadUser and the scope cloud-platform, \
             the project the API confidentialcomputing.googleapis.com)"
        }
        (Call::CreateChallenge, 404) => {
            " (is there Google Cloud Attestation in this region? see `google_token.location`)"
        }
        (Call::Issuer, _) => " (`vtpm.issuers` can name files instead)",
        _ => "",
    }
}

/// At most a line of another party's text, without control characters.
#[cfg(feature = "google")]
pub(super) fn quoted(text: &str) -> String {
    printable(text).chars().take(400).collect::<String>().trim().to_owned()
}

#[cfg(feature = "google")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_network_and_load_may_pass() {
        let refused =
            |status| TokenError::Refused { call: Call::CreateChallenge, status, message: String::new() };
        let passing = [429, 500, 503].map(refused);
        assert!(passing.iter().all(TokenError::may_pass));
        let unreachable = TokenError::Unreachable { call: Call::IdToken, message: String::new() };
        let late = TokenError::TimedOut { call: Call::VerifyAttestation, limit: Duration::from_secs(1) };
        assert!(unreachable.may_pass() && late.may_pass());
        let lasting = [400, 403, 404].map(refused);
        assert!(!lasting.iter().any(TokenError::may_pass));
        assert!(!TokenError::LeftOut.may_pass());
        assert!(!TokenError::NotIssued { remarks: vec![] }.may_pass());
    }

    #[test]
    fn only_a_refusal_to_verify_is_about_the_evidence() {
        let refused = |call, status| TokenError::Refused { call, status, message: String::new() };
        assert!(refused(Call::VerifyAttestation, 400).is_about_evidence());
        assert!(TokenError::NotIssued { remarks: vec![] }.is_about_evidence());
        for status in [401, 403, 404, 408, 429, 500, 503] {
            assert!(!refused(Call::VerifyAttestation, status).is_about_evidence(), "{status}");
        }
        assert!(!refused(Call::CreateChallenge, 400).is_about_evidence());
        assert!(!TokenError::NothingToShow.is_about_evidence());
    }

    #[test]
    fn quoted_messages_are_one_short_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m "), "a b [31m");
        assert_eq!(quoted(&"x".repeat(5000)).len(), 400);
    }
}
