//! The outcome of one check.

use serde::Serialize;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, but needs attention.
    Warning,
    /// Missing: what depends on it cannot be proved.
    Missing,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the check.
    pub id: &'static str,
    /// The result.
    pub status: Status,
    /// A description.
    pub what: String,
    /// What to do about it, or further information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
}

impl Finding {
    /// As it should be.
    pub(super) fn ok(id: &'static str, what: String) -> Self {
        Self { id, status: Status::Ok, what, fix: None }
    }

    /// Not as it should be, and what to do about it.
    pub(super) fn new(id: &'static str, status: Status, what: String, fix: &'static str) -> Self {
        Self { id, status, what, fix: Some(fix) }
    }

    /// Adds advice.
    pub(super) fn with(self, fix: &'static str) -> Self {
        Self { fix: Some(fix), ..self }
    }
}
