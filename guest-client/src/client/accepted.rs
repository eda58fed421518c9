//! Which identity's answers are accepted: those of a pinned one, and those of one that a pinned one has named its successor.

use vouchsafe_protocol::succession::{Succeeded, SuccessionError};
use vouchsafe_protocol::{BrokerIdentity, SuccessionAnswer, UnixTime};

use super::error::AttemptError;
use crate::transport::Response;

/// Whether `identity`, which the broker signs as, is accepted because of the statements in this response, for a guest that does
/// not pin it.
pub(crate) fn accepted(
    response: &Response,
    pinned: &[BrokerIdentity],
    identity: BrokerIdentity,
    now: UnixTime,
) -> Result<Succeeded, AttemptError> {
    let statements = match response.status {
        200 => SuccessionAnswer::parse(&response.body),
        // A broker of an earlier version, or none at all: nothing says that the identity is a successor.
        300..=399 | 404 | 405 | 410 => Ok(SuccessionAnswer::default()),
        _ => return Err(AttemptError::unsigned(response)),
    };
    statements.and_then(|statements| statements.verify(pinned, &identity, now)).map_err(|source| match source
    {
        SuccessionError::NotPinned => AttemptError::UnpinnedIdentity { identity },
        source => AttemptError::Succession { identity, source },
    })
}

/// The statements of a broker, by `GET`.
pub(crate) const SUCCESSION_ROUTE: &str = "/v1/succession";
