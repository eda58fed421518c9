//! Reading Cedar's expression trees.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Var};

/// Maximum depth of an expression. Later steps recurse, and this depth fits an ordinary stack.
pub(super) const MAX_DEPTH: usize = 192;

/// The condition of a clause, `when` or `unless`.
pub(super) fn clause_expr(clause: &Clause) -> &Arc<Expr> {
    match clause {
        Clause::When(expr) | Clause::Unless(expr) => expr,
    }
}

/// The sub-expressions one level down.
pub(super) fn children(expr: &Expr) -> Vec<&Arc<Expr>> {
    match expr {
        Expr::UnaryOp { expr, .. } | Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } => vec![expr],
        Expr::Like { expr, .. } => vec![expr],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr.as_ref()).collect(),
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().collect(),
        Expr::Record(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// Every expression in `expr`, itself included; no recursion.
pub(super) fn walk(expr: &Expr) -> impl Iterator<Item = &Expr> {
    let mut stack = vec![expr];
    std::iter::from_fn(move || {
        let next = stack.pop()?;
        #[cfg(test)]
        VISITED.set(VISITED.get() + 1);
        stack.extend(children(next).into_iter().map(AsRef::as_ref));
        Some(next)
    })
}

/// How deep the tree is; no recursion.
pub(super) fn depth(expr: &Expr) -> usize {
    let mut stack = vec![(expr, 1)];
    let mut deepest = 0;
    while let Some((expr, depth)) = stack.pop() {
        deepest = deepest.max(depth);
        stack.extend(children(expr).into_iter().map(|child| (child.as_ref(), depth + 1)));
    }
    deepest
}

/// A claim or a part of the context that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClaimPath {
    /// Read from the context, otherwise from the VM.
    pub(super) context: bool,
    /// Attribute names.
    pub(super) names: Vec<String>,
}

impl ClaimPath {
    /// The path without the variable: `vtpm.phase`.
    pub(super) fn dotted(&self) -> String {
        self.names.join(".")
    }
}

impl std::fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", if self.context { "context" } else { "principal" }, self.dotted())
    }
}

/// The path of an attribute access such as `principal.a.b` or `context.a`. The left operand of
/// `principal.a has b` is one as well.
pub(super) fn path(expr: &Expr) -> Option<ClaimPath> {
    match expr {
        Expr::GetAttr { expr, attr } => {
            let mut path = path_or_root(expr)?;
            path.names.push(attr.to_string());
            Some(path)
        }
        _ => None,
    }
}

/// The paths that a `has` test covers: `principal.a` and `principal.a.b` for `principal has a.b`.
pub(super) fn tested_path(expr: &Expr) -> Option<Vec<ClaimPath>> {
    let Expr::HasAttr { expr, attrs } = expr else { return None };
    let mut path = path_or_root(expr)?;
    let mut tested = Vec::new();
    for attr in attrs.iter() {
        path.names.push(attr.to_string());
        tested.push(path.clone());
    }
    Some(tested)
}

fn path_or_root(expr: &Expr) -> Option<ClaimPath> {
    match expr {
        Expr::Var(Var::Principal) => Some(ClaimPath { context: false, names: Vec::new() }),
        Expr::Var(Var::Context) => Some(ClaimPath { context: true, names: Vec::new() }),
        _ => path(expr),
    }
}

/// The claims that an expression reads or tests, except those that are a prefix of another.
pub(super) fn paths(expr: &Expr) -> Vec<ClaimPath> {
    let mut all: Vec<ClaimPath> = walk(expr)
        .flat_map(|expr| path(expr).into_iter().chain(tested_path(expr).and_then(|mut paths| paths.pop())))
        .collect();
    all.sort();
    all.dedup();
    // In this order a path is directly followed by its continuations.
    let continued = |path: &ClaimPath, next: &ClaimPath| {
        next.context == path.context && next.names.starts_with(&path.names)
    };
    let next = all.iter().skip(1).map(Some).chain([None]);
    let kept = all.iter().zip(next).filter(|(path, next)| !next.is_some_and(|next| continued(path, next)));
    kept.map(|(path, _)| path.clone()).collect()
}

/// The operands of a chain of the operator `wanted`, in order; no recursion.
pub(super) fn operands(expr: &Arc<Expr>, wanted: BinaryOp) -> Vec<Arc<Expr>> {
    let mut found = Vec::new();
    let mut stack = vec![expr.clone()];
    while let Some(next) = stack.pop() {
        match next.as_ref() {
            Expr::BinaryOp { op, left, right } if *op == wanted => {
                stack.push(right.clone());
                stack.push(left.clone());
            }
            _ => found.push(next),
        }
    }
    found
}

/// Every text literal in an expression.
pub(super) fn texts(expr: &Expr) -> impl Iterator<Item = &str> {
    walk(expr).filter_map(|expr| match expr {
        Expr::Literal(Literal::String(text)) => Some(text.as_str()),
        _ => None,
    })
}

#[cfg(test)]
thread_local! {
    /// Number of expressions that [`walk`] visited on this thread, for tests that count work.
    pub(super) static VISITED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
