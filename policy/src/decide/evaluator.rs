//! Evaluates the paths of one request: makes the VM, its baselines and the context visible to policies.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request};
use vouchsafe_attestation::claims::Claims;
use vouchsafe_protocol::{ObjectName, SecretPath, Suite, UnixTime};

use super::request::{DecideItem, Protocol, SecretState};
use crate::baseline::{BaselineMismatch, NamedBaseline};
use crate::compiled::{CompiledPolicy, Guardrails};
use crate::denial::{BaselineVerdict, DenialReason, UnreadableDocument};
use crate::evaluation::{Evaluation, VmEntity};
use crate::grant::GrantedRelease;
use crate::purpose::Purpose;
use crate::reads::Projection;
use crate::schema::{self, Kind};
use crate::value::{Picked, Value};
use crate::vm::{self, BootVisibility};
#[cfg(test)]
use crate::{evaluation::Verdict, rules::Rules};

/// Values that are the same for all paths of a request.
pub(crate) struct Circumstances {
    pub(crate) suite: Suite,
    pub(crate) now: UnixTime,
    pub(crate) protocol: Protocol,
}

/// Evaluates the paths of one request. The VM and its memberships are built once.
pub(crate) struct Evaluator<'a> {
    circumstances: &'a Circumstances,
    claims: &'a Claims,
    items: &'a [DecideItem],
    guardrails: &'a Guardrails,
    verdicts: BTreeMap<&'a ObjectName, Result<u32, BaselineMismatch>>,
    /// The VM as seen by policies that do not determine its firmware, and as seen by policies that do.
    vms: [OnceCell<VmEntity<'a>>; 2],
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        claims: &'a Claims,
        circumstances: &'a Circumstances,
        items: &'a [DecideItem],
        guardrails: &'a Guardrails,
    ) -> Self {
        let verdicts = verdicts(claims, items, circumstances.now);
        let vms = [OnceCell::new(), OnceCell::new()];
        Self { circumstances, claims, items, guardrails, verdicts, vms }
    }

    pub(crate) fn decide(&self, item: &DecideItem) -> Result<GrantedRelease, DenialReason> {
        let Served { version, purpose, policy, baselines } = Served::of(item)?;
        let guardrails = self.guardrails;
        let evaluation = self.evaluation(&item.path, purpose, policy, baselines);
        let own = evaluation.verdict(policy.rules());
        let guards = evaluation.verdict(guardrails.rules());
        #[cfg(test)]
        self.assert_nothing_was_left_out(
            &evaluation,
            [(&own, policy.rules()), (&guards, guardrails.rules())],
        );
        if own.allows() && guards.passes() {
            return Ok(GrantedRelease {
                path: item.path.clone(),
                version,
                purpose,
                policy: policy.name().clone(),
                policy_digest: policy.digest(),
            });
        }
        let refusal = evaluation.refusal(
            policy,
            (&own, policy.rules()),
            (&guards, guardrails.rules()),
            self.missing(policy),
        );
        Err(DenialReason::Refused(Box::new(refusal)))
    }

    pub(crate) fn evaluation(
        &self,
        path: &SecretPath,
        purpose: Purpose,
        policy: &CompiledPolicy,
        baselines: &[NamedBaseline],
    ) -> Evaluation<'_> {
        let Circumstances { suite, now, protocol } = self.circumstances;
        let context = Picked::new(Projection::All)
            .with("now", *now)
            .with("suite", Value::Member(Kind::Suite, suite.name()))
            .with("protocol", Value::Member(Kind::Protocol, protocol.name()))
            .with("purpose", Value::Member(Kind::Purpose, purpose.as_str()))
            .with_some("baseline_version", self.lowest_version(policy))
            .done();
        let projection =
            Projection::any([&policy.rules().reads.context, &self.guardrails.rules().reads.context]);
        let cedar =
            Context::from_pairs(context.picked(&projection)).expect("literals under names of their own");
        let resource = schema::uid(Kind::Secret, path.as_str());
        let request = Request::new(vm_uid(), schema::release(), resource, cedar, None)
            .expect("nothing is validated without a schema");
        Evaluation { request, vm: self.vm(self.visibility(policy, baselines)), context }
    }

    /// The boot claims of a CCEL log are only visible to a policy that determines the firmware (endorsed, or
    /// listed in one of its own baselines): whoever chose the firmware chose what it measures.
    fn visibility(&self, policy: &CompiledPolicy, baselines: &[NamedBaseline]) -> BootVisibility {
        let Some(tdx) = &self.claims.tdx else { return BootVisibility::RegistersOnly };
        let now = self.circumstances.now;
        let lists = |named: &NamedBaseline| {
            policy.baselines().contains(&named.name)
                && named.in_force().is_some_and(|baseline| baseline.knows_firmware(&tdx.mr_td, now))
        };
        if vm::is_firmware_endorsed(tdx) || baselines.iter().any(lists) {
            BootVisibility::ConfirmedBoot
        } else {
            BootVisibility::RegistersOnly
        }
    }

    fn vm(&self, visibility: BootVisibility) -> &VmEntity<'a> {
        let [registers_only, confirmed] = &self.vms;
        let cell = if visibility == BootVisibility::ConfirmedBoot { confirmed } else { registers_only };
        cell.get_or_init(|| self.build(visibility, self.projection()))
    }

    fn build(&self, visibility: BootVisibility, projection: Projection<'_>) -> VmEntity<'a> {
        let read = vm::attributes(self.claims, visibility, projection);
        let members = self.verdicts.iter().filter(|(_, verdict)| verdict.is_ok());
        let parents: HashSet<EntityUid> =
            members.map(|(name, _)| schema::uid(Kind::Baseline, name.as_str())).collect();
        let entity = Entity::new(vm_uid(), read.expressions().collect(), parents)
            .expect("claims are literals: nothing in them can fail to evaluate");
        let secrets = self.items.iter().map(|item| {
            let namespace = schema::uid(Kind::Namespace, item.path.namespace());
            Entity::new_no_attrs(schema::uid(Kind::Secret, item.path.as_str()), HashSet::from([namespace]))
        });
        let entities = secrets.chain([entity]).collect::<Vec<_>>();
        let entities = Entities::from_entities(unique(entities), None)
            .expect("each entity is there once and only the VM has parents besides a namespace");
        VmEntity::new(self.claims, visibility, entities)
    }

    /// The attributes of the VM that any policy of the request or a guardrail reads.
    fn projection(&self) -> Projection<'a> {
        let policies = self.items.iter().filter_map(|item| match &item.secret {
            SecretState::Active { policy, .. } => Some(policy.rules()),
            SecretState::Absent | SecretState::Retired | SecretState::Unreadable { .. } => None,
        });
        let rules = policies.chain([self.guardrails.rules()]);
        Projection::any(rules.map(|rules| &rules.reads.principal))
    }

    /// The lowest version among the policy's baselines that have the VM as a member (T28).
    fn lowest_version(&self, policy: &CompiledPolicy) -> Option<u32> {
        let verdicts = policy.baselines().iter().filter_map(|name| self.verdicts.get(name));
        verdicts.filter_map(|verdict| verdict.as_ref().ok()).min().copied()
    }

    pub(crate) fn missing(&self, policy: &CompiledPolicy) -> Vec<BaselineVerdict> {
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

#[cfg(test)]
impl Evaluator<'_> {
    /// Runs in every decision of the tests: with all claims and the whole context the result must be the
    /// same.
    fn assert_nothing_was_left_out(&self, evaluation: &Evaluation<'_>, asked: [(&Verdict, &Rules); 2]) {
        let context = Context::from_pairs(evaluation.context.expressions()).unwrap();
        let [principal, action, resource] =
            [evaluation.request.principal(), evaluation.request.action(), evaluation.request.resource()]
                .map(|uid| uid.unwrap().clone());
        let whole = Evaluation {
            request: Request::new(principal, action, resource, context, None).unwrap(),
            vm: &self.build(evaluation.vm.visibility, Projection::All),
            context: evaluation.context.clone(),
        };
        for (verdict, rules) in asked {
            assert_eq!(*verdict, whole.verdict(rules));
        }
    }
}

/// An active secret under a policy with its purpose.
pub(crate) struct Served<'a> {
    pub(crate) version: u64,
    pub(crate) purpose: Purpose,
    pub(crate) policy: &'a CompiledPolicy,
    pub(crate) baselines: &'a [NamedBaseline],
}

impl<'a> Served<'a> {
    pub(crate) fn of(item: &'a DecideItem) -> Result<Self, DenialReason> {
        let (version, purpose, policy, baselines) = match &item.secret {
            SecretState::Absent => return Err(DenialReason::Absent),
            SecretState::Retired => return Err(DenialReason::Retired),
            SecretState::Unreadable { document, .. } => {
                return Err(DenialReason::Unreadable(document.clone()));
            }
            SecretState::Active { version, purpose, policy, baselines } => {
                (*version, *purpose, policy, baselines)
            }
        };
        if policy.purpose() != Some(purpose) {
            return Err(DenialReason::PurposeMismatch { secret: purpose, policy: policy.purpose() });
        }
        // Not just "no member": a forbid may name a baseline, and would not apply then.
        let named = baselines.iter().filter(|named| policy.baselines().contains(&named.name));
        if let Some((name, error)) = named.filter_map(|named| Some((&named.name, named.unreadable()?))).next()
        {
            let (name, detail) = (name.clone(), error.to_string());
            let document = UnreadableDocument { document: "baseline", name, detail };
            return Err(DenialReason::Unreadable(document));
        }
        Ok(Self { version, purpose, policy, baselines })
    }
}

/// Memberships in exactly the baselines that the policies of this request name.
fn verdicts<'a>(
    claims: &Claims,
    items: &'a [DecideItem],
    now: UnixTime,
) -> BTreeMap<&'a ObjectName, Result<u32, BaselineMismatch>> {
    let mut verdicts = BTreeMap::new();
    for item in items {
        let SecretState::Active { policy, baselines, .. } = &item.secret else { continue };
        for named in baselines.iter().filter(|named| policy.baselines().contains(&named.name)) {
            if named.unreadable().is_some() {
                continue;
            }
            verdicts.entry(&named.name).or_insert_with(|| {
                let baseline = named.in_force().ok_or(BaselineMismatch::Revoked)?;
                baseline.is_member(claims, now).map(|()| baseline.version)
            });
        }
    }
    verdicts
}

/// A path that is requested twice is one entity.
fn unique(entities: Vec<Entity>) -> Vec<Entity> {
    let mut seen = HashSet::new();
    entities.into_iter().filter(|entity| seen.insert(entity.uid())).collect()
}

fn vm_uid() -> EntityUid {
    schema::uid(Kind::Vm, "guest")
}
