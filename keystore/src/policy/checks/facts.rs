//! What a condition says about a claim.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};

use super::super::expression::{self, ClaimPath};
use super::branches::{Atom, Branch};

/// What one branch says.
pub(super) struct Facts<'a>(&'a Branch);

impl<'a> Facts<'a> {
    pub(super) const fn new(branch: &'a Branch) -> Self {
        Self(branch)
    }

    /// Whether the branch is about a claim at all: reads it, or something below it.
    pub(super) fn reads(&self, path: &str) -> bool {
        let below = format!("{path}.");
        let about = |claim: &ClaimPath| {
            !claim.context && (claim.dotted() == path || claim.dotted().starts_with(&below))
        };
        self.0.iter().any(|atom| !is_absence(atom) && expression::paths(&atom.expr).iter().any(about))
    }

    /// Whether the evidence `name` is there.
    pub(super) fn has(&self, name: &str) -> bool {
        let tests = |atom: &Atom| {
            let paths = expression::tested_path(&atom.expr).unwrap_or_default();
            atom.holds && paths.iter().any(|path| !path.context && path.dotted() == name)
        };
        self.0.iter().any(tests)
    }

    /// A claim that this branch lets be absent. A `has` test inside of a comparison or a call may let it be either way.
    pub(super) fn absent(&self) -> Option<String> {
        self.0.iter().find_map(|atom| {
            let direct = matches!(atom.expr.as_ref(), Expr::HasAttr { .. });
            let mut tests = expression::walk(&atom.expr).filter(|expr| matches!(expr, Expr::HasAttr { .. }));
            let test = tests.next().filter(|_| !(direct && atom.holds))?;
            let path = expression::tested_path(test).and_then(|mut paths| paths.pop());
            Some(path.map_or_else(|| test.to_string(), |path| path.to_string()))
        })
    }

    /// The claim equals one of a list of literals.
    pub(super) fn equals(&self, path: &str) -> bool {
        !self.values(path).is_empty()
    }

    /// The literals that the claim is restricted to by the first condition that does so.
    pub(super) fn values(&self, path: &str) -> Vec<String> {
        let found = self.0.iter().filter(|atom| atom.holds).find_map(|atom| allowed(&atom.expr, path));
        found.unwrap_or_default()
    }

    /// The claim, a flag, is `value`.
    pub(super) fn flag(&self, path: &str, value: bool) -> bool {
        self.0.iter().any(|atom| {
            let direct = is_path(&atom.expr, path) && atom.holds == value;
            let compared = compared(&atom.expr, BinaryOp::Eq, path).is_some_and(|literal| {
                matches!(literal.as_ref(), Expr::Literal(Literal::Bool(other)) if (*other == value) == atom.holds)
            });
            direct || compared
        })
    }

    /// The number has a lower bound, or is one number.
    pub(super) fn floor(&self, path: &str) -> bool {
        self.0.iter().any(|atom| {
            let Expr::BinaryOp { op, left, right } = atom.expr.as_ref() else { return false };
            let (claim, bound, op) = match (is_path(left, path), is_path(right, path)) {
                (true, false) => (true, right, *op),
                (false, true) => (true, left, mirrored(*op)),
                _ => (false, right, *op),
            };
            let upward = matches!(
                (op, atom.holds),
                (BinaryOp::Greater | BinaryOp::GreaterEq | BinaryOp::Eq, true)
                    | (BinaryOp::Less | BinaryOp::LessEq, false)
            );
            claim && upward && is_number(bound)
        })
    }

    /// Members that the set is known to have.
    pub(super) fn members(&self, path: &str) -> Vec<String> {
        let held = self.0.iter().filter(|atom| atom.holds);
        held.flat_map(|atom| match atom.expr.as_ref() {
            Expr::BinaryOp { op: BinaryOp::Contains | BinaryOp::ContainsAll, left, right }
                if is_path(left, path) =>
            {
                literals(right).unwrap_or_default()
            }
            Expr::BinaryOp { op: BinaryOp::Eq, left, right } if is_path(left, path) => {
                literals(right).unwrap_or_default()
            }
            Expr::BinaryOp { op: BinaryOp::Eq, left, right } if is_path(right, path) => {
                literals(left).unwrap_or_default()
            }
            _ => Vec::new(),
        })
        .collect()
    }

    /// The set has no members but those of a list.
    pub(super) fn within(&self, path: &str) -> bool {
        self.0.iter().filter(|atom| atom.holds).any(|atom| match atom.expr.as_ref() {
            Expr::BinaryOp { op: BinaryOp::ContainsAll, left, right } => {
                is_path(right, path) && literals(left).is_some()
            }
            Expr::BinaryOp { op: BinaryOp::Eq, left, right } => {
                (is_path(left, path) && literals(right).is_some())
                    || (is_path(right, path) && literals(left).is_some())
            }
            _ => false,
        })
    }

    /// The VM is a member of a baseline.
    pub(super) fn in_baseline(&self) -> bool {
        self.0.iter().filter(|atom| atom.holds).any(|atom| match atom.expr.as_ref() {
            Expr::BinaryOp { op: BinaryOp::In, left, right } => {
                is_principal(left) && literals(right).is_some_and(|names| !names.is_empty())
            }
            Expr::Is { expr, in_expr: Some(right), .. } => is_principal(expr) && literals(right).is_some(),
            _ => false,
        })
    }
}

/// Whether the atom says that an attribute of the VM is absent.
fn is_absence(atom: &Atom) -> bool {
    !atom.holds && matches!(atom.expr.as_ref(), Expr::HasAttr { .. })
}

/// The literals that `expr` restricts the claim to.
fn allowed(expr: &Expr, path: &str) -> Option<Vec<String>> {
    let Expr::BinaryOp { op, left, right } = expr else { return None };
    let claim = |side: &Arc<Expr>| is_path(side, path);
    let list = match op {
        BinaryOp::Eq if claim(left) => right,
        BinaryOp::Eq if claim(right) => left,
        BinaryOp::In if claim(left) => right,
        BinaryOp::Contains if claim(right) => left,
        _ => return None,
    };
    literals(list)
}

/// The literal that the claim is compared with by `op`.
fn compared<'a>(expr: &'a Expr, wanted: BinaryOp, path: &str) -> Option<&'a Arc<Expr>> {
    let Expr::BinaryOp { op, left, right } = expr else { return None };
    match (*op == wanted, is_path(left, path), is_path(right, path)) {
        (true, true, false) => Some(right),
        (true, false, true) => Some(left),
        _ => None,
    }
}

/// A literal, or a list of nothing but literals, as texts; entities by their id.
fn literals(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Literal(Literal::String(text)) => Some(vec![text.to_string()]),
        Expr::Literal(Literal::Long(number)) => Some(vec![number.to_string()]),
        Expr::Literal(Literal::EntityUID(uid)) => Some(vec![uid.eid.to_string()]),
        Expr::Set(items) => {
            let all: Option<Vec<Vec<String>>> = items.iter().map(|item| literals(item)).collect();
            all.map(|all| all.concat())
        }
        _ => None,
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Literal::Long(_)) => true,
        Expr::UnaryOp { op: UnaryOp::Neg, expr } => is_number(expr),
        _ => false,
    }
}

fn is_path(expr: &Expr, path: &str) -> bool {
    expression::path(expr).is_some_and(|claim| !claim.context && claim.dotted() == path)
}

fn is_principal(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(cedar_policy::pst::Var::Principal))
}

const fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessEq => BinaryOp::GreaterEq,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterEq => BinaryOp::LessEq,
        other => other,
    }
}
