//! `/v1/guardrails`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The guardrails in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guardrails {
    /// Whether they are the ones that this version of the broker ships.
    pub shipped: bool,
    /// The text, Cedar.
    pub text: String,
}

/// `put`: replaces the guardrails.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutGuardrails {
    /// The text, Cedar.
    pub text: String,
    /// Ids of the shipped rules that the text omits or changes: all of them, and no others.
    #[serde(default)]
    pub drop: BTreeSet<String>,
}

/// Answer of `put`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuardrailsVersion {
    /// The version in force from now on.
    pub version: u64,
}

/// Answer of `reset`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuardrailsReset {
    /// False when the shipped ones were already in force.
    pub changed: bool,
}
