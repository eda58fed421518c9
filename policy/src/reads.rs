//! What policies read of a VM and of the context: a decision passes only that to Cedar.
//!
//! If a claim that is read were omitted, it would look absent. So any form other than those below is treated
//! as reading everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};

use super::expression::{self, ClaimPath};
use super::schema::Kind;

/// The claims that a set of policies reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadSet {
    /// Attributes of the VM.
    pub(super) principal: ReadNode,
    /// Attributes of the context.
    pub(super) context: ReadNode,
}

/// An attribute, or a record of attributes, that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadNode {
    /// Whether the value itself is read, with everything in it; otherwise only its presence is tested.
    whole: bool,
    members: BTreeMap<String, Self>,
}

impl ReadSet {
    /// Adds the reads of an expression. Recursion only follows attribute names, which are few.
    pub(super) fn add(&mut self, expr: &Arc<Expr>) {
        let mut stack = vec![expr];
        while let Some(expr) = stack.pop() {
            if let Some(path) = expression::path(expr) {
                self.at(&path).whole = true;
            } else if let Some(path) = expression::tested_path(expr).and_then(|mut tested| tested.pop()) {
                // A test for `a.b` also tests `a`.
                self.at(&path);
            } else {
                self.descend(expr, &mut stack);
            }
        }
    }

    fn descend<'e>(&mut self, expr: &'e Expr, stack: &mut Vec<&'e Arc<Expr>>) {
        match expr {
            // These depend on the entity's name and parents.
            Expr::Is { expr, in_expr, .. } => {
                stack.extend(std::iter::once(expr).chain(in_expr).filter(|side| !is_principal(side)));
            }
            Expr::BinaryOp { op: BinaryOp::In | BinaryOp::Eq | BinaryOp::NotEq, left, right } => {
                stack.extend([left, right].into_iter().filter(|side| !is_principal(side)));
            }
            Expr::Literal(Literal::Bool(_) | Literal::Long(_) | Literal::String(_))
            | Expr::Var(Var::Action | Var::Resource) => {}
            // An entity literal of the VM has the same attributes.
            Expr::Literal(Literal::EntityUID(uid)) if uid.ty.to_string() != Kind::Vm.name() => {}
            Expr::UnaryOp { .. }
            | Expr::BinaryOp { .. }
            | Expr::GetAttr { .. }
            | Expr::HasAttr { .. }
            | Expr::Like { .. }
            | Expr::IfThenElse { .. }
            | Expr::Set(_)
            | Expr::Record(_) => stack.extend(expression::children(expr)),
            _ => self.everything(),
        }
    }

    /// Whether any policy reads an attribute with this name.
    pub(super) fn attribute(&self, name: &str) -> bool {
        [&self.principal, &self.context].into_iter().any(|root| root.whole || root.has_member(name))
    }

    fn everything(&mut self) {
        self.principal.whole = true;
        self.context.whole = true;
    }

    fn at(&mut self, path: &ClaimPath) -> &mut ReadNode {
        let root = if path.context { &mut self.context } else { &mut self.principal };
        path.names.iter().fold(root, |node, name| node.members.entry(name.clone()).or_default())
    }
}

impl ReadNode {
    fn has_member(&self, name: &str) -> bool {
        self.members.iter().any(|(member, node)| member == name || node.has_member(name))
    }
}

fn is_principal(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Principal))
}

/// The part of one record that several sets of policies read.
#[derive(Clone, Debug)]
pub(super) enum Projection<'r> {
    /// All of it.
    All,
    /// The members that any of them reads.
    Members(Vec<&'r ReadNode>),
}

impl<'r> Projection<'r> {
    /// Combines the reads of several sets.
    pub(super) fn any(nodes: impl IntoIterator<Item = &'r ReadNode>) -> Self {
        let nodes: Vec<_> = nodes.into_iter().collect();
        if nodes.iter().any(|node| node.whole) { Self::All } else { Self::Members(nodes) }
    }

    /// The part of a member that is read; `None` if not even its presence is tested.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        let Self::Members(nodes) = self else { return Some(Self::All) };
        let mut members = nodes.iter().filter_map(|node| node.members.get(name)).peekable();
        members.peek()?;
        Some(Self::any(members))
    }

    /// Whether a member is read at all.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Members(nodes) => nodes.iter().any(|node| node.members.contains_key(name)),
        }
    }
}
