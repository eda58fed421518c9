//! All the ways in which a release can be allowed, each as the list of conditions that then hold.
//!
//! A release is allowed when one permit holds and no forbid does. Both are taken apart into alternatives
//! ("branches") of atoms with their truth: `a && b` needs both, `a || b` and `if` give alternatives, a forbid must be
//! false. What is true in every branch is true of every release. Branches that contradict themselves are dropped; when
//! there are too many branches, the policy is refused as too complex: the analysis never guesses.

use std::sync::Arc;

use cedar_policy::pst::{
    BinaryOp, Clause, Expr, Literal, PrincipalConstraint, ResourceConstraint, Template, UnaryOp,
};

use super::super::compiled::Statement;
use super::super::expression;

/// More alternatives than this are not analysed.
const MAX_BRANCHES: usize = 512;
/// More atoms in one alternative than this are not analysed.
const MAX_ATOMS: usize = 1024;

/// A condition without `&&`, `||`, `!` and `if`, and whether it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) expr: Arc<Expr>,
    pub(super) holds: bool,
}

/// Conditions that hold together.
pub(super) type Branch = Vec<Atom>;

/// There are more alternatives than the analysis takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooComplex;

type Branches = Result<Vec<Branch>, TooComplex>;

/// The ways in which `permit` allows while none of `forbids` stands in the way.
pub(super) fn allowing<'a>(permit: &Statement, forbids: impl Iterator<Item = &'a Statement>) -> Branches {
    let mut branches = permitted(&permit.template)?;
    for forbid in forbids.filter(|forbid| is_general(&forbid.template)) {
        branches = both(branches, not_forbidden(&forbid.template)?)?;
    }
    Ok(branches)
}

fn permitted(template: &Template) -> Branches {
    let clauses = template.clauses().iter().map(|clause| match clause {
        Clause::When(expr) => branches(expr, true),
        Clause::Unless(expr) => branches(expr, false),
    });
    all(clauses)
}

/// A forbid is out of the way when one of its clauses fails.
fn not_forbidden(template: &Template) -> Branches {
    // What holds up to a clause matters for the next one: `has` tests of a `when` guard the `unless`.
    let mut alternatives = Vec::new();
    let mut before = vec![Vec::new()];
    for clause in template.clauses() {
        let (expr, wanted) = match clause {
            Clause::When(expr) => (expr, true),
            Clause::Unless(expr) => (expr, false),
        };
        alternatives.extend(both(before.clone(), branches(expr, !wanted)?)?);
        before = both(before, branches(expr, wanted)?)?;
    }
    limited(alternatives)
}

/// Whether a forbid speaks of every release: one about some VMs or secrets only says nothing about the others.
fn is_general(template: &Template) -> bool {
    matches!(template.principal, PrincipalConstraint::Any | PrincipalConstraint::Is(_))
        && matches!(template.resource, ResourceConstraint::Any | ResourceConstraint::Is(_))
}

/// The ways in which `expr` evaluates to `holds`.
fn branches(expr: &Arc<Expr>, holds: bool) -> Branches {
    match expr.as_ref() {
        Expr::Literal(Literal::Bool(value)) => {
            Ok(if *value == holds { vec![Vec::new()] } else { Vec::new() })
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => branches(expr, !holds),
        Expr::BinaryOp { op: BinaryOp::NotEq, left, right } => {
            let equal = Expr::BinaryOp { op: BinaryOp::Eq, left: left.clone(), right: right.clone() };
            Ok(vec![vec![Atom { expr: Arc::new(equal), holds: !holds }]])
        }
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), .. } => {
            let parts = expression::operands(expr, *op);
            // All parts of an `&&` are true; of an `||`, false.
            if (*op == BinaryOp::And) == holds {
                return all(parts.iter().map(|part| branches(part, holds)));
            }
            one(&parts, holds)
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let then = both(branches(cond, true)?, branches(then_expr, holds)?)?;
            let otherwise = both(branches(cond, false)?, branches(else_expr, holds)?)?;
            limited([then, otherwise].concat())
        }
        _ => Ok(vec![vec![Atom { expr: expr.clone(), holds }]]),
    }
}

/// Evaluation stops at the first part that decides: those before it do not.
fn one(parts: &[Arc<Expr>], holds: bool) -> Branches {
    let mut alternatives = Vec::new();
    let mut before = vec![Vec::new()];
    for part in parts {
        alternatives.extend(both(before.clone(), branches(part, holds)?)?);
        before = both(before, branches(part, !holds)?)?;
        alternatives = limited(alternatives)?;
    }
    Ok(alternatives)
}

fn all(parts: impl Iterator<Item = Branches>) -> Branches {
    let mut together = vec![Vec::new()];
    for part in parts {
        together = both(together, part?)?;
    }
    Ok(together)
}

fn both(left: Vec<Branch>, right: Vec<Branch>) -> Branches {
    let mut together = Vec::new();
    for one in &left {
        for other in &right {
            if let Some(branch) = join(one, other)? {
                together.push(branch);
            }
        }
        together = limited(together)?;
    }
    Ok(together)
}

/// Both branches as one; `None` when they contradict each other.
fn join(one: &Branch, other: &Branch) -> Result<Option<Branch>, TooComplex> {
    let mut branch = one.clone();
    for atom in other {
        match branch.iter().find(|known| known.expr == atom.expr) {
            Some(known) if known.holds != atom.holds => return Ok(None),
            Some(_) => {}
            None if contradicts_known_attribute(&branch, atom) => return Ok(None),
            None => branch.push(atom.clone()),
        }
    }
    if branch.len() > MAX_ATOMS { Err(TooComplex) } else { Ok(Some(branch)) }
}

/// `has` tests of the same attribute that are written in different forms.
fn contradicts_known_attribute(branch: &Branch, atom: &Atom) -> bool {
    let Some(tested) = expression::tested_path(&atom.expr) else { return false };
    let Some(longest) = tested.last() else { return false };
    branch.iter().any(|known| {
        let Some(paths) = expression::tested_path(&known.expr) else { return false };
        match (known.holds, atom.holds) {
            // Everything up to `longest` is there already.
            (true, false) => paths.contains(longest),
            // Something on the way to `longest` is known to be absent.
            (false, true) => paths.len() == 1 && paths.iter().any(|path| tested.contains(path)),
            _ => false,
        }
    })
}

fn limited(branches: Vec<Branch>) -> Branches {
    if branches.len() > MAX_BRANCHES { Err(TooComplex) } else { Ok(branches) }
}
