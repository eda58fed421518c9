//! A release, an action on a volume or a proposal for a baseline, from the request to the signed answer.
//!
//! [`release`] opens the request, [`commit`](commit::commit) has it verified, prepared and recorded, and
//! [`prepare`](pipeline::prepare) turns verified evidence into an answer. Types carry the argument: secrets
//! are unsealed under a grant, a grant comes from verified claims, the key that secrets are wrapped to comes
//! from those claims, and the answer is sent only after the grant is recorded with its nonce spent. For an action on
//! a volume a type of its own takes the place of the grant.

mod commit;
mod decision;
mod error;
mod pipeline;
mod proposal;
mod refuse;
#[cfg(test)]
mod tests;
mod volume;

use std::sync::Arc;

use vouchsafe_protocol::messages::{ProposalAnswer, ReleaseAnswer, VolumeAnswer};

use crate::attested::{Incoming, Request, Verified, VmContext, instance_name};
use crate::broker::Broker;
use commit::{Action, commit};
use error::Failure;
use pipeline::Release;
use proposal::Proposal;
pub(crate) use refuse::{Refused, Stranger, log_stranger, refuse_challenge};
use refuse::{RequestContext, refuse};
use volume::Volume;

/// Releases the requested secrets, or refuses.
///
/// # Errors
/// [`Refused`] is on record, as far as it is worth one, before this returns.
pub(crate) async fn release(
    broker: &Arc<Broker>,
    request: Incoming,
) -> Result<Answered<ReleaseAnswer>, Refused> {
    let (verified, answer) = carry_out::<Release>(broker, request).await?;
    Ok(Answered::new(&verified, answer))
}

/// Registers or announces the header of a volume, or refuses.
///
/// # Errors
/// As for a release.
pub(crate) async fn change_volume(
    broker: &Arc<Broker>,
    request: Incoming,
) -> Result<Answered<VolumeAnswer>, Refused> {
    let (decision, digest) = (request.decision, request.digest);
    let (verified, state) = carry_out::<Volume>(broker, request).await?;
    let transcript = verified.claims().bound().transcript();
    let answer = VolumeAnswer::sign(&verified.session().identity, &transcript, &digest, decision, state);
    Ok(Answered::new(&verified, answer))
}

/// Takes a proposal for a baseline in, or refuses.
///
/// # Errors
/// As for a release.
pub(crate) async fn propose_baseline(
    broker: &Arc<Broker>,
    request: Incoming,
) -> Result<Answered<ProposalAnswer>, Refused> {
    let (decision, digest) = (request.decision, request.digest);
    let (verified, state) = carry_out::<Proposal>(broker, request).await?;
    let transcript = verified.claims().bound().transcript();
    let answer = ProposalAnswer::sign(&verified.session().identity, &transcript, &digest, decision, state);
    Ok(Answered::new(&verified, answer))
}

/// An answer, and the instance that gets it.
#[derive(Debug)]
pub(crate) struct Answered<A> {
    pub(crate) answer: A,
    /// `None` where the evidence names none.
    pub(crate) instance: Option<String>,
}

impl<A> Answered<A> {
    fn new(verified: &Verified, answer: A) -> Self {
        Self { answer, instance: verified.instance().map(instance_name) }
    }
}

async fn carry_out<A: Action>(
    broker: &Arc<Broker>,
    request: Incoming,
) -> Result<(Verified, A::Done), Refused> {
    let mut context = RequestContext::of(&request);
    let request = match Request::open(broker, request) {
        Ok(request) => request,
        Err(error) => return Err(refuse(broker, context, Failure::new(error, VmContext::Unknown))),
    };
    context.challenge = Some(request.accepted());
    commit::<A>(broker, request).await.map_err(|failure| refuse(broker, context, failure))
}
