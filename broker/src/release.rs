//! A release, from the request to the signed answer.
//!
//! [`release`] opens the request, [`commit`](commit::commit) has it verified, prepared and recorded, and
//! [`prepare`](pipeline::prepare) turns verified evidence into an answer. Types carry the argument: secrets
//! are unsealed under a grant, a grant comes from verified claims, the key that secrets are wrapped to comes
//! from those claims, and the answer is sent only after the grant is recorded with its nonce spent.

mod commit;
mod decision;
mod error;
mod pipeline;
mod refuse;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vouchsafe_protocol::messages::ReleaseAnswer;
use vouchsafe_protocol::{DecisionId, RequestDigest, UnixTime};

use crate::attested::{Arrival, Received, Request, VmContext};
use crate::broker::Broker;
use commit::commit;
use error::Failure;
pub(crate) use refuse::{Refused, refuse_challenge};
use refuse::{RequestContext, refuse};

/// Releases the requested secrets, or refuses.
///
/// # Errors
/// [`Refused`] is on record, as far as it is worth one, before this returns.
pub(crate) async fn release(
    broker: &Arc<Broker>,
    decision: DecisionId,
    request: Received,
    digest: RequestDigest,
    arrival: Arrival,
    now: UnixTime,
) -> Result<ReleaseAnswer, Refused> {
    let mut context = RequestContext::of(decision, request.body(), now);
    let request = match Request::open(broker, decision, request, digest, arrival, now) {
        Ok(request) => request,
        Err(error) => return Err(refuse(broker, context, Failure::new(error, VmContext::Unknown))),
    };
    context.nonce = Some(request.bound().nonce());
    commit(broker, request).await.map_err(|failure| refuse(broker, context, failure))
}
