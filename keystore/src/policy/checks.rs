//! What a release policy must say before it may guard a secret.
//!
//! Cedar's validator catches misspelt names and types. It does not catch a policy that is well-typed and
//! opens: no owner, a guard that lets a missing claim pass, a digest in capitals. These checks look at every way in which
//! the policy can allow a release and refuse it unless each of them has the condition. They are conservative: a
//! condition in a form that is not understood does not count. Most can be acknowledged in the permit itself with
//! `@accepts("code")`.
//!
//! They do not weigh what a condition asks for: a floor of 0 is a floor.

use std::collections::BTreeSet;

use cedar_policy::pst::{ActionConstraint, Clause, Expr, Literal};
use vouchsafe_protocol::ObjectName;

use super::compiled::{CompiledPolicy, Rules, Statement, clause_expr};
use super::expression;

mod branches;
mod facts;
mod findings;
mod gaps;
mod literals;

use facts::Facts;
pub use findings::{Acceptance, CheckError, CheckFailures, Gap};

impl CompiledPolicy {
    /// Whether this policy may guard secrets, given the baselines that exist.
    ///
    /// # Errors
    /// Everything that was found.
    pub fn check(&self, baselines: &BTreeSet<ObjectName>) -> Result<(), CheckFailures> {
        let rules = self.rules();
        let mut found = Vec::new();
        if rules.permits().next().is_none() {
            found.push(CheckError::NoPermit);
        }
        for statement in rules.statements.values() {
            check_statement(statement, self.name().namespace(), baselines, &mut found);
        }
        check_purposes(rules, &mut found);
        for permit in rules.permits() {
            check_permit(permit, rules, &mut found);
        }
        if found.is_empty() { Ok(()) } else { Err(CheckFailures::new(found)) }
    }
}

/// What holds of every statement by itself.
fn check_statement(
    statement: &Statement,
    namespace: &str,
    baselines: &BTreeSet<ObjectName>,
    found: &mut Vec<CheckError>,
) {
    let id = || statement.id.clone();
    let release = |uid: &cedar_policy::pst::EntityUID| uid.to_string() == "Action::\"release\"";
    if !matches!(&statement.template.action, ActionConstraint::Eq(uid) if release(uid)) {
        found.push(CheckError::OtherAction { id: id() });
    }
    for clause in statement.template.clauses() {
        if let Some((claim, text)) = literals::malformed(clause_expr(clause)) {
            found.push(CheckError::MalformedLiteral { id: id(), claim: claim.to_string(), text });
        }
    }
    for name in &statement.baselines {
        if name.namespace() != namespace && name.namespace() != SHARED {
            found.push(CheckError::ForeignBaseline { id: id(), name: name.clone() });
        } else if !baselines.contains(name) {
            found.push(CheckError::UnknownBaseline { id: id(), name: name.clone() });
        }
    }
    for name in resources(statement) {
        // A policy of `shared` is for secrets of any namespace.
        if namespace != SHARED && name.split('/').next() != Some(namespace) {
            found.push(CheckError::ForeignResource { id: id(), name });
        }
    }
}

/// Names of the secrets and namespaces of a statement.
fn resources(statement: &Statement) -> Vec<String> {
    use cedar_policy::pst::{EntityOrSlot, ResourceConstraint};
    let resource = |uid: &cedar_policy::pst::EntityUID| {
        matches!(uid.ty.to_string().as_str(), "Secret" | "Namespace").then(|| uid.eid.to_string())
    };
    let scope = match &statement.template.resource {
        ResourceConstraint::Eq(EntityOrSlot::Entity(uid))
        | ResourceConstraint::In(EntityOrSlot::Entity(uid))
        | ResourceConstraint::IsIn(_, EntityOrSlot::Entity(uid)) => resource(uid),
        _ => None,
    };
    let expressions =
        statement.template.clauses().iter().flat_map(|clause| expression::walk(clause_expr(clause)));
    let literals = expressions.filter_map(|expr| match expr {
        Expr::Literal(Literal::EntityUID(uid)) => resource(uid),
        _ => None,
    });
    scope.into_iter().chain(literals).collect()
}

fn check_purposes(rules: &Rules, found: &mut Vec<CheckError>) {
    let first = rules.permits().find_map(|permit| permit.purpose);
    for permit in rules.permits() {
        match permit.purpose {
            None => found.push(CheckError::MissingPurpose { id: permit.id.clone() }),
            purpose if purpose != first => found.push(CheckError::MixedPurposes { id: permit.id.clone() }),
            _ => {}
        }
    }
    for forbid in rules.forbids().filter(|forbid| forbid.purpose.is_some() || !forbid.accepts.is_empty()) {
        found.push(CheckError::AnnotatedForbid { id: forbid.id.clone() });
    }
}

/// Every way in which a permit allows a release has every condition, or the permit accepts that it has not.
fn check_permit(permit: &Statement, rules: &Rules, found: &mut Vec<CheckError>) {
    let id = permit.id.clone();
    let Ok(branches) = branches::allowing(permit, rules.forbids()) else {
        found.push(CheckError::TooComplex { id });
        return;
    };
    if branches.is_empty() {
        found.push(CheckError::NeverHolds { id });
        return;
    }
    let mut gaps = Vec::new();
    if is_unconditional(permit) {
        gaps.push(Gap::Unconditional);
    }
    for branch in &branches {
        gaps.extend(gaps::of(&Facts::new(branch), permit.purpose));
    }
    let mut reported: Vec<Gap> = Vec::new();
    for gap in gaps {
        if !permit.accepts.contains(&gap.acceptance()) && !reported.contains(&gap) {
            reported.push(gap);
        }
    }
    found.extend(reported.into_iter().map(|gap| CheckError::Gap { id: id.clone(), gap }));
}

fn is_unconditional(permit: &Statement) -> bool {
    let trivial = |clause: &Clause| matches!(clause_expr(clause).as_ref(), Expr::Literal(_));
    permit.template.clauses().iter().all(trivial)
}

/// Project numbers that permits compare the owner with.
pub(super) fn project_numbers(rules: &Rules) -> BTreeSet<u64> {
    let permitted = rules.permits().filter_map(|permit| branches::allowing(permit, rules.forbids()).ok());
    let values = permitted.flatten().flat_map(|branch| {
        let facts = Facts::new(&branch);
        gaps::INSTANCES.map(|instance| facts.values(&format!("{instance}.project_number"))).concat()
    });
    values.filter_map(|number| number.parse().ok()).collect()
}

/// Objects of this namespace may be used by every other.
pub(super) const SHARED: &str = "shared";
