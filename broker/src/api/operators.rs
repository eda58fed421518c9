//! `/v1/operators`.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{Digest32, UnixTime};

pub use vouchsafe_keystore::registry::{Operator, RotatedToken, TokenId, TokenLifetime};
pub use vouchsafe_policy::operators::OperatorRole;

/// Seconds before the end of a token from which on its end is announced: 14 days.
pub const TOKEN_NOTICE: u64 = 14 * 86_400;
/// Header of every answer to a token that ends: in how many seconds.
pub const TOKEN_EXPIRES_IN: &str = "vouchsafe-token-expires-in";

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
    /// How long the token is valid.
    #[serde(default)]
    pub expires_in: TokenLifetime,
}

/// Answer of `add`, and the only place where the token can be seen.
#[derive(Serialize, Deserialize)]
pub struct AddedOperator<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The bearer token.
    pub token: Cow<'a, str>,
    /// From when on it is refused; absent if it never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
}

impl fmt::Debug for AddedOperator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AddedOperator");
        shown.field("name", &self.name).field("expires_at", &self.expires_at);
        shown.field("token", &"[REDACTED]").finish()
    }
}

/// `rotate`: replaces a token with one that the caller has generated. Sent again, it changes nothing and is answered alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateToken {
    /// The operator; absent for the token of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id in the new token, `vouchsafe-operator.ID.KEY`, whose key is 32 random bytes in base64url.
    pub token_id: TokenId,
    /// SHA-256 of the new token's text.
    pub token_hash: Digest32,
    /// How long the new token is valid; absent for 90 days, or less if the token of the request was granted for less. Only
    /// administrators get more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<TokenLifetime>,
    /// Seconds that the old token stays valid, at most until its own end.
    #[serde(default)]
    pub overlap: u64,
}

/// `remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveOperator {
    /// The name.
    pub name: String,
}
