//! Why a fetch ended without secrets.

use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{BrokerIdentity, DecisionId, ReasonCode};

use super::TransportError;
use crate::evidence::CollectError;

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
    /// No broker gave an answer that counts, within the limits.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// Requests for a challenge, and requests that were sent again.
        attempts: u32,
        /// Why the last one failed.
        last: Box<AttemptError>,
    },
}

/// Why one attempt failed in a way that may pass.
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
