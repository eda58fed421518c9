//! What one alternative implies for a claim.

use std::collections::{BTreeMap, BTreeSet};

use vouchsafe_protocol::ObjectName;

use super::atoms::{Atoms, Says};
use super::branches::Branch;

/// The facts of one alternative. More conditions only ever add facts: if one of the questions below is
/// answered with yes, it stays yes.
pub(super) struct Facts<'a> {
    by_claim: BTreeMap<&'a str, Vec<&'a Says>>,
    /// Evidence that the permit itself requires.
    own: &'a BTreeSet<String>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(branch: &Branch, atoms: &'a Atoms, own: &'a BTreeSet<String>) -> Self {
        let mut by_claim: BTreeMap<&str, Vec<&Says>> = BTreeMap::new();
        for literal in &branch.literals {
            for fact in &atoms.meaning(*literal).facts {
                by_claim.entry(&fact.claim).or_default().push(&fact.says);
            }
        }
        Self { by_claim, own }
    }

    /// The claims in a permit's own conditions: what it requires.
    pub(super) fn asked(branch: &Branch, atoms: &Atoms) -> BTreeSet<String> {
        let there = branch.literals.iter().flat_map(|literal| &atoms.meaning(*literal).there);
        there.cloned().collect()
    }

    fn says(&self, claim: &str) -> impl Iterator<Item = &'a Says> {
        self.by_claim.get(claim).into_iter().flatten().copied()
    }

    /// Whether the permit itself requires this evidence, or something in it.
    pub(super) fn asks_for(&self, claim: &str) -> bool {
        self.own.contains(claim)
    }

    /// Whether the permit itself requires none of the four kinds of evidence.
    pub(super) fn asks_for_nothing(&self) -> bool {
        !KINDS.iter().any(|kind| self.asks_for(kind))
    }

    /// Whether the claim is present, even if only a forbid implies that.
    pub(super) fn is_present(&self, claim: &str) -> bool {
        self.says(claim).any(|says| *says == Says::Present)
    }

    /// Whether facts about this evidence may be used: the permit requires it, so its root is checked
    /// separately, or its root is restricted.
    pub(super) fn counts(&self, kind: &str) -> bool {
        self.asks_for(kind) || self.is_one_of(&format!("{kind}.root"))
    }

    /// The claim is one of a list.
    pub(super) fn is_one_of(&self, claim: &str) -> bool {
        self.each(claim, |_| true)
    }

    /// The claim is one of a list whose members all satisfy `fits`.
    pub(super) fn each(&self, claim: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.says(claim).any(|says| match says {
            Says::OneOf(list) => !list.is_empty() && list.iter().all(|text| fits(text)),
            _ => false,
        })
    }

    /// The claim is one of a list, and no list excludes this member.
    pub(super) fn may_be(&self, claim: &str, member: &str) -> bool {
        self.is_one_of(claim) && !self.is_not(claim, member)
    }

    /// The claim is known to have another value.
    pub(super) fn is_not(&self, claim: &str, member: &str) -> bool {
        self.says(claim).any(|says| match says {
            Says::OneOf(list) => !list.iter().any(|text| text == member),
            Says::NoneOf(list) => list.iter().any(|text| text == member),
            _ => false,
        })
    }

    /// The literals that the claim is compared with.
    pub(super) fn values(&self, claim: &str) -> impl Iterator<Item = &'a str> {
        self.says(claim)
            .filter_map(|says| if let Says::OneOf(list) = says { Some(list) } else { None })
            .flatten()
            .map(String::as_str)
    }

    /// The claim, a flag, is `value`.
    pub(super) fn flag(&self, claim: &str, value: bool) -> bool {
        self.says(claim).any(|says| *says == Says::Flag(value))
    }

    /// The number has a minimum, or is a fixed number.
    pub(super) fn floor(&self, claim: &str) -> bool {
        self.says(claim).any(|says| *says == Says::AtLeast)
    }

    /// Known members of the set.
    pub(super) fn members(&self, claim: &str) -> impl Iterator<Item = &'a str> {
        self.says(claim)
            .filter_map(|says| if let Says::Has(list) = says { Some(list) } else { None })
            .flatten()
            .map(String::as_str)
    }

    /// The set has only members from a list.
    pub(super) fn closed(&self, claim: &str) -> bool {
        self.says(claim).any(|says| matches!(says, Says::Only(_)))
    }

    /// The set has at most one member.
    pub(super) fn closed_to_one(&self, claim: &str) -> bool {
        self.says(claim).any(|says| matches!(says, Says::Only(list) if list.len() == 1))
    }

    /// Lists of baselines: for each list, the VM is a member of at least one of its baselines.
    pub(super) fn baselines(&self) -> impl Iterator<Item = &'a [ObjectName]> {
        self.says("").filter_map(|says| match says {
            Says::InBaseline(names) => Some(names.as_slice()),
            _ => None,
        })
    }

    /// The claims that may be absent in this alternative.
    pub(super) fn optional(&self) -> impl Iterator<Item = &'a str> {
        let either = |says: &[&Says]| says.iter().any(|says| **says == Says::Either);
        self.by_claim.iter().filter(move |(_, says)| either(says)).map(|(claim, _)| *claim)
    }
}

/// Kinds of evidence, as attributes of a VM.
pub(super) const KINDS: [&str; 4] = ["vtpm", "snp", "tdx", "google_token"];
