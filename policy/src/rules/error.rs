//! Why a text is not a valid policy.

use std::fmt;

use super::super::expression;
use super::super::source::SourceError;
use super::notes::SourceNote;

/// Why a text is not a valid policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text exceeds a limit of the parser.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not Cedar.
    #[error("not a Cedar policy: {}", joined(details))]
    Syntax {
        /// The parser's messages, each with its position.
        details: Vec<SourceNote>,
    },
    /// It has a template.
    #[error("templates are not supported")]
    Template,
    /// A policy without an id.
    #[error("policy number {number} has no @id: write one above it, such as @id(\"release\")")]
    MissingId {
        /// Its number, from 1.
        number: usize,
    },
    /// The id is empty or has other characters than letters, digits, dots and dashes.
    #[error("@id({id:?}) must have 1 to 64 characters of a-z, A-Z, 0-9, `.`, `_`, `-`")]
    MalformedId {
        /// The id.
        id: String,
    },
    /// Two policies have the same id.
    #[error("@id({id:?}) occurs twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// An annotation that is not known here.
    #[error("policy {id:?}: unknown annotation @{annotation}")]
    UnknownAnnotation {
        /// The policy.
        id: String,
        /// The annotation.
        annotation: String,
    },
    /// `@for` with neither disk nor app.
    #[error("policy {id:?}: @for({value:?}) must be disk or app")]
    UnknownPurpose {
        /// The policy.
        id: String,
        /// The annotation's value.
        value: String,
    },
    /// `@accepts` with a code that does not exist.
    #[error("policy {id:?}: @accepts knows no {code:?}")]
    UnknownAcceptance {
        /// The policy.
        id: String,
        /// The code.
        code: String,
    },
    /// An expression is too deep to be evaluated on an ordinary stack.
    #[error("policy {id:?}: an expression is nested deeper than {}", expression::MAX_DEPTH)]
    TooDeep {
        /// The policy.
        id: String,
    },
    /// It does not match the schema; warnings count as errors.
    #[error("does not match the schema: {}", joined(details))]
    Invalid {
        /// The validator's messages, each with its position.
        details: Vec<SourceNote>,
    },
    /// A baseline whose name is not `namespace/name`.
    #[error("policy {id:?}: Baseline::{name:?} is not a name of the form namespace/name")]
    BaselineName {
        /// The policy.
        id: String,
        /// The name.
        name: String,
    },
    /// A permit among the guardrails.
    #[error("guardrail {id:?} is a permit: guardrails only forbid")]
    PermittingGuardrail {
        /// The guardrail.
        id: String,
    },
    /// A baseline among the guardrails.
    #[error("guardrail {id:?} names a baseline: only policies do")]
    BaselineInGuardrail {
        /// The guardrail.
        id: String,
    },
}

impl PolicyError {
    /// Not valid Cedar, without a position.
    pub(super) fn general(error: &dyn fmt::Display) -> Self {
        Self::Syntax { details: vec![SourceNote::general(error)] }
    }
}

/// One note per line, the first one on the line of its subject.
fn joined(notes: &[SourceNote]) -> String {
    notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
