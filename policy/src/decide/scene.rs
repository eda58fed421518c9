//! What policies see of one request: the VM, its memberships, the context.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request};
use vouchsafe_attestation::claims::Claims;
use vouchsafe_protocol::{ObjectName, SecretPath, Suite, UnixTime};

use super::{DecideItem, NamedBaseline, Protocol, SecretState};
use crate::absence;
use crate::baseline::BaselineMismatch;
use crate::compiled::{CompiledPolicy, Guardrails};
use crate::denial::{BaselineVerdict, DenialReason};
use crate::expression::ClaimPath;
use crate::grant::GrantedRelease;
use crate::purpose::Purpose;
use crate::question::Question;
use crate::reads::Wanted;
use crate::schema::{self, Kind};
use crate::value::{Picked, Record, Value};
use crate::vm::{self, Shown};
#[cfg(test)]
use crate::{compiled::Rules, question::Verdict};

/// What holds for all paths of a request.
pub(crate) struct Circumstances {
    pub(crate) suite: Suite,
    pub(crate) now: UnixTime,
    pub(crate) protocol: Protocol,
}

/// The VM and the memberships, built once a request.
pub(crate) struct Scene<'a> {
    circumstances: &'a Circumstances,
    claims: &'a Claims,
    items: &'a [DecideItem],
    guardrails: &'a Guardrails,
    verdicts: BTreeMap<&'a ObjectName, Result<u32, BaselineMismatch>>,
    /// The VM as those policies see it that do not know its firmware, and as those do that know it.
    views: [OnceCell<View<'a>>; 2],
}

/// The VM, as Cedar reads it and as an explanation quotes it.
pub(crate) struct View<'a> {
    claims: &'a Claims,
    shown: Shown,
    /// With the attributes that somebody reads.
    entities: Entities,
    /// All attributes, once they are asked for.
    attributes: OnceCell<Record>,
}

impl View<'_> {
    pub(crate) const fn entities(&self) -> &Entities {
        &self.entities
    }

    /// All attributes of the VM, for an explanation.
    pub(crate) fn attributes(&self) -> &Record {
        self.attributes.get_or_init(|| vm::attributes(self.claims, self.shown, Wanted::All))
    }

    /// Why a claim is absent, as far as that is known.
    pub(crate) fn absence(&self, path: &ClaimPath) -> Option<String> {
        absence::reason(self.claims, self.shown, path)
    }
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        claims: &'a Claims,
        circumstances: &'a Circumstances,
        items: &'a [DecideItem],
        guardrails: &'a Guardrails,
    ) -> Self {
        let verdicts = verdicts(claims, items, circumstances.now);
        let views = [OnceCell::new(), OnceCell::new()];
        Self { circumstances, claims, items, guardrails, verdicts, views }
    }

    pub(crate) fn decide(&self, item: &DecideItem) -> Result<GrantedRelease, DenialReason> {
        let Served { version, purpose, policy, baselines } = Served::of(item)?;
        let guardrails = self.guardrails;
        let question = self.question(&item.path, purpose, policy, baselines);
        let own = question.ask(policy.rules());
        let guards = question.ask(guardrails.rules());
        #[cfg(test)]
        self.assert_nothing_was_left_out(&question, [(&own, policy.rules()), (&guards, guardrails.rules())]);
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

    pub(crate) fn question(
        &self,
        path: &SecretPath,
        purpose: Purpose,
        policy: &CompiledPolicy,
        baselines: &[NamedBaseline],
    ) -> Question<'_> {
        let Circumstances { suite, now, protocol } = self.circumstances;
        let context = Picked::new(Wanted::All)
            .with("now", *now)
            .with("suite", Value::Member(Kind::Suite, suite.name()))
            .with("protocol", Value::Member(Kind::Protocol, protocol.name()))
            .with("purpose", Value::Member(Kind::Purpose, purpose.as_str()))
            .with_some("baseline_version", self.lowest_version(policy))
            .done();
        let wanted = Wanted::any([&policy.rules().reads.context, &self.guardrails.rules().reads.context]);
        let cedar = Context::from_pairs(context.picked(&wanted)).expect("literals under names of their own");
        let resource = schema::uid(Kind::Secret, path.as_str());
        let request = Request::new(vm_uid(), schema::release(), resource, cedar, None)
            .expect("nothing is validated without a schema");
        Question { request, view: self.view(self.shown(policy, baselines)), context }
    }

    /// The boot claims of a CCEL log are shown to a policy that knows the firmware: one that is endorsed, or that
    /// one of its own baselines lists. Whoever chose the firmware chose what it measures.
    fn shown(&self, policy: &CompiledPolicy, baselines: &[NamedBaseline]) -> Shown {
        let Some(tdx) = &self.claims.tdx else { return Shown::RegistersOnly };
        let now = self.circumstances.now;
        let lists = |named: &NamedBaseline| {
            policy.baselines().contains(&named.name)
                && !named.revoked
                && named.baseline.knows_firmware(&tdx.mr_td, now)
        };
        if vm::is_firmware_endorsed(tdx) || baselines.iter().any(lists) {
            Shown::ConfirmedBoot
        } else {
            Shown::RegistersOnly
        }
    }

    fn view(&self, shown: Shown) -> &View<'a> {
        let [registers_only, confirmed] = &self.views;
        let cell = if shown == Shown::ConfirmedBoot { confirmed } else { registers_only };
        cell.get_or_init(|| self.build(shown, self.wanted()))
    }

    fn build(&self, shown: Shown, wanted: Wanted<'_>) -> View<'a> {
        let read = vm::attributes(self.claims, shown, wanted);
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
        View { claims: self.claims, shown, entities, attributes: OnceCell::new() }
    }

    /// The attributes of the VM that any policy of the request or a guardrail reads.
    fn wanted(&self) -> Wanted<'a> {
        let policies = self.items.iter().filter_map(|item| match &item.secret {
            SecretState::Active { policy, .. } => Some(policy.rules()),
            SecretState::Absent | SecretState::Retired => None,
        });
        let rules = policies.chain([self.guardrails.rules()]);
        Wanted::any(rules.map(|rules| &rules.reads.principal))
    }

    /// The lowest version of the policy's baselines that have the VM as a member (T28).
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
impl Scene<'_> {
    /// In every decision of the tests: all claims and the whole context lead to the same answers.
    fn assert_nothing_was_left_out(&self, question: &Question<'_>, asked: [(&Verdict, &Rules); 2]) {
        let context = Context::from_pairs(question.context.expressions()).unwrap();
        let [principal, action, resource] =
            [question.request.principal(), question.request.action(), question.request.resource()]
                .map(|uid| uid.unwrap().clone());
        let whole = Question {
            request: Request::new(principal, action, resource, context, None).unwrap(),
            view: &self.build(question.view.shown, Wanted::All),
            context: question.context.clone(),
        };
        for (verdict, rules) in asked {
            assert_eq!(*verdict, whole.ask(rules));
        }
    }
}

/// A secret that is served under a policy for its purpose.
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
            SecretState::Active { version, purpose, policy, baselines } => {
                (*version, *purpose, policy, baselines)
            }
        };
        if policy.purpose() != Some(purpose) {
            return Err(DenialReason::PurposeMismatch { secret: purpose, policy: policy.purpose() });
        }
        Ok(Self { version, purpose, policy, baselines })
    }
}

/// Memberships in the baselines that the policies of this request name, and in no other.
fn verdicts<'a>(
    claims: &Claims,
    items: &'a [DecideItem],
    now: UnixTime,
) -> BTreeMap<&'a ObjectName, Result<u32, BaselineMismatch>> {
    let mut verdicts = BTreeMap::new();
    for item in items {
        let SecretState::Active { policy, baselines, .. } = &item.secret else { continue };
        for named in baselines.iter().filter(|named| policy.baselines().contains(&named.name)) {
            verdicts.entry(&named.name).or_insert_with(|| {
                if named.revoked {
                    return Err(BaselineMismatch::Revoked);
                }
                named.baseline.is_member(claims, now).map(|()| named.baseline.version)
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

fn vm_uid() -> EntityUid {
    schema::uid(Kind::Vm, "guest")
}
