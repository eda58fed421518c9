//! Evaluates policies on a VM whose evidence was only inspected: an explanation, condition by condition.
//!
//! Nothing here leads to a [`super::ReleaseGrant`]: inspected claims are not bound to a request, and
//! [`super::decide()`] does not accept them.

use cedar_policy::pst::Effect;
use serde::Serialize;
use vouchsafe_attestation::claims::InspectedClaims;
use vouchsafe_protocol::{SecretPath, Suite, UnixTime};

use super::compiled::Guardrails;
use super::decide::{Circumstances, DecideItem, Evaluator, Protocol, Served};
use super::denial::{DenialReason, ReadValue};
use super::evaluation::{Evaluation, Verdict};
use super::rules::{Condition, Rules, Statement};

/// The hypothetical request.
#[derive(Debug)]
pub struct RehearseRequest {
    /// The suite of the guest's key.
    pub suite: Suite,
    /// The time.
    pub now: UnixTime,
    /// The protocol of the request.
    pub protocol: Protocol,
    /// The paths, with their state.
    pub items: Vec<DecideItem>,
}

/// The hypothetical decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// The paths in the order of the request.
    pub paths: Vec<RehearsedPath>,
}

/// The hypothetical decision on one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RehearsedPath {
    /// The path.
    pub path: SecretPath,
    /// Whether the secret would be released.
    pub release: bool,
    /// The reasons for a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<DenialReason>,
    /// Every statement of the policy, then every guardrail.
    pub statements: Vec<RehearsedStatement>,
}

/// The result of one statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RehearsedStatement {
    /// Whether it is a guardrail.
    pub guardrail: bool,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    #[serde(rename = "because", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its scope matches the request.
    pub in_scope: bool,
    /// Whether the permit or forbid holds. If its evaluation failed, it is neither, and the failure alone
    /// denies.
    pub holds: bool,
    /// Its conditions. A permit needs all of them met; a forbid does not apply as soon as one is.
    pub conditions: Vec<RehearsedCondition>,
}

/// The result of one condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RehearsedCondition {
    /// Its text.
    pub text: String,
    /// The value that it must have.
    pub wanted: bool,
    /// Whether the condition holds.
    pub met: bool,
    /// The claims that it reads, with the VM's values.
    pub values: Vec<ReadValue>,
}

/// Evaluates a decision without any effect.
#[must_use]
pub fn rehearse(claims: &InspectedClaims, request: &RehearseRequest, guardrails: &Guardrails) -> Rehearsal {
    let RehearseRequest { suite, now, protocol, items } = request;
    let circumstances = Circumstances { suite: *suite, now: *now, protocol: *protocol };
    let evaluator = Evaluator::new(&claims.claims, &circumstances, items, guardrails);
    let paths = items.iter().map(|item| rehearse_path(&evaluator, item, guardrails)).collect();
    Rehearsal { paths }
}

fn rehearse_path(evaluator: &Evaluator<'_>, item: &DecideItem, guardrails: &Guardrails) -> RehearsedPath {
    let denial = evaluator.decide(item).err();
    let statements = Served::of(item).map_or_else(
        |_| Vec::new(),
        |served| {
            let evaluation =
                evaluator.evaluation(&item.path, served.purpose, served.policy, served.baselines);
            let own = statements(&evaluation, served.policy.rules(), false);
            [own, statements(&evaluation, guardrails.rules(), true)].concat()
        },
    );
    RehearsedPath { path: item.path.clone(), release: denial.is_none(), denial, statements }
}

fn statements(evaluation: &Evaluation<'_>, rules: &Rules, guardrail: bool) -> Vec<RehearsedStatement> {
    let verdict = evaluation.verdict(rules);
    let all = rules.permits().chain(rules.forbids());
    all.map(|statement| rehearsed(evaluation, statement, &verdict, guardrail)).collect()
}

fn rehearsed(
    evaluation: &Evaluation<'_>,
    statement: &Statement,
    verdict: &Verdict,
    guardrail: bool,
) -> RehearsedStatement {
    let permits = statement.template.effect == Effect::Permit;
    let in_scope = evaluation.in_scope(statement);
    let condition = |condition: &Condition| RehearsedCondition {
        text: condition.text.clone(),
        wanted: condition.wanted,
        met: evaluation.is_met(condition),
        values: condition.paths.iter().map(|path| evaluation.read(path)).collect(),
    };
    let conditions: Vec<_> = statement.conditions.iter().map(condition).collect();
    // For a denial Cedar names the forbids that hold, but no permit.
    let all_met = in_scope && conditions.iter().all(|condition| condition.met);
    RehearsedStatement {
        guardrail,
        effect: if permits { "permit" } else { "forbid" },
        id: statement.id.clone(),
        reason: statement.reason.clone(),
        in_scope,
        holds: if permits { all_met } else { verdict.names(&statement.id) },
        conditions,
    }
}
