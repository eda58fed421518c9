//! The ways in which a statement can have a result, each as a list of conditions that then hold.
//!
//! `a && b` needs both; `a || b` and `if` give alternatives; a forbid must be false. Every evaluation with
//! the given result matches one of the alternatives, and has evaluated each of its conditions with the stated
//! value. So a fact that holds in every alternative holds for every release. Contradictory alternatives are
//! dropped.

use std::sync::Arc;

use cedar_policy::pst::{
    BinaryOp, Clause, EntityOrSlot, Expr, Literal as Value, PrincipalConstraint, ResourceConstraint,
    Template, UnaryOp, Var,
};

use super::atoms::{Atoms, Literal};
use super::steps::{Steps, TooComplex};
use crate::expression;

/// Upper limit of alternatives; more are not analysed.
pub(super) const MAX_BRANCHES: usize = 512;

/// Conditions that hold together, in the order of their atoms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) literals: Vec<Literal>,
}

type Branches = Result<Vec<Branch>, TooComplex>;

/// Takes statements apart.
pub(super) struct Splitter<'a> {
    pub(super) atoms: &'a mut Atoms,
    pub(super) steps: Steps,
}

impl Splitter<'_> {
    /// The ways in which a permit holds; none if it never does, or if one side of a condition that is a
    /// top-level `||` never does. A baseline in its scope is one of its conditions.
    pub(super) fn permitted(&mut self, template: &Template) -> Branches {
        let scope = match scope(&template.principal) {
            Some(scope) => self.one(&scope, true)?,
            None => vec![Branch::default()],
        };
        if let [Clause::When(expr)] = template.clauses().as_slice() {
            let mut ways = Vec::new();
            for side in expression::operands(expr, BinaryOp::Or) {
                let side = self.branches(&side, true)?;
                let side = self.both(&scope, &side)?;
                if side.is_empty() {
                    return Ok(side);
                }
                ways.extend(side);
            }
            return limited(ways);
        }
        let mut together = scope;
        for clause in template.clauses() {
            let part = match clause {
                Clause::When(expr) => self.branches(expr, true)?,
                Clause::Unless(expr) => self.branches(expr, false)?,
            };
            together = self.both(&together, &part)?;
        }
        Ok(together)
    }

    /// The ways in which a forbid does not hold: one of its clauses fails.
    pub(super) fn not_forbidden(&mut self, template: &Template) -> Branches {
        let mut alternatives = Vec::new();
        for clause in template.clauses() {
            alternatives.extend(match clause {
                Clause::When(expr) => self.branches(expr, false)?,
                Clause::Unless(expr) => self.branches(expr, true)?,
            });
        }
        limited(alternatives)
    }

    /// The ways in which `expr` evaluates to `holds`.
    fn branches(&mut self, expr: &Arc<Expr>, holds: bool) -> Branches {
        self.steps.take(1)?;
        match expr.as_ref() {
            Expr::Literal(Value::Bool(value)) => {
                Ok(if *value == holds { vec![Branch::default()] } else { Vec::new() })
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.branches(expr, !holds),
            Expr::BinaryOp { op: BinaryOp::NotEq, left, right } => {
                let equal = Expr::BinaryOp { op: BinaryOp::Eq, left: left.clone(), right: right.clone() };
                self.one(&Arc::new(equal), !holds)
            }
            Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), .. } => {
                let parts = expression::operands(expr, *op);
                self.steps.take(parts.len())?;
                // For a true `&&`, all parts are true; for a false `||`, all are false.
                if (*op == BinaryOp::And) == holds {
                    self.all(&parts, holds)
                } else {
                    self.any(&parts, holds)
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let (yes, no) = (self.branches(cond, true)?, self.branches(cond, false)?);
                let (then, otherwise) = (self.branches(then_expr, holds)?, self.branches(else_expr, holds)?);
                limited([self.both(&yes, &then)?, self.both(&no, &otherwise)?].concat())
            }
            _ => self.one(expr, holds),
        }
    }

    fn one(&mut self, expr: &Arc<Expr>, holds: bool) -> Branches {
        self.steps.take(expression::walk(expr).count())?;
        Ok(vec![Branch { literals: vec![self.atoms.literal(expr, holds)] }])
    }

    fn all(&mut self, parts: &[Arc<Expr>], holds: bool) -> Branches {
        let mut together = vec![Branch::default()];
        for part in parts {
            let part = self.branches(part, holds)?;
            together = self.both(&together, &part)?;
        }
        Ok(together)
    }

    /// One of the parts has this value. That the earlier ones do not is left out; this makes an alternative
    /// wider, and so the finding of `a || b` is that of `a` plus that of `b`.
    fn any(&mut self, parts: &[Arc<Expr>], holds: bool) -> Branches {
        let mut alternatives = Vec::new();
        for part in parts {
            alternatives.extend(self.branches(part, holds)?);
            alternatives = limited(alternatives)?;
        }
        Ok(alternatives)
    }

    fn both(&mut self, left: &[Branch], right: &[Branch]) -> Branches {
        let mut together = Vec::new();
        for one in left {
            for other in right {
                together.extend(one.join(other, self.atoms, &mut self.steps)?);
            }
            together = limited(together)?;
        }
        Ok(together)
    }
}

impl Branch {
    /// Both combined; `None` if they contradict each other.
    pub(super) fn join(
        &self,
        other: &Self,
        atoms: &Atoms,
        steps: &mut Steps,
    ) -> Result<Option<Self>, TooComplex> {
        steps.take(self.literals.len() + other.literals.len())?;
        let mut literals = [self.literals.as_slice(), &other.literals].concat();
        literals.sort_unstable();
        literals.dedup();
        let twice = literals.windows(2).any(|pair| matches!(pair, [one, two] if one.atom == two.atom));
        if twice || self.contradicts(other, atoms) || other.contradicts(self, atoms) {
            return Ok(None);
        }
        Ok(Some(Self { literals }))
    }

    /// One implies that a claim is present, the other that it is absent.
    fn contradicts(&self, other: &Self, atoms: &Atoms) -> bool {
        let missing = self.literals.iter().flat_map(|literal| &atoms.meaning(*literal).missing);
        let mut missing = missing.peekable();
        missing.peek().is_some()
            && missing.any(|claim| {
                let there = |literal: &Literal| atoms.meaning(*literal).there.contains(claim);
                other.literals.iter().any(there)
            })
    }
}

/// `principal in …` in a statement's scope.
fn scope(principal: &PrincipalConstraint) -> Option<Arc<Expr>> {
    let (PrincipalConstraint::In(EntityOrSlot::Entity(uid))
    | PrincipalConstraint::IsIn(_, EntityOrSlot::Entity(uid))) = principal
    else {
        return None;
    };
    let (left, right) = (Expr::Var(Var::Principal), Expr::Literal(Value::EntityUID(uid.clone())));
    Some(Arc::new(Expr::BinaryOp { op: BinaryOp::In, left: Arc::new(left), right: Arc::new(right) }))
}

/// Whether a permit's scope names a baseline.
pub(super) fn names_baseline(template: &Template) -> bool {
    scope(&template.principal).is_some()
}

/// Whether a forbid is about every release: one about only some VMs or secrets does not restrict the others.
pub(super) fn is_general(template: &Template) -> bool {
    matches!(template.principal, PrincipalConstraint::Any | PrincipalConstraint::Is(_))
        && matches!(template.resource, ResourceConstraint::Any | ResourceConstraint::Is(_))
}

fn limited(branches: Vec<Branch>) -> Branches {
    if branches.len() > MAX_BRANCHES { Err(TooComplex) } else { Ok(branches) }
}
