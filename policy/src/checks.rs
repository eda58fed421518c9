//! The conditions that a release policy must have before it may guard a secret.
//!
//! Cedar's validator catches misspelt names and types. It does not catch a policy that is well-typed but too
//! permissive: no owner, a guard that a missing claim passes, a digest in capitals. These checks examine
//! every way in which the policy can allow a release, and reject it unless each of them has the required
//! conditions. They are conservative: a condition in an unknown form does not count. Most findings can be
//! acknowledged in the permit itself with `@accepts("code")`.
//!
//! Guaranteed: adding a `forbid` never adds a finding, except about its own form; `a || b` is accepted
//! exactly if `a` and `b` each are. The work is bounded ([`steps`]) and done once, when the policy is
//! compiled, except for what depends on baselines.
//!
//! They do not evaluate how strict a condition is: a minimum of 0 counts as a minimum.

use std::collections::BTreeSet;

use cedar_policy::pst::{ActionConstraint, Expr, Literal};
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::compiled::CompiledPolicy;
use super::expression::{self, clause_expr};
use super::rules::{Rules, Statement};

pub(super) mod analysis;
mod atoms;
mod branches;
mod chain;
mod facts;
mod findings;
mod gap;
mod gaps;
mod known;
mod literals;
mod shell;
mod steps;

pub use chain::ChainPart;
pub use findings::{CheckError, CheckFailures};
pub use gap::{Gap, Note};
pub use known::KnownBaselines;
pub(super) use literals::malformed;
#[cfg(test)]
pub(super) use steps::PER_STATEMENT;
pub(super) use steps::{PER_CHECK, Steps};

impl CompiledPolicy {
    /// Whether this policy may guard secrets at `now`, given the existing baselines; returns notes if it may.
    ///
    /// # Errors
    /// All findings.
    pub fn check(&self, baselines: &KnownBaselines, now: UnixTime) -> Result<Vec<Note>, CheckFailures> {
        let rules = self.rules();
        let mut found = Vec::new();
        if rules.permits().next().is_none() {
            found.push(CheckError::NoPermit);
        }
        for statement in rules.statements.values() {
            check_statement(statement, self.name().namespace(), &mut found);
            check_baselines(statement, self.name().namespace(), (baselines, now), &mut found);
        }
        check_purposes(rules, &mut found);
        let mut notes = self.analysis().check(rules, baselines, &mut Steps::new(PER_CHECK), &mut found);
        let named: BTreeSet<_> = rules.permits().flat_map(|permit| &permit.baselines).collect();
        let expiring = named.into_iter().filter_map(|name| {
            baselines.next_expiry(name, now).map(|until| Note::ExpiringEntries { name: name.clone(), until })
        });
        notes.extend(expiring);
        if found.is_empty() { Ok(notes) } else { Err(CheckFailures::new(found)) }
    }

    /// The baselines that it names and may use: those of its namespace and of `shared`. Only these are read.
    #[must_use]
    pub fn usable_baselines(&self) -> BTreeSet<ObjectName> {
        let usable = |name: &&ObjectName| !is_foreign(name, self.name().namespace());
        self.baselines().iter().filter(usable).cloned().collect()
    }

    /// Checks that it names no baseline that it may not use, whether or not that exists.
    ///
    /// # Errors
    /// Every named baseline outside of the policy's namespace and `shared`.
    pub fn check_reach(&self) -> Result<(), CheckFailures> {
        let namespace = self.name().namespace();
        let foreign = self.rules().statements.values().flat_map(|statement| {
            let foreign = statement.baselines.iter().filter(|name| is_foreign(name, namespace));
            foreign.map(|name| CheckError::ForeignBaseline { id: statement.id.clone(), name: name.clone() })
        });
        let found: Vec<_> = foreign.collect();
        if found.is_empty() { Ok(()) } else { Err(CheckFailures::new(found)) }
    }
}

/// Checks each statement alone.
fn check_statement(statement: &Statement, namespace: &str, found: &mut Vec<CheckError>) {
    let id = || statement.id.clone();
    let release = |uid: &cedar_policy::pst::EntityUID| uid.to_string() == "Action::\"release\"";
    if !matches!(&statement.template.action, ActionConstraint::Eq(uid) if release(uid)) {
        found.push(CheckError::OtherAction { id: id() });
    }
    for clause in statement.template.clauses() {
        if let Some((claim, text)) = malformed(clause_expr(clause)) {
            found.push(CheckError::MalformedLiteral { id: id(), claim: claim.to_string(), text });
        }
    }
    for name in resources(statement) {
        // A policy in `shared` is for secrets of any namespace.
        if namespace != SHARED && name.split('/').next() != Some(namespace) {
            found.push(CheckError::ForeignResource { id: id(), name });
        }
    }
}

/// Whether a baseline may not be used by policies of a namespace.
fn is_foreign(baseline: &ObjectName, namespace: &str) -> bool {
    baseline.namespace() != namespace && baseline.namespace() != SHARED
}

/// Checks that the baselines in a statement exist, may be used and can be read, and that those in a permit can
/// still have members.
fn check_baselines(
    statement: &Statement,
    namespace: &str,
    (baselines, now): (&KnownBaselines, UnixTime),
    found: &mut Vec<CheckError>,
) {
    let id = || statement.id.clone();
    let permits = statement.template.effect == cedar_policy::pst::Effect::Permit;
    for name in &statement.baselines {
        let name = name.clone();
        if is_foreign(&name, namespace) {
            found.push(CheckError::ForeignBaseline { id: id(), name });
        } else if !baselines.contains(&name) {
            found.push(CheckError::UnknownBaseline { id: id(), name });
        } else if let Some(error) = baselines.unreadable(&name) {
            let error = Box::new(error.clone());
            found.push(CheckError::UnreadableBaseline { id: id(), name, error });
        } else if permits && baselines.is_revoked(&name) {
            found.push(CheckError::RevokedBaseline { id: id(), name });
        } else if permits && let Some(ends_at) = baselines.ended(&name, now) {
            found.push(CheckError::EndedBaseline { id: id(), name, ends_at });
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

/// Rank of a gap by how much of the boot it leaves open; `None` for other gaps.
#[cfg(test)]
pub(super) const fn boot_rank(gap: &Gap) -> Option<u8> {
    gap.boot_rank()
}

/// Objects of this namespace may be used by every other.
pub(super) const SHARED: &str = "shared";
