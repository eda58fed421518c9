//! Why a text is no policy.

use std::fmt;

use super::super::expression;
use super::super::source::SourceError;
use super::notes::SourceNote;

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It does not reach the parser.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not Cedar.
    #[error("not a Cedar policy: {}", joined(details))]
    Syntax {
        /// The parser's words, each with its place.
        details: Vec<SourceNote>,
    },
    /// It has a template.
    #[error("templates are not supported")]
    Template,
    /// A policy without a name.
    #[error("policy number {number} has no @id: write one above it, such as @id(\"release\")")]
    MissingId {
        /// Which one, from 1.
        number: usize,
    },
    /// An id that is empty or not of letters, digits, dots and dashes.
    #[error("@id({id:?}) must have 1 to 64 characters of a-z, A-Z, 0-9, `.`, `_`, `-`")]
    MalformedId {
        /// The id.
        id: String,
    },
    /// Two policies of one name.
    #[error("@id({id:?}) occurs twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// An annotation that means nothing here.
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
        /// What it says.
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
    /// Expressions too deep to be evaluated on an ordinary stack.
    #[error("policy {id:?}: an expression is nested deeper than {}", expression::MAX_DEPTH)]
    TooDeep {
        /// The policy.
        id: String,
    },
    /// It does not fit the schema; warnings count.
    #[error("does not fit the schema: {}", joined(details))]
    Invalid {
        /// The validator's words, each with its place.
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
    /// Not Cedar, and nobody says where.
    pub(super) fn general(error: &dyn fmt::Display) -> Self {
        Self::Syntax { details: vec![SourceNote::general(error)] }
    }
}

/// One note a line, the first one on the line of what it is about.
fn joined(notes: &[SourceNote]) -> String {
    notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
