//! From verified claims and policies to a grant, or to the reasons for a denial.
//!
//! Deny by default: a release needs a permit of the secret's own policy, no forbid of it or of the
//! guardrails, and no evaluation error. Cedar skips a statement whose evaluation fails, even a forbid; here
//! any such error is a denial (T29). A request is granted for all of its paths or none.

use vouchsafe_attestation::claims::{Claims, VerifiedClaims};
use vouchsafe_protocol::{Body, BoundRequest, ReleaseBody, ReleasePaths, Suite};

use super::compiled::Guardrails;
use super::denial::{Denial, DenialReason, PathDenial};
use super::grant::{GrantContext, GrantedRelease, ReleaseGrant};
use super::volume_grant::VolumeGrant;

mod evaluator;
mod proposal;
mod request;

pub(super) use evaluator::{Circumstances, Evaluator, Served};
pub use proposal::{ProposalDenial, ProposalInput, ProposalVerdict, decide_proposal};
pub use request::{DecideItem, DecideRequest, Protocol, SecretState};

/// Decides a release.
///
/// # Errors
/// The refused paths, each with all reasons.
pub fn decide(
    claims: &VerifiedClaims,
    request: &DecideRequest<'_>,
    guardrails: &Guardrails,
) -> Result<ReleaseGrant, Denial> {
    if !is_bound(claims.bound(), request) {
        return Err(denied(request, &DenialReason::NotBound));
    }
    let suite = claims.wrap_key().suite();
    let secrets = evaluate(claims.claims(), suite, request, guardrails)?;
    let context = GrantContext {
        bound: claims.bound().clone(),
        verified_at: claims.verified_at(),
        decided_at: request.now,
        epoch: request.epoch,
        guardrails: guardrails.digest(),
        instance: claims.claims().instance().cloned(),
        chip: crate::chip::Chip::of(claims.claims()),
    };
    Ok(ReleaseGrant::new(context, secrets))
}

/// Decides an action on a volume: it is permitted exactly if the secret that opens the volume would be released, to
/// a VM whose instance is known.
///
/// # Errors
/// The reasons why the path is refused.
pub fn decide_volume(
    claims: &VerifiedClaims,
    request: &DecideRequest<'_>,
    guardrails: &Guardrails,
) -> Result<VolumeGrant, Denial> {
    let bound = claims.bound();
    let Body::Volume(action) = bound.body() else {
        return Err(denied(request, &DenialReason::NotBound));
    };
    let items: Vec<_> = request.items.iter().map(|item| &item.path).collect();
    if items != [action.path()] || bound != &rebound(bound, request, bound.body().clone()) {
        return Err(denied(request, &DenialReason::NotBound));
    }
    let released = evaluate(claims.claims(), claims.wrap_key().suite(), request, guardrails)?;
    let (Some(permitted), Some(instance)) = (released.into_iter().next(), claims.claims().instance()) else {
        return Err(denied(request, &DenialReason::NoInstance));
    };
    Ok(VolumeGrant::new(bound.clone(), action.clone(), instance.clone(), request.epoch, permitted))
}

/// The same denial of every path.
fn denied(request: &DecideRequest<'_>, reason: &DenialReason) -> Denial {
    let paths = request.items.iter().map(|item| item.path.clone());
    Denial { paths: paths.map(|path| PathDenial { path, reason: reason.clone() }).collect() }
}

/// Whether the evidence commits to this broker, to a release and to these paths; computed again here.
fn is_bound(bound: &BoundRequest, request: &DecideRequest<'_>) -> bool {
    let Body::Release(release) = bound.body() else { return false };
    let paths = request.items.iter().map(|item| item.path.clone()).collect();
    let Ok(paths) = ReleasePaths::new(paths) else { return false };
    let Ok(body) = ReleaseBody::new(paths, release.headers().clone()) else { return false };
    *bound == rebound(bound, request, Body::Release(body))
}

/// A request with this body for this broker, with the nonce and the key of `bound`.
fn rebound(bound: &BoundRequest, request: &DecideRequest<'_>, body: Body) -> BoundRequest {
    BoundRequest::new(request.broker, bound.nonce(), bound.key().clone(), body)
}

/// Evaluates every path; returns the grant or the denial.
pub(super) fn evaluate(
    claims: &Claims,
    suite: Suite,
    request: &DecideRequest<'_>,
    guardrails: &Guardrails,
) -> Result<Vec<GrantedRelease>, Denial> {
    let circumstances = Circumstances { suite, now: request.now, protocol: request.protocol };
    let evaluator = Evaluator::new(claims, &circumstances, &request.items, guardrails);
    let (mut granted, mut denied) = (Vec::new(), Vec::new());
    for item in &request.items {
        match evaluator.decide(item) {
            Ok(release) => granted.push(release),
            Err(reason) => denied.push(PathDenial { path: item.path.clone(), reason }),
        }
    }
    if denied.is_empty() { Ok(granted) } else { Err(Denial { paths: denied }) }
}
