//! What a single condition implies for the VM's claims, if it is true or false.
//!
//! A condition in a form not listed here implies nothing: the analysis never guesses. Reading a claim implies
//! that it is present, since a permit whose evaluation fails does not hold and any failed evaluation denies.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal as Value, UnaryOp, Var};
use vouchsafe_protocol::ObjectName;

use crate::expression::{self, ClaimPath};

/// A known fact about one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    /// The claim, dotted: `vtpm.phase`. Empty for the VM itself.
    pub(super) claim: String,
    pub(super) says: Says,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// The claim is present.
    Present,
    /// The claim is absent.
    Missing,
    /// The condition does not depend on its presence. The claim by its full path, such as
    /// `principal.snp.chip_id`.
    Either,
    /// It is one of these.
    OneOf(Vec<String>),
    /// The value is none of these.
    NoneOf(Vec<String>),
    /// The flag has this value.
    Flag(bool),
    /// The number has a minimum, or is a fixed number.
    AtLeast,
    /// The set has these members, and maybe others.
    Has(Vec<String>),
    /// The set has only these members.
    Only(Vec<String>),
    /// The VM is a member of one of these baselines.
    InBaseline(Vec<ObjectName>),
}

/// Conditions without `&&`, `||`, `!` and `if`, without duplicates.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    /// Atoms by their text; there is hardly ever more than one.
    numbers: HashMap<String, Vec<(Arc<Expr>, u32)>>,
    known: Vec<Atom>,
}

#[derive(Debug)]
struct Atom {
    when_false: Meaning,
    when_true: Meaning,
}

/// What an atom implies in one of its two cases.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    pub(super) facts: Vec<Fact>,
    /// Claims that are present, and those that are absent, for detecting contradictions.
    pub(super) there: Vec<String>,
    pub(super) missing: Vec<String>,
}

/// An atom and whether it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Literal {
    pub(super) atom: u32,
    pub(super) holds: bool,
}

impl Atoms {
    pub(super) fn literal(&mut self, expr: &Arc<Expr>, holds: bool) -> Literal {
        let same_text = self.numbers.entry(expr.to_string()).or_default();
        if let Some((_, atom)) = same_text.iter().find(|(other, _)| other == expr) {
            return Literal { atom: *atom, holds };
        }
        let atom = u32::try_from(self.known.len()).expect("a policy has fewer conditions than bytes");
        same_text.push((Arc::clone(expr), atom));
        let meaning = |holds| Meaning::new(facts(expr, holds));
        self.known.push(Atom { when_false: meaning(false), when_true: meaning(true) });
        Literal { atom, holds }
    }

    pub(super) fn meaning(&self, literal: Literal) -> &Meaning {
        static NOTHING: Meaning = Meaning { facts: Vec::new(), there: Vec::new(), missing: Vec::new() };
        let atom = usize::try_from(literal.atom).ok().and_then(|atom| self.known.get(atom));
        atom.map_or(&NOTHING, |atom| if literal.holds { &atom.when_true } else { &atom.when_false })
    }
}

impl Meaning {
    fn new(facts: Vec<Fact>) -> Self {
        let of = |wanted: Says| {
            let found = facts.iter().filter(|fact| fact.says == wanted).map(|fact| fact.claim.clone());
            found.collect::<Vec<_>>()
        };
        Self { there: of(Says::Present), missing: of(Says::Missing), facts }
    }
}

fn facts(expr: &Arc<Expr>, holds: bool) -> Vec<Fact> {
    let mut facts = presence(expr, holds);
    facts.extend(content(expr, holds));
    facts
}

/// Facts about which claims are present.
fn presence(expr: &Expr, holds: bool) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut add = |claim: String, says: Says| {
        let fact = Fact { claim, says };
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    };
    for read in always_read(expr) {
        prefixes(&read).into_iter().for_each(|claim| add(claim, Says::Present));
    }
    let named = |test: &Expr| {
        let path = expression::tested_path(test).and_then(|mut paths| paths.pop());
        path.map_or_else(|| test.to_string(), |path| path.to_string())
    };
    if !matches!(expr, Expr::HasAttr { .. }) {
        // A test inside a comparison or call may have either result.
        let tests = expression::walk(expr).filter(|expr| matches!(expr, Expr::HasAttr { .. }));
        tests.for_each(|test| add(named(test), Says::Either));
        return facts;
    }
    let tested = expression::tested_path(expr).unwrap_or_default();
    let tested: Vec<String> = tested.iter().filter(|path| !path.context).map(ClaimPath::dotted).collect();
    match (holds, tested.as_slice()) {
        (true, claims) => claims.iter().for_each(|claim| add(claim.clone(), Says::Present)),
        (false, claims) => {
            if let [claim] = claims {
                add(claim.clone(), Says::Missing);
            }
            add(named(expr), Says::Either);
        }
    }
    facts
}

/// The claims that are read whatever the result of the expression.
fn always_read(expr: &Expr) -> Vec<ClaimPath> {
    let mut found = Vec::new();
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        match expr {
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, .. } => stack.push(left),
            Expr::IfThenElse { cond, .. } => stack.push(cond),
            _ => match expression::path(expr) {
                Some(path) if !path.context => found.push(path),
                Some(_) => {}
                None => stack.extend(expression::children(expr).into_iter().map(AsRef::as_ref)),
            },
        }
    }
    found
}

/// `a`, `a.b`, `a.b.c`.
fn prefixes(path: &ClaimPath) -> Vec<String> {
    (1..=path.names.len()).filter_map(|end| path.names.get(..end)).map(|names| names.join(".")).collect()
}

/// Facts about the value from a comparison.
fn content(expr: &Arc<Expr>, holds: bool) -> Vec<Fact> {
    if let Some(claim) = claim(expr) {
        return vec![Fact { claim, says: Says::Flag(holds) }];
    }
    match expr.as_ref() {
        Expr::BinaryOp { op: BinaryOp::In, left, right } if is_principal(left) => {
            if holds {
                member(right)
            } else {
                Vec::new()
            }
        }
        Expr::Is { expr, in_expr: Some(right), .. } if is_principal(expr) && holds => member(right),
        Expr::BinaryOp { op, left, right } => match (claim(left), claim(right)) {
            (Some(claim), None) => compared(claim, *op, right, holds),
            (None, Some(claim)) => match mirrored(*op) {
                Some(op) => compared(claim, op, left, holds),
                None => listed(claim, *op, left, holds),
            },
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// `claim op literal`.
fn compared(claim: String, op: BinaryOp, value: &Expr, holds: bool) -> Vec<Fact> {
    use BinaryOp as B;
    let says = match (op, holds, value) {
        (B::Eq, _, Expr::Literal(Value::Bool(flag))) => vec![Says::Flag(*flag == holds)],
        (B::Eq, true, Expr::Set(_)) => match literals(value) {
            Some(list) => vec![Says::Has(list.clone()), Says::Only(list)],
            None => Vec::new(),
        },
        (B::Eq | B::In, true, _) => {
            let floor = is_number(value).then_some(Says::AtLeast);
            literals(value).map(Says::OneOf).into_iter().chain(floor).collect()
        }
        (B::Eq | B::In, false, Expr::Literal(_)) | (B::In, false, _) => {
            literals(value).map(Says::NoneOf).into_iter().collect()
        }
        (B::Contains | B::ContainsAll, true, _) => literals(value).map(Says::Has).into_iter().collect(),
        (B::Greater | B::GreaterEq, true, _) | (B::Less | B::LessEq, false, _) if is_number(value) => {
            vec![Says::AtLeast]
        }
        _ => Vec::new(),
    };
    says.into_iter().map(|says| Fact { claim: claim.clone(), says }).collect()
}

/// `list op claim`, where the order matters.
fn listed(claim: String, op: BinaryOp, list: &Expr, holds: bool) -> Vec<Fact> {
    let says = match (op, holds) {
        (BinaryOp::Contains, true) => Says::OneOf,
        (BinaryOp::Contains, false) => Says::NoneOf,
        (BinaryOp::ContainsAll, true) => Says::Only,
        _ => return Vec::new(),
    };
    literals(list).map(says).map(|says| Fact { claim, says }).into_iter().collect()
}

/// The operator with its sides exchanged, if there is one.
const fn mirrored(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Eq => BinaryOp::Eq,
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessEq => BinaryOp::GreaterEq,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterEq => BinaryOp::LessEq,
        _ => return None,
    })
}

fn member(list: &Expr) -> Vec<Fact> {
    let names = literals(list).unwrap_or_default();
    let names: Option<Vec<ObjectName>> = names.iter().map(|name| ObjectName::parse(name).ok()).collect();
    let names = names.filter(|names| !names.is_empty());
    names.map(|names| Fact { claim: String::new(), says: Says::InBaseline(names) }).into_iter().collect()
}

fn claim(expr: &Expr) -> Option<String> {
    expression::path(expr).filter(|path| !path.context).map(|path| path.dotted())
}

fn is_principal(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Principal))
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Value::Long(_)) => true,
        Expr::UnaryOp { op: UnaryOp::Neg, expr } => is_number(expr),
        _ => false,
    }
}

/// A literal, or a list of only literals, as texts; entities by their id.
fn literals(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Literal(Value::String(text)) => Some(vec![text.to_string()]),
        Expr::Literal(Value::Long(number)) => Some(vec![number.to_string()]),
        Expr::Literal(Value::EntityUID(uid)) => Some(vec![uid.eid.to_string()]),
        Expr::Set(items) => {
            let all: Option<Vec<Vec<String>>> = items.iter().map(|item| literals(item)).collect();
            all.map(|all| all.concat())
        }
        _ => None,
    }
}
