//! Why nothing is released, in full, for operators. A guest only gets `not-granted`.

use std::fmt;

use serde::Serialize;
use vouchsafe_protocol::{Digest32, ObjectName, SecretPath};

use super::baseline::BaselineMismatch;
use super::purpose::Purpose;

/// A denial. One refused path denies the whole request.
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
    /// The reason.
    #[serde(flatten)]
    pub reason: DenialReason,
}

/// The kinds of no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum DenialReason {
    /// The secret does not exist.
    Absent,
    /// The secret was retired.
    Retired,
    /// The evidence is bound to another request: other paths, another action or another broker.
    NotBound,
    /// An action on a volume, but the evidence names no instance.
    NoInstance,
    /// The policy's purpose differs from the secret's.
    PurposeMismatch {
        /// The secret's purpose.
        secret: Purpose,
        /// The policy's purpose; absent if its permits differ.
        policy: Option<Purpose>,
    },
    /// The policy, a baseline that it names, or the guardrails cannot be read.
    Unreadable(UnreadableDocument),
    /// A policy or a guardrail denied the path.
    Refused(Box<Refusal>),
}

/// A stored document that this version cannot read: an earlier one accepted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableDocument {
    /// `policy`, `baseline` or `guardrails`.
    pub document: &'static str,
    /// Its name.
    pub name: ObjectName,
    /// Why it cannot be read.
    pub detail: String,
}

/// The results of the policy and the guardrails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The policy of the secret.
    pub policy: ObjectName,
    /// SHA-256 of its text.
    pub policy_digest: Digest32,
    /// Forbids that hold, of the policy and of the guardrails.
    pub forbidden_by: Vec<Violation>,
    /// If no permit holds: what each permit lacks. Also empty if the policy has none.
    pub not_permitted_by: Vec<Violation>,
    /// Whether a permit holds.
    pub permitted: bool,
    /// Evaluations that failed, each of which denies.
    pub errors: Vec<EvaluationFailure>,
    /// Baselines of the policy of which the VM is not a member.
    pub baselines: Vec<BaselineVerdict>,
}

/// A statement that prevents the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Whether it is a guardrail.
    pub guardrail: bool,
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    #[serde(rename = "because", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first condition without its wanted value; absent if the scope of the statement does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<FailedCondition>,
}

/// A condition and the claims that it read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedCondition {
    /// Its text.
    pub text: String,
    /// The value that it must have.
    pub wanted: bool,
    /// The claims it reads.
    pub values: Vec<ReadValue>,
}

/// A claim that a condition reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadValue {
    /// `principal.vtpm.phase` and the like.
    pub path: String,
    /// The VM's value; `absent` if it has none, followed by `: ` and the reason if known.
    pub value: String,
}

/// A policy whose evaluation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationFailure {
    /// Whether it is a guardrail.
    pub guardrail: bool,
    /// Its `@id`.
    pub id: String,
    /// Cedar's message.
    pub detail: String,
}

/// A baseline of which the VM is not a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaselineVerdict {
    /// The baseline.
    pub name: ObjectName,
    /// The reason; absent if the baseline no longer exists.
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
            Self::NoInstance => f.write_str(
                "the evidence names no instance, and volumes are registered by instance: add a vTPM or a Google token",
            ),
            Self::PurposeMismatch { secret, policy: Some(policy) } => {
                write!(f, "the secret is for {secret}, its policy for {policy}")
            }
            Self::PurposeMismatch { secret, policy: None } => {
                write!(f, "the secret is for {secret}, its policy does not say what it is for")
            }
            Self::Unreadable(unreadable) => unreadable.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for UnreadableDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { document, name, detail } = self;
        write!(f, "{document} {name} cannot be read by this version of the broker: {detail}")
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
