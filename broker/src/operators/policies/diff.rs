//! `POST /v1/policies/diff`: which recent decisions a new policy text would change. Stores nothing.
//!
//! The work is bounded: once the budget is spent, older decisions are counted but not evaluated.
//!
//! Both texts are evaluated on the evidence of each decision, at its time and without guardrails, so that
//! only the text differs. Collateral and baselines are the current ones; the guest's suite is not recorded,
//! so the default one is used.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_attestation::{InspectedClaims, VerifyInputs, inspect_evidence};
use vouchsafe_keystore::record::{DecisionFilter, LogRecord, LoggedRecord};
use vouchsafe_keystore::registry::{DocumentError, DocumentKind};
use vouchsafe_keystore::replay::ReplayPolicy;
use vouchsafe_policy::{DecideItem, Guardrails, Protocol, RehearseRequest, SecretState, rehearse};
use vouchsafe_protocol::{DecisionId, Evidence, ObjectName, ReasonCode, SecretPath, Suite, UnixTime};

use crate::api::policies::{ChangedDecision, PolicyDiff, PolicyDiffRequest};
use crate::attested::evidence::assemble;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::pool::{Lane, PoolError};
use crate::problem::HttpProblem;

/// Remaining work for one request, in bytes of policy text.
struct Budget(usize);

impl Budget {
    /// Takes the cost of verifying one decision's evidence and of evaluating `text` bytes for each of its
    /// paths. Once the budget does not suffice, it is empty.
    fn take(&mut self, paths: usize, text: usize) -> bool {
        let work = text.saturating_mul(paths).saturating_add(VERIFICATION);
        let left = self.0.checked_sub(work);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// A decided release, and its paths that the policy guards.
struct Decided {
    decision: DecisionId,
    at: UnixTime,
    instance: Option<String>,
    paths: Vec<SecretPath>,
}

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let PolicyDiffRequest { name, version, text, decisions } = body.json()?;
    let objects = principal.authorize(Act::ReadObjects, name.namespace())?;
    principal.authorize(Act::ReadRecords, name.namespace())?;
    let objects = broker.keystore.permitted(&objects);
    let old = objects.document(DocumentKind::Policy, &name, version).await?;
    let unknown = || DocumentError::Unknown { kind: DocumentKind::Policy, name: name.clone() };
    let old = old.ok_or_else(unknown)?.text;
    let old_length = old.len();
    let old = objects.replay_policy(&name, &old).await?;
    let new = objects.replay_policy(&name, &text).await?;
    let (evaluated, mut budget) = (old_length + text.len(), Budget(WORK));
    let sides = Arc::new([old, new]);
    let mut diff = PolicyDiff::default();
    let readable = principal.permits(Act::ReadRecords);
    let records = broker.keystore.permitted_lists(&readable);
    let filter = DecisionFilter { limit: Some(decisions.min(MAX_DECISIONS)), ..DecisionFilter::default() };
    let page = records.decisions(filter).await?;
    for decided in decided(&broker, &principal, &name, page.records).await? {
        if !budget.take(decided.paths.len(), evaluated) {
            diff.not_compared += 1;
            continue;
        }
        let evidence = records.evidence_of(decided.decision).await?;
        let Some(evidence) = evidence.and_then(assemble) else {
            diff.without_evidence += 1;
            continue;
        };
        let (broker, sides) = (Data::clone(&broker), Arc::clone(&sides));
        let pool = Data::clone(&broker);
        let job = move || {
            let claims = inspect_at(&broker, &evidence, decided.at)?;
            Some(compare(&claims, &decided, &sides))
        };
        match pool.pool.run(Lane::Operators, job).await.map_err(|error| unavailable(&error))? {
            Some((replayed, changed)) => {
                diff.replayed += replayed;
                diff.changed.extend(changed);
            }
            None => diff.without_evidence += 1,
        }
    }
    answer(&diff)
}

/// The releases among these records that this policy guards.
async fn decided(
    broker: &Broker,
    principal: &Principal,
    policy: &ObjectName,
    records: Vec<LoggedRecord>,
) -> Result<Vec<Decided>, HttpProblem> {
    let objects = principal.permits(Act::ReadObjects);
    let guarded = broker.keystore.permitted_lists(&objects).secrets().await?;
    let rests =
        |path: &SecretPath| guarded.iter().any(|secret| secret.path == *path && secret.policy == *policy);
    let decided = records.into_iter().filter_map(|logged| {
        let (decision, at, instance, paths): (_, _, _, Vec<_>) = match logged.record {
            LogRecord::Grant(grant) => {
                let of_policy = grant.secrets.into_iter().filter(|secret| secret.policy == *policy);
                let paths = of_policy.map(|secret| secret.path).collect();
                (grant.decision, grant.at, grant.instance, paths)
            }
            // A refusal does not record which policies were evaluated: the current policies of its paths are
            // used.
            LogRecord::Refusal(refusal) => {
                let paths = refusal.paths.into_iter().filter(rests).collect();
                (refusal.decision, refusal.at, refusal.instance, paths)
            }
            LogRecord::Operator(_) | LogRecord::Volume(_) | LogRecord::Proposal(_) => return None,
        };
        (!paths.is_empty()).then_some(Decided { decision, at, instance, paths })
    });
    Ok(decided.collect())
}

fn compare(
    claims: &InspectedClaims,
    decided: &Decided,
    sides: &[ReplayPolicy; 2],
) -> (usize, Vec<ChangedDecision>) {
    let no_guardrails = Guardrails::compile("").expect("nothing is wrong with no guardrails");
    let [before, after] = sides.each_ref().map(|side| {
        let items = decided.paths.iter().map(|path| item(path, side)).collect();
        let request = RehearseRequest { suite: Suite::XWing, now: decided.at, protocol: Protocol::V1, items };
        rehearse(claims, &request, &no_guardrails).paths
    });
    let changed = before.into_iter().zip(after).filter(|(before, after)| before.release != after.release);
    let changed = changed.map(|(before, after)| ChangedDecision {
        decision: decided.decision,
        at: decided.at,
        path: before.path,
        instance: decided.instance.clone(),
        before: before.release,
        after: after.release,
        because: before.denial.or(after.denial).map(|denial| denial.to_string()),
    });
    (decided.paths.len(), changed.collect())
}

/// The claims of the evidence, verified at the time of the decision.
fn inspect_at(broker: &Broker, evidence: &Evidence, at: UnixTime) -> Option<InspectedClaims> {
    let loaded = broker.collateral();
    let config = broker.config();
    let inputs = VerifyInputs {
        anchors: &broker.anchors,
        collateral: &loaded.collateral,
        endorsements: &loaded.endorsements,
        audiences: &config.urls,
        now: at,
        cache: &broker.cache,
    };
    inspect_evidence(evidence, &inputs).ok()
}

fn unavailable(error: &PoolError) -> HttpProblem {
    HttpProblem::for_operator(ReasonCode::Unavailable, error.to_string())
}

/// The secret, with the purpose of its policy. Its current state does not matter here.
fn item(path: &SecretPath, side: &ReplayPolicy) -> DecideItem {
    let ReplayPolicy { policy, baselines } = side;
    let secret = policy.purpose().map_or(SecretState::Retired, |purpose| SecretState::Active {
        version: 1,
        purpose,
        policy: Arc::clone(policy),
        baselines: baselines.clone(),
    });
    DecideItem { path: path.clone(), secret }
}

/// Limit of records to evaluate.
const MAX_DECISIONS: u32 = 1000;
/// Four thousand paths under two policies of 8 kB.
const WORK: usize = 64 * 1024 * 1024;
/// The cost of verifying one decision's evidence: several signatures.
const VERIFICATION: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use vouchsafe_policy::MAX_TEXT;
    use vouchsafe_protocol::limits::MAX_PATHS;

    use super::*;

    /// How many of these decisions are compared.
    fn compared(decisions: u32, paths: usize, text: usize) -> usize {
        let mut budget = Budget(WORK);
        (0..decisions).filter(|_| budget.take(paths, text)).count()
    }

    #[test]
    fn t30_a_comparison_has_a_budget() {
        // Usual requests are compared completely.
        assert_eq!(compared(MAX_DECISIONS, 1, 2 * 8 * 1024), 1000);
        // The longest texts with the most paths per request are not.
        let most = compared(MAX_DECISIONS, MAX_PATHS, 2 * MAX_TEXT);
        assert!((1..100).contains(&most), "{most}");
        assert!(most * MAX_PATHS * 2 * MAX_TEXT <= WORK);
        // Once it is spent, smaller work is refused, too.
        let mut budget = Budget(WORK);
        assert!(!budget.take(usize::MAX, MAX_TEXT));
        assert!(!budget.take(1, 1));
    }
}
