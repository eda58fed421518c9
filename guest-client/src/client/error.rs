//! Why a fetch ended without secrets.

use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{BrokerIdentity, DecisionId, ReasonCode};

use crate::evidence::CollectError;
use crate::transport::{TlsFault, TransportError};

/// Why a fetch ended without secrets.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The broker refused, and signed that.
    #[error("refused ({code}), decision {decision}")]
    Refused {
        /// The stable reason.
        code: ReasonCode,
        /// What an operator hands to `vouchsafe explain`.
        decision: DecisionId,
    },
    /// This VM could not show evidence.
    #[error("no evidence: {0}")]
    Collect(#[source] CollectError),
    /// The broker signed an answer that does not fit the request.
    #[error("answer {decision}: {source}")]
    Answer {
        /// The answer's decision.
        decision: DecisionId,
        /// What does not fit.
        source: AnswerError,
    },
    /// The evidence makes the request larger than what brokers read.
    #[error("the request has {length} bytes, brokers read {MAX_REQUEST}")]
    RequestTooLarge {
        /// Its length.
        length: usize,
    },
    /// The settings name no broker.
    #[error("no broker to ask")]
    NoBroker,
    /// No broker can be used as configured; asking again would not change that.
    #[error("{fault}")]
    Unusable {
        /// What is wrong with the last one.
        fault: Box<AttemptError>,
    },
    /// No broker gave a valid signed answer within the limits.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// Requests for a challenge, and requests that were sent again.
        attempts: u32,
        /// Why the last one failed.
        last: Box<AttemptError>,
    },
}

/// Why one attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Evidence that somebody else has a part in could not be had this time.
    #[error("no evidence: {0}")]
    Evidence(#[source] CollectError),
    /// No answer came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The answer is not what brokers send.
    #[error("the answer (status {status}) is malformed")]
    Malformed {
        /// HTTP status.
        status: u16,
    },
    /// The broker uses an identity that is not pinned.
    #[error("the broker signs as {identity}, which is not pinned")]
    UnpinnedIdentity {
        /// Which one.
        identity: BrokerIdentity,
    },
    /// Something answers at the broker's address that is not a broker.
    #[error("{url}: status {status}, this is not a vouchsafe broker")]
    NotABroker {
        /// Where the request went.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// An answer that no pinned identity signed for this request.
    #[error("the answer is not signed by the pinned identity for this request")]
    NotSigned,
    /// A problem that nobody signed.
    #[error("status {status}{}, not signed", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Unsigned {
        /// HTTP status.
        status: u16,
        /// The reason it gives.
        code: Option<ReasonCode>,
    },
    /// The broker cannot answer now, and signed that.
    #[error("not now ({code}), decision {decision}")]
    Busy {
        /// The stable reason.
        code: ReasonCode,
        /// What an operator hands to `vouchsafe explain`.
        decision: DecisionId,
    },
}

impl AttemptError {
    /// True for a fault of the configuration or of the broker's installation, which lasts: this broker is not asked again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::UnpinnedIdentity { .. } | Self::NotABroker { .. } => true,
            Self::Transport(error) => error.fault().is_some(),
            _ => false,
        }
    }

    /// What to do about it, where trying again is not the answer.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::UnpinnedIdentity { .. } => Some(
                "`identities` has to hold what `vouchsafe init` printed; do not copy the identity from this message",
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
