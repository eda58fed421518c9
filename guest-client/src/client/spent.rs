//! How long a release took.

use std::fmt;
use std::time::Duration;

/// The duration of a release, and of its parts over all attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// All of it, pauses between attempts included.
    pub total: Duration,
    /// Collecting evidence: the TPM, a hardware report, Google's token.
    pub evidence: Duration,
    /// Waiting for brokers: connecting, TLS, requests and answers.
    pub broker: Duration,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, evidence, broker } = self;
        let [total, evidence, broker] = [total, evidence, broker].map(Duration::as_millis);
        write!(f, "{total} ms: {evidence} ms for the evidence, {broker} ms for the broker")
    }
}
