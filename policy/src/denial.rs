//! Why nothing is released: for operators, in full. A guest is told `not-granted` and nothing else.

use std::fmt;

use serde::Serialize;
use vouchsafe_protocol::{Digest32, ObjectName, SecretPath};

use super::baseline::BaselineMismatch;
use super::purpose::Purpose;

/// A no. One refused path refuses all of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// The paths that were refused, in the order of the request.
    pub paths: Vec<PathDenial>,
}

/// Why one path was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathDenial {
    /// The path.
    pub path: SecretPath,
    /// Why.
    #[serde(flatten)]
    pub reason: DenialReason,
}

/// The kinds of no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum DenialReason {
    /// There is no such secret.
    Absent,
    /// The secret was retired.
    Retired,
    /// The evidence is bound to another request: other paths, another action, another broker.
    NotBound,
    /// The policy is for secrets of another purpose.
    PurposeMismatch {
        /// Of the secret.
        secret: Purpose,
        /// Of the policy; absent when its permits do not agree.
        policy: Option<Purpose>,
    },
    /// A policy or a guardrail said no.
    Refused(Box<Refusal>),
}

/// What the policy and the guardrails said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The policy of the secret.
    pub policy: ObjectName,
    /// SHA-256 of its text.
    pub policy_digest: Digest32,
    /// Forbids that hold, of the policy and of the guardrails.
    pub forbidden_by: Vec<Violation>,
    /// When no permit holds: what each one misses. Empty also when the policy has none.
    pub not_permitted_by: Vec<Violation>,
    /// Whether a permit holds.
    pub permitted: bool,
    /// Evaluations that failed: each of them denies by itself.
    pub errors: Vec<EvaluationFailure>,
    /// Baselines of the policy that the VM is no member of.
    pub baselines: Vec<BaselineVerdict>,
}

/// A statement that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Whether it is a guardrail.
    pub guardrail: bool,
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    #[serde(rename = "because", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first condition that is not as it should be; absent when the scope of the statement is what did not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<FailedCondition>,
}

/// A condition and what it read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedCondition {
    /// Its text.
    pub text: String,
    /// What it must be.
    pub wanted: bool,
    /// The claims it reads.
    pub values: Vec<ReadValue>,
}

/// A claim that a condition reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadValue {
    /// `principal.vtpm.phase` and the like.
    pub path: String,
    /// What the VM has there; `absent` when it has nothing, followed by `: ` and the reason where that is known.
    pub value: String,
}

/// A policy whose evaluation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationFailure {
    /// Whether it is a guardrail.
    pub guardrail: bool,
    /// Its `@id`.
    pub id: String,
    /// Cedar's words.
    pub detail: String,
}

/// A baseline that does not have the VM as a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaselineVerdict {
    /// The baseline.
    pub name: ObjectName,
    /// Why not; absent when the baseline is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<BaselineMismatch>,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.paths {
            writeln!(f, "{}: {}", path.path, path.reason)?;
        }
        Ok(())
    }
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such secret"),
            Self::Retired => f.write_str("the secret is retired"),
            Self::NotBound => f.write_str("the evidence was made for another request"),
            Self::PurposeMismatch { secret, policy: Some(policy) } => {
                write!(f, "the secret is for {secret}, its policy for {policy}")
            }
            Self::PurposeMismatch { secret, policy: None } => {
                write!(f, "the secret is for {secret}, its policy does not say what it is for")
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {} refuses", self.policy)?;
        for violation in &self.forbidden_by {
            write!(f, "\n  forbidden by {violation}")?;
        }
        if !self.permitted && self.not_permitted_by.is_empty() {
            f.write_str("\n  it has no permit")?;
        }
        for violation in &self.not_permitted_by {
            write!(f, "\n  not permitted by {violation}")?;
        }
        for error in &self.errors {
            write!(f, "\n  evaluation of {} failed: {}", error.id, error.detail)?;
        }
        for baseline in &self.baselines {
            write!(f, "\n  not a member of baseline {}", baseline.name)?;
            match &baseline.mismatch {
                Some(mismatch) => write!(f, ": {mismatch}")?,
                None => f.write_str(": there is none")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.guardrail { "guardrail " } else { "" }, self.id)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        let Some(condition) = &self.condition else {
            return f.write_str(": its scope does not fit");
        };
        let wanted = if condition.wanted { "not true" } else { "true" };
        write!(f, "\n    {wanted}: {}", condition.text)?;
        for value in &condition.values {
            write!(f, "\n    {} = {}", value.path, value.value)?;
        }
        Ok(())
    }
}
