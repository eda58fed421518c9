//! From verified claims and policies to a grant, or to the reasons why not.
//!
//! Deny by default: a release needs a permit of the secret's own policy, no forbid of it or of the
//! guardrails, and not a single evaluation that failed. Cedar skips a statement whose evaluation errs, also a forbid;
//! here any such error is a no (T29). All paths of a request, or none.

use std::sync::Arc;

use vouchsafe_attestation::claims::{Claims, VerifiedClaims};
use vouchsafe_protocol::{
    Body, BoundRequest, BrokerIdentity, ObjectName, ReleasePaths, SecretPath, Suite, UnixTime,
};

use super::baseline::Baseline;
use super::compiled::{CompiledPolicy, Guardrails};
use super::denial::{Denial, DenialReason, PathDenial};
use super::grant::{GrantContext, GrantedRelease, ReleaseGrant};
use super::purpose::Purpose;
pub(super) use evaluator::{Circumstances, Evaluator, Served, VmEntity};

mod evaluator;

/// What is asked for, as the keystore has it in one epoch.
#[derive(Debug)]
pub struct DecideRequest<'a> {
    /// This broker: the evidence must be bound to it and to exactly these paths.
    pub broker: &'a BrokerIdentity,
    /// The epoch that `items` were read in.
    pub epoch: u64,
    /// The time.
    pub now: UnixTime,
    /// How the request came.
    pub protocol: Protocol,
    /// One item a path, in the order of the request.
    pub items: Vec<DecideItem>,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Our own.
    V1,
    /// The KBS protocol.
    Kbs,
}

/// One path of a request and what the keystore has there.
#[derive(Clone, Debug)]
pub struct DecideItem {
    /// The path.
    pub path: SecretPath,
    /// What is there.
    pub secret: SecretState,
}

/// What the keystore has at a path.
#[derive(Clone, Debug)]
pub enum SecretState {
    /// Nothing, or something destroyed.
    Absent,
    /// A secret that is refused for now.
    Retired,
    /// A secret that is served.
    Active {
        /// The version to serve.
        version: u64,
        /// What it is for.
        purpose: Purpose,
        /// Its policy.
        policy: Arc<CompiledPolicy>,
        /// The baselines that the policy names, as far as they exist.
        baselines: Vec<NamedBaseline>,
    },
}

/// A baseline of the keystore.
#[derive(Clone, Debug)]
pub struct NamedBaseline {
    /// Its name.
    pub name: ObjectName,
    /// Whether it was revoked.
    pub revoked: bool,
    /// What it allows.
    pub baseline: Arc<Baseline>,
}

/// Decides a release.
///
/// # Errors
/// The refused paths, each with everything that stands in the way.
pub fn decide(
    claims: &VerifiedClaims,
    request: &DecideRequest<'_>,
    guardrails: &Guardrails,
) -> Result<ReleaseGrant, Denial> {
    if !is_bound(claims.bound(), request) {
        let paths = request.items.iter().map(|item| item.path.clone());
        let denied = paths.map(|path| PathDenial { path, reason: DenialReason::NotBound });
        return Err(Denial { paths: denied.collect() });
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

/// The evidence commits to this broker, this action and these paths: computed again, not believed.
fn is_bound(bound: &BoundRequest, request: &DecideRequest<'_>) -> bool {
    let paths = request.items.iter().map(|item| item.path.clone()).collect();
    let Ok(paths) = ReleasePaths::new(paths) else { return false };
    *bound == BoundRequest::new(request.broker, bound.nonce(), bound.key().clone(), Body::Release(paths))
}

/// Decides every path; gives what was granted, or what was denied.
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

impl Protocol {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Kbs => "kbs",
        }
    }
}
