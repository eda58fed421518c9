//! The time limit for one token, shared by all calls for it.

use std::time::{Duration, Instant};

use super::error::{Call, TokenError};

/// The time at which everything must be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    /// A deadline that is `limit` from now.
    pub(super) fn start(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// The remaining time for `call`.
    pub(super) fn rest(&self, call: Call) -> Result<Duration, TokenError> {
        let rest = self.limit.saturating_sub(self.started.elapsed());
        if rest.is_zero() { Err(self.late(call)) } else { Ok(rest) }
    }

    /// The error when `call` had no response in time.
    pub(super) const fn late(&self, call: Call) -> TokenError {
        TokenError::TimedOut { call, limit: self.limit }
    }

    /// The error of `call`.
    pub(super) fn failed(&self, call: Call, error: &ureq::Error) -> TokenError {
        match error {
            ureq::Error::Timeout(_) => self.late(call),
            other => TokenError::Unreachable { call, message: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_begins_after_the_end() {
        let call = Call::VerifyAttestation;
        let rest = Deadline::start(Duration::from_secs(60)).rest(call).unwrap();
        assert!(rest > Duration::from_secs(50) && rest <= Duration::from_secs(60));
        let error = Deadline::start(Duration::ZERO).rest(call).unwrap_err();
        assert!(matches!(
            error,
            TokenError::TimedOut { call: Call::VerifyAttestation, limit: Duration::ZERO }
        ));
    }
}
