//! Why a fetch failed.

use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::succession::SuccessionError;
use vouchsafe_protocol::{BrokerIdentity, DecisionId, ReasonCode};

use crate::evidence::CollectError;
use crate::transport::{Response, TlsFault, TransportError};

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The broker sent a signed refusal.
    #[error("refused ({code}), decision {decision}")]
    Refused {
        /// The stable reason.
        code: ReasonCode,
        /// The id for `vouchsafe explain`.
        decision: DecisionId,
    },
    /// This VM could not collect evidence.
    #[error("no evidence: {0}")]
    Collect(#[source] CollectError),
    /// The broker signed an answer that does not match the request.
    #[error("answer {decision}: {source}")]
    Answer {
        /// The answer's decision.
        decision: DecisionId,
        /// The mismatch.
        source: AnswerError,
    },
    /// With this evidence the request exceeds the brokers' limit.
    #[error("the request has {length} bytes: brokers read at most {MAX_REQUEST}")]
    RequestTooLarge {
        /// Its length.
        length: usize,
    },
    /// The settings name no broker.
    #[error("no broker to ask")]
    NoBroker,
    /// No broker can be used with this configuration; retrying would not change that.
    #[error("{fault}")]
    Unusable {
        /// The fault of the last one.
        fault: Box<AttemptError>,
    },
    /// No broker gave a valid signed answer within the limits.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// Number of requests for a challenge and of repeated requests.
        attempts: u32,
        /// The error of the last one.
        last: Box<AttemptError>,
    },
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Evidence that depends on another service could not be collected this time.
    #[error("no evidence: {0}")]
    Evidence(#[source] CollectError),
    /// No response was received.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The response is not in the format of a broker.
    #[error("the answer (status {status}) is malformed")]
    Malformed {
        /// HTTP status.
        status: u16,
    },
    /// The broker uses an identity that is not pinned.
    #[error("the broker signs as {identity}, which is not pinned")]
    UnpinnedIdentity {
        /// The identity.
        identity: BrokerIdentity,
    },
    /// The broker uses an identity that is not pinned, and its statements do not make it a successor of one that is.
    #[error(
        "the broker signs as {identity}, which is not pinned, and not the accepted successor of one that is: {source}"
    )]
    Succession {
        /// The identity.
        identity: BrokerIdentity,
        /// What is wrong with the statements.
        source: SuccessionError,
    },
    /// The server at the broker's address is not a broker.
    #[error("{url}: status {status}, this is not a vouchsafe broker")]
    NotABroker {
        /// Where the request went.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// No pinned identity signed the answer for this request.
    #[error("the answer is not signed by the pinned identity for this request")]
    NotSigned,
    /// An unsigned problem.
    #[error("status {status}{}, unsigned", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Unsigned {
        /// HTTP status.
        status: u16,
        /// The reason that it states.
        code: Option<ReasonCode>,
    },
    /// The broker sent a signed refusal that is temporary.
    #[error("temporarily refused ({code}), decision {decision}")]
    Busy {
        /// The stable reason.
        code: ReasonCode,
        /// The id for `vouchsafe explain`.
        decision: DecisionId,
    },
}

impl AttemptError {
    /// A response that is a refusal without a signature that counts, or none of a broker.
    pub(crate) fn unsigned(response: &Response) -> Self {
        let problem = serde_json::from_slice::<Problem>(&response.body).ok();
        Self::Unsigned { status: response.status, code: problem.map(|problem| problem.code) }
    }

    /// True for a permanent fault of the configuration or of the broker's installation: this broker is not
    /// tried again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::UnpinnedIdentity { .. } | Self::NotABroker { .. } => true,
            Self::Succession { source, .. } => !passes(source),
            Self::Transport(error) => error.fault().is_some(),
            _ => false,
        }
    }

    /// What to do about it, if retrying does not help.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::UnpinnedIdentity { .. } | Self::Succession { .. } => Some(
                "`identities` has to hold what `vouchsafe init` printed or, since the identity was rotated, what \
                 `vouchsafe identity status` shows; do not copy the identity from this message",
            ),
            Self::NotABroker { .. } => Some(
                "`brokers` takes the https:// URL of a broker's listener for guests, not of the one for operators",
            ),
            Self::Transport(error) if error.is_validity_period() => {
                Some("the certificate has to be renewed, or this machine's clock is wrong")
            }
            Self::Transport(error) => error.fault().map(TlsFault::advice),
            _ => None,
        }
    }
}

/// Whether other statements may be given shortly: this clock may not be set yet, the identity may just have been promoted, and what
/// answered may have been a proxy.
const fn passes(error: &SuccessionError) -> bool {
    matches!(
        error,
        SuccessionError::Expired { .. }
            | SuccessionError::Other { .. }
            | SuccessionError::Malformed(_)
            | SuccessionError::TooLarge { .. }
    )
}

impl TlsFault {
    const fn advice(self) -> &'static str {
        match self {
            Self::UnknownCa => {
                "`ca` has to hold the CA of the broker's TLS certificate (`vouchsafe init` writes ca.pem)"
            }
            Self::WrongHost => {
                "the broker's TLS certificate has to name the host in `brokers` (`vouchsafe init --host`)"
            }
            Self::Certificate => "the broker's TLS certificate is not one for a server",
            Self::NotTls => "what listens there does not speak TLS: check host and port in `brokers`",
        }
    }
}
