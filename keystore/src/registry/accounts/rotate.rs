//! Replaces an operator's token.
//!
//! The caller generates the new token and sends what is stored of it. If the answer is lost, the caller still has the token, and
//! repeats the request with it: where that is the account's token already, nothing is changed and the answer is the same.

use serde::{Deserialize, Serialize};
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::UnixTime;

use super::error::OperatorError;
use super::table::{IssuedToken, OPERATORS, Operator, OperatorRow, read_operator};
use super::token::{HashedToken, TokenLifetime};
use super::write::write_operator;
use crate::db::columns::tampered;
use crate::registry::change::{Actor, Change, ROTATE};
use crate::registry::handle::Registry;
use crate::registry::rows::RowCheck;

/// The new token of an operator.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// The operator.
    pub name: &'a str,
    /// The new token.
    pub token: HashedToken,
    /// How long the new token is valid. Without it 90 days; or as long as the token in use was granted for, if its bearer
    /// replaces it and that is less.
    pub lifetime: Option<TokenLifetime>,
    /// Seconds that the old one stays valid, at most until its own end.
    pub overlap: u64,
}

/// A token that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedToken {
    /// The operator.
    pub name: String,
    /// From when on the new token is refused; absent if it never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
    /// From when on the old one is refused; absent if it is refused already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<UnixTime>,
}

impl Registry {
    /// Replaces an operator's token.
    pub(crate) async fn rotate_token(
        &self,
        actor: Actor<'_>,
        rotation: Rotation<'_>,
    ) -> Result<RotatedToken, OperatorError> {
        let Rotation { name, token, lifetime, overlap } = rotation;
        let authorized = actor.authorize(ROTATE, name)?;
        if let Some(lifetime) = lifetime {
            lifetime.end(actor.at)?;
        }
        if overlap > TokenLifetime::MAX_OVERLAP {
            return Err(OperatorError::Overlap { seconds: overlap });
        }
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        let account = read_operator(change.connection(), check, name).await?;
        let account = account.ok_or_else(|| OperatorError::Unknown { name: name.to_owned() })?;
        if account.token.token == token && account.token.is_valid(actor.at) {
            return Ok(answer(&account));
        }
        // With the token that was replaced, its holder would end the one that is in use elsewhere.
        if actor.replacing().is_some_and(|own| own.epoch != account.token.epoch) {
            return Err(OperatorError::Replaced { name: name.to_owned() });
        }
        require_unused(&mut change, name, &token).await?;
        let ends_at = lifetime_of(actor, lifetime, &account, check)?.end(actor.at)?;
        let replaced = account.token;
        let overlap_end = actor.at.plus(overlap);
        let until = replaced.ends_at.map_or(overlap_end, |end| end.min(overlap_end));
        let previous = IssuedToken { ends_at: Some(until), ..replaced };
        let token = IssuedToken { token, epoch: change.epoch, ends_at };
        let previous = Some(previous).filter(|previous| previous.is_valid(actor.at));
        let account = OperatorRow { token, previous, ..account };
        write_operator(&mut change, &account).await?;
        change.commit().await?;
        Ok(answer(&account))
    }
}

/// How long the new token is valid. Only administrators decide about that: another operator who replaces the own token gets
/// at most as long as the token in use was granted for.
fn lifetime_of(
    actor: Actor<'_>,
    asked: Option<TokenLifetime>,
    account: &OperatorRow,
    check: RowCheck<'_>,
) -> Result<TokenLifetime, OperatorError> {
    let lifetime = asked.unwrap_or_default();
    if actor.replacing().is_none() || account.role == OperatorRole::Administrator {
        return Ok(lifetime);
    }
    let Some(end) = account.token.ends_at else { return Ok(lifetime) };
    let issued_at = check.changed_at(OPERATORS, &account.name, account.token.epoch);
    let granted = end.since(issued_at.ok_or_else(|| tampered(OPERATORS, &account.name))?);
    match lifetime {
        TokenLifetime::Seconds(seconds) if seconds <= granted => Ok(lifetime),
        _ if asked.is_none() => Ok(TokenLifetime::Seconds(granted)),
        _ => Err(OperatorError::LongerThanGranted { name: account.name.clone(), granted }),
    }
}

fn answer(account: &OperatorRow) -> RotatedToken {
    let Operator { name, expires_at, previous_until, .. } = account.operator();
    RotatedToken { name, expires_at, previous_until }
}

/// Checks that no account has a token with this id, so that the id leads to one row.
async fn require_unused(
    change: &mut Change<'_>,
    name: &str,
    token: &HashedToken,
) -> Result<(), OperatorError> {
    let used = sqlx::query("SELECT name FROM operators WHERE token_id = $1 OR previous_id = $1")
        .bind(token.id.as_str())
        .fetch_optional(change.connection())
        .await?;
    match used {
        Some(_) => Err(OperatorError::TokenUsed { name: name.to_owned() }),
        None => Ok(()),
    }
}
