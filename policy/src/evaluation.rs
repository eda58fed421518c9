//! One evaluation by Cedar, and the meaning of its result.

use std::cell::OnceCell;

use cedar_policy::pst::Effect;
use cedar_policy::{
    Authorizer, Decision, Entities, EvalResult, PolicyId, Request, Response, eval_expression,
};
use vouchsafe_attestation::claims::Claims;

use super::absence;
use super::compiled::CompiledPolicy;
use super::denial::{BaselineVerdict, EvaluationFailure, FailedCondition, ReadValue, Refusal, Violation};
use super::expression::ClaimPath;
use super::reads::Projection;
use super::rules::{Condition, Rules, Statement};
use super::value::Record;
use super::vm::{self, BootVisibility};

/// One secret and everything that policies can read about the request for it.
pub(super) struct Evaluation<'a> {
    pub(super) request: Request,
    pub(super) vm: &'a VmEntity<'a>,
    pub(super) context: Record,
}

/// The VM as an entity for Cedar, and its attributes for explanations.
pub(super) struct VmEntity<'a> {
    claims: &'a Claims,
    pub(super) visibility: BootVisibility,
    /// With only the attributes that policies of the request read.
    entities: Entities,
    /// All attributes, made on first use.
    attributes: OnceCell<Record>,
}

impl<'a> VmEntity<'a> {
    pub(super) const fn new(claims: &'a Claims, visibility: BootVisibility, entities: Entities) -> Self {
        Self { claims, visibility, entities, attributes: OnceCell::new() }
    }

    /// All attributes of the VM, for an explanation.
    fn attributes(&self) -> &Record {
        self.attributes.get_or_init(|| vm::attributes(self.claims, self.visibility, Projection::All))
    }

    /// Why a claim is absent, if known.
    fn absence(&self, path: &ClaimPath) -> Option<String> {
        absence::reason(self.claims, self.visibility, path)
    }
}

/// The result of a set of rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    decision: Decision,
    reasons: Vec<String>,
    errors: Vec<(String, String)>,
}

impl Verdict {
    fn of(response: &Response) -> Self {
        let name = |id: &PolicyId| AsRef::<str>::as_ref(id).to_owned();
        let diagnostics = response.diagnostics();
        let errors = diagnostics.errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                (name(error.policy_id()), error.inner().to_string())
            }
        });
        // Cedar returns them in no particular order.
        let (mut reasons, mut errors): (Vec<_>, Vec<_>) =
            (diagnostics.reason().map(name).collect(), errors.collect());
        reasons.sort();
        errors.sort();
        Self { decision: response.decision(), reasons, errors }
    }

    /// A permit holds, no forbid does, and every evaluation succeeded.
    pub(super) fn allows(&self) -> bool {
        self.decision == Decision::Allow && self.errors.is_empty()
    }

    /// Whether Cedar names this statement as a reason.
    pub(super) fn names(&self, id: &str) -> bool {
        self.reasons.iter().any(|reason| reason == id)
    }

    /// For guardrails, which have no permits: no forbid holds, and every evaluation succeeded.
    pub(super) fn passes(&self) -> bool {
        self.reasons.is_empty() && self.errors.is_empty()
    }
}

impl Evaluation<'_> {
    pub(super) fn verdict(&self, rules: &Rules) -> Verdict {
        Verdict::of(&Authorizer::new().is_authorized(&self.request, &rules.set, &self.vm.entities))
    }

    /// All reasons for a denial.
    pub(super) fn refusal(
        &self,
        policy: &CompiledPolicy,
        own: (&Verdict, &Rules),
        guards: (&Verdict, &Rules),
        baselines: Vec<BaselineVerdict>,
    ) -> Refusal {
        let permits: Vec<&Statement> = own.1.permits().collect();
        let (missed, held): (Vec<_>, Vec<_>) = permits
            .into_iter()
            .partition(|permit| self.first_failure(permit).is_some() || !self.in_scope(permit));
        let permitted = !held.is_empty();
        let forbids = |(verdict, rules): (&Verdict, &Rules), guardrail| -> Vec<Violation> {
            let fired = verdict.reasons.iter().filter_map(|id| rules.statements.get(id));
            fired
                .filter(|statement| statement.template.effect == Effect::Forbid)
                .map(|statement| self.violation(statement, guardrail))
                .collect()
        };
        let failures = |verdict: &Verdict, guardrail| -> Vec<EvaluationFailure> {
            let failure = |(id, detail): &(String, String)| EvaluationFailure {
                guardrail,
                id: id.clone(),
                detail: detail.clone(),
            };
            verdict.errors.iter().map(failure).collect()
        };
        Refusal {
            policy: policy.name().clone(),
            policy_digest: policy.digest(),
            forbidden_by: [forbids(guards, true), forbids(own, false)].concat(),
            not_permitted_by: if permitted {
                Vec::new()
            } else {
                missed.into_iter().map(|permit| self.violation(permit, false)).collect()
            },
            permitted,
            errors: [failures(guards.0, true), failures(own.0, false)].concat(),
            baselines,
        }
    }

    fn violation(&self, statement: &Statement, guardrail: bool) -> Violation {
        Violation {
            guardrail,
            id: statement.id.clone(),
            reason: statement.reason.clone(),
            condition: self.first_failure(statement).map(|condition| self.explain(condition)),
        }
    }

    /// The first condition without its wanted value.
    fn first_failure<'s>(&self, statement: &'s Statement) -> Option<&'s Condition> {
        statement.conditions.iter().find(|condition| !self.is_met(condition))
    }

    /// Whether a condition has its wanted value; false if its evaluation fails.
    pub(super) fn is_met(&self, condition: &Condition) -> bool {
        let result = eval_expression(&self.request, &self.vm.entities, &condition.expression);
        matches!(result, Ok(EvalResult::Bool(value)) if value == condition.wanted)
    }

    /// Whether the scope of a statement, ignoring its conditions, matches the request.
    pub(super) fn in_scope(&self, statement: &Statement) -> bool {
        let answer = Authorizer::new().is_authorized(&self.request, &statement.scope, &self.vm.entities);
        // Without conditions, a statement in scope is a reason of the answer.
        answer.diagnostics().reason().next().is_some()
    }

    fn explain(&self, condition: &Condition) -> FailedCondition {
        FailedCondition {
            text: condition.text.clone(),
            wanted: condition.wanted,
            values: condition.paths.iter().map(|path| self.read(path)).collect(),
        }
    }

    pub(super) fn read(&self, path: &ClaimPath) -> ReadValue {
        let record = if path.context { &self.context } else { self.vm.attributes() };
        let absent = || match self.vm.absence(path) {
            Some(reason) => format!("absent: {reason}"),
            None => "absent".to_owned(),
        };
        let value = record.get(&path.names).map_or_else(absent, ToString::to_string);
        ReadValue { path: path.to_string(), value }
    }
}
