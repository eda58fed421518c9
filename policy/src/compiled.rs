//! Policies and guardrails that decisions are made with.
//!
//! A [`CompiledPolicy`] is well-formed and well-typed. Whether it may guard a secret is a separate question,
//! which [`CompiledPolicy::check`] answers when it is put.

use std::collections::BTreeSet;

use cedar_policy::pst::Effect;
use vouchsafe_protocol::{Digest32, ObjectName};

use super::checks::analysis::Analysis;
use super::purpose::Purpose;
use super::rules::{PolicyError, Rules};
use super::schema;

/// One release policy, ready to decide with.
#[derive(Debug)]
pub struct CompiledPolicy {
    name: ObjectName,
    rules: Rules,
    analysis: Analysis,
}

impl CompiledPolicy {
    /// Parses, validates, splits and analyses. Takes milliseconds, for a hostile text up to a second, so run
    /// it when a policy is put or loaded, on a thread that may block.
    ///
    /// # Errors
    /// One variant for each reason.
    pub fn compile(name: &ObjectName, text: &str) -> Result<Self, PolicyError> {
        let rules = Rules::compile(text, schema::vocabulary())?;
        let analysis = Analysis::new(rules.statements.values());
        Ok(Self { name: name.clone(), rules, analysis })
    }

    /// The name that it is stored under.
    #[must_use]
    pub const fn name(&self) -> &ObjectName {
        &self.name
    }

    /// SHA-256 of the text.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.rules.digest
    }

    /// The baselines it names.
    #[must_use]
    pub fn baselines(&self) -> &BTreeSet<ObjectName> {
        &self.rules.baselines
    }

    /// The purpose of the permits; `None` if they differ or have none.
    #[must_use]
    pub fn purpose(&self) -> Option<Purpose> {
        let mut purposes = self.rules.permits().map(|statement| statement.purpose);
        let first = purposes.next()??;
        purposes.all(|purpose| purpose == Some(first)).then_some(first)
    }

    /// Project numbers that a permit compares the owner with: refusals of these owners' VMs are worth a
    /// durable record.
    #[must_use]
    pub const fn project_numbers(&self) -> &BTreeSet<u64> {
        self.analysis.project_numbers()
    }

    pub(super) const fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// The administrator's conditions on every release: they forbid and never permit.
#[derive(Debug)]
pub struct Guardrails {
    rules: Rules,
}

impl Guardrails {
    /// Parses, validates and splits into conditions.
    ///
    /// # Errors
    /// One variant for each reason, such as a permit.
    pub fn compile(text: &str) -> Result<Self, PolicyError> {
        let rules = Rules::compile(text, schema::vocabulary())?;
        for (id, statement) in &rules.statements {
            if statement.template.effect == Effect::Permit {
                return Err(PolicyError::PermittingGuardrail { id: id.clone() });
            }
            if !statement.baselines.is_empty() {
                return Err(PolicyError::BaselineInGuardrail { id: id.clone() });
            }
        }
        Ok(Self { rules })
    }

    /// The guardrails that this version ships (`config/policies/guardrails.cedar`).
    ///
    /// # Panics
    /// Never: a test compiles them.
    #[must_use]
    pub fn shipped() -> Self {
        Self::compile(SHIPPED_GUARDRAILS).expect("a test compiles the shipped guardrails")
    }

    /// SHA-256 of the text.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.rules.digest
    }

    /// Whether they read revocation: then evidence without current CRLs is refused, if its vendor publishes
    /// some.
    #[must_use]
    pub fn read_revocation(&self) -> bool {
        self.rules.reads.attribute("revocation")
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// Text of the guardrails that this version ships.
pub const SHIPPED_GUARDRAILS: &str = include_str!("../../config/policies/guardrails.cedar");
