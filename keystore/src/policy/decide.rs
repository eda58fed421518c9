//! From verified claims and policies to a grant, or to the reasons why not.
//!
//! Deny by default: a release needs a permit of the secret's own policy, no forbid of it or of the
//! guardrails, and not a single evaluation that failed. Cedar skips a statement whose evaluation errs, also a forbid;
//! here any such error is a no (T29). All paths of a request, or none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request};
use vouchsafe_attestation::claims::{Claims, VerifiedClaims};
use vouchsafe_protocol::{
    Action, Bound, BrokerIdentity, ObjectName, ReleasePaths, SecretPath, Suite, UnixTime,
};

use super::baseline::{Baseline, BaselineMismatch};
use super::compiled::{CompiledPolicy, Guardrails};
use super::denial::{BaselineVerdict, Denial, DenialReason, PathDenial};
use super::grant::{GrantContext, GrantedRelease, ReleaseGrant};
use super::purpose::Purpose;
use super::question::Question;
use super::schema::{self, Kind};
use super::value::{Record, Value};
use super::vm;

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
    };
    Ok(ReleaseGrant::new(context, secrets))
}

/// The evidence commits to this broker, this action and these paths: computed again, not believed.
fn is_bound(bound: &Bound, request: &DecideRequest<'_>) -> bool {
    let paths = request.items.iter().map(|item| item.path.clone()).collect();
    let Ok(paths) = ReleasePaths::new(paths) else { return false };
    bound.action() == Action::Release
        && *bound == Bound::release(request.broker, bound.nonce(), bound.key().clone(), &paths)
}

/// Decides every path; gives what was granted, or what was denied.
pub(super) fn evaluate(
    claims: &Claims,
    suite: Suite,
    request: &DecideRequest<'_>,
    guardrails: &Guardrails,
) -> Result<Vec<GrantedRelease>, Denial> {
    let scene = Scene::new(claims, suite, request);
    let (mut granted, mut denied) = (Vec::new(), Vec::new());
    for item in &request.items {
        match scene.decide(item, guardrails) {
            Ok(release) => granted.push(release),
            Err(reason) => denied.push(PathDenial { path: item.path.clone(), reason }),
        }
    }
    if denied.is_empty() { Ok(granted) } else { Err(Denial { paths: denied }) }
}

/// The VM and the memberships, built once a request.
struct Scene<'a> {
    suite: Suite,
    now: UnixTime,
    protocol: Protocol,
    vm: EntityUid,
    attributes: Record,
    entities: Entities,
    verdicts: BTreeMap<&'a ObjectName, Result<u32, BaselineMismatch>>,
}

impl<'a> Scene<'a> {
    fn new(claims: &Claims, suite: Suite, request: &'a DecideRequest<'_>) -> Self {
        let verdicts = verdicts(claims, request);
        let attributes = vm::attributes(claims);
        let vm = schema::uid(Kind::Vm, "guest");
        let members = verdicts.iter().filter(|(_, verdict)| verdict.is_ok());
        let parents: HashSet<EntityUid> =
            members.map(|(name, _)| schema::uid(Kind::Baseline, name.as_str())).collect();
        let entity = Entity::new(vm.clone(), attributes.expressions().collect(), parents)
            .expect("claims are literals: nothing in them can fail to evaluate");
        let secrets = request.items.iter().map(|item| {
            let namespace = schema::uid(Kind::Namespace, item.path.namespace());
            Entity::new_no_attrs(schema::uid(Kind::Secret, item.path.as_str()), HashSet::from([namespace]))
        });
        let entities = secrets.chain([entity]).collect::<Vec<_>>();
        Self {
            suite,
            now: request.now,
            protocol: request.protocol,
            vm,
            attributes,
            entities: Entities::from_entities(unique(entities), None)
                .expect("each entity is there once and only the VM has parents besides a namespace"),
            verdicts,
        }
    }

    fn decide(&self, item: &DecideItem, guardrails: &Guardrails) -> Result<GrantedRelease, DenialReason> {
        let (version, purpose, policy) = match &item.secret {
            SecretState::Absent => return Err(DenialReason::Absent),
            SecretState::Retired => return Err(DenialReason::Retired),
            SecretState::Active { version, purpose, policy, .. } => (*version, *purpose, policy),
        };
        if policy.purpose() != Some(purpose) {
            return Err(DenialReason::PurposeMismatch { secret: purpose, policy: policy.purpose() });
        }
        let question = self.question(item, purpose, policy);
        let own = question.ask(policy.rules());
        let guards = question.ask(guardrails.rules());
        if own.allows() && guards.passes() {
            return Ok(GrantedRelease {
                path: item.path.clone(),
                version,
                purpose,
                policy: policy.name().clone(),
                policy_digest: policy.digest(),
            });
        }
        let refusal = question.refusal(
            policy,
            (&own, policy.rules()),
            (&guards, guardrails.rules()),
            self.missing(policy),
        );
        Err(DenialReason::Refused(Box::new(refusal)))
    }

    fn question(&self, item: &DecideItem, purpose: Purpose, policy: &CompiledPolicy) -> Question<'_> {
        let seconds = i64::try_from(self.now.0).unwrap_or(i64::MAX).min(LAST_SECOND);
        let context = Record::default()
            .with("now", Value::Time(seconds))
            .with("suite", Value::Member(Kind::Suite, self.suite.name()))
            .with("protocol", Value::Member(Kind::Protocol, self.protocol.name()))
            .with("purpose", Value::Member(Kind::Purpose, purpose.as_str()))
            .with_some("baseline_version", self.lowest_version(policy));
        let cedar = Context::from_pairs(context.expressions()).expect("literals under names of their own");
        let resource = schema::uid(Kind::Secret, item.path.as_str());
        let request = Request::new(self.vm.clone(), schema::release(), resource, cedar, None)
            .expect("nothing is validated without a schema");
        Question { request, entities: &self.entities, attributes: &self.attributes, context }
    }

    /// The lowest version of the policy's baselines that have the VM as a member (T28).
    fn lowest_version(&self, policy: &CompiledPolicy) -> Option<u32> {
        let verdicts = policy.baselines().iter().filter_map(|name| self.verdicts.get(name));
        verdicts.filter_map(|verdict| verdict.as_ref().ok()).min().copied()
    }

    fn missing(&self, policy: &CompiledPolicy) -> Vec<BaselineVerdict> {
        let verdict = |name: &ObjectName| match self.verdicts.get(name) {
            Some(Ok(_)) => None,
            Some(Err(mismatch)) => {
                Some(BaselineVerdict { name: name.clone(), mismatch: Some(mismatch.clone()) })
            }
            None => Some(BaselineVerdict { name: name.clone(), mismatch: None }),
        };
        policy.baselines().iter().filter_map(verdict).collect()
    }
}

/// Memberships in the baselines that the policies of this request name, and in no other.
fn verdicts<'a>(
    claims: &Claims,
    request: &'a DecideRequest<'_>,
) -> BTreeMap<&'a ObjectName, Result<u32, BaselineMismatch>> {
    let mut verdicts = BTreeMap::new();
    for item in &request.items {
        let SecretState::Active { policy, baselines, .. } = &item.secret else { continue };
        for named in baselines.iter().filter(|named| policy.baselines().contains(&named.name)) {
            verdicts.entry(&named.name).or_insert_with(|| {
                if named.revoked {
                    return Err(BaselineMismatch::Revoked);
                }
                named.baseline.is_member(claims, request.now).map(|()| named.baseline.version)
            });
        }
    }
    verdicts
}

/// A path that is asked for twice is one entity.
fn unique(entities: Vec<Entity>) -> Vec<Entity> {
    let mut seen = HashSet::new();
    entities.into_iter().filter(|entity| seen.insert(entity.uid())).collect()
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Kbs => "kbs",
        }
    }
}

/// 9999-12-31T23:59:59Z: times beyond have no form that Cedar reads.
const LAST_SECOND: i64 = 253_402_300_799;
