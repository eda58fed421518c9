//! `/v1/operators`.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use vouchsafe_keystore::registry::Operator;
pub use vouchsafe_policy::operators::OperatorRole;

/// `add`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOperator {
    /// 1 to 64 of a-z, 0-9, dot, dash and underscore.
    pub name: String,
    /// What the operator may do.
    pub role: OperatorRole,
    /// The namespaces of the role: at least one for an editor or an auditor, `*` alone for an auditor of
    /// everything, none for an administrator.
    #[serde(default)]
    pub namespaces: Vec<String>,
}

/// Answer of `add`, and the only place where the token can be seen.
#[derive(Serialize, Deserialize)]
pub struct AddedOperator<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The bearer token.
    pub token: Cow<'a, str>,
}

impl fmt::Debug for AddedOperator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddedOperator").field("name", &self.name).field("token", &"[REDACTED]").finish()
    }
}

/// `remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveOperator {
    /// The name.
    pub name: String,
}
