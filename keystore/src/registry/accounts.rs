//! Operators and their tokens. A token is shown once; its SHA-256 is stored and compared in constant time.

use vouchsafe_policy::operators::{OperatorRole, WHOLE_BROKER};
use vouchsafe_protocol::UnixTime;

use super::change::{Actor, Change};
use super::handle::Registry;
use crate::db::StoreError;

mod error;
pub(super) mod login;
mod rotate;
pub(crate) mod table;
mod token;
mod write;

pub use error::OperatorError;
pub use login::{Login, LoginError};
pub use rotate::{RotatedToken, Rotation};
pub use table::Operator;
use table::{IssuedToken, OPERATORS, OperatorRow, all_operators, read_operator};
pub use token::{HashedToken, InvalidTokenId, OperatorToken, TokenId, TokenLifetime};
use write::write_operator;

/// The end of the token of one account; `None` if it never ends.
pub type TokenEnd = (OperatorRole, Option<UnixTime>);

impl Registry {
    /// Adds an operator and returns the token, which is not stored.
    pub(crate) async fn add_operator(
        &self,
        actor: Actor<'_>,
        name: &str,
        role: OperatorRole,
        namespaces: &[String],
        lifetime: TokenLifetime,
    ) -> Result<OperatorToken, OperatorError> {
        let authorized = actor.authorize("operator.add", name)?;
        check_name(name)?;
        check_namespaces(role, namespaces)?;
        let ends_at = lifetime.end(actor.at)?;
        let mut change = self.change(&authorized).await?;
        require_free(&mut change, name).await?;
        add(change, NewAccount { name, role, namespaces, created_at: actor.at, ends_at }).await
    }

    /// Adds the first administrator. Instead of a permit this requires that there is no operator yet, which
    /// is checked in the transaction.
    pub(crate) async fn add_first_administrator(
        &self,
        name: &str,
        lifetime: TokenLifetime,
        at: UnixTime,
    ) -> Result<OperatorToken, OperatorError> {
        let authorized = Actor::offline(INIT, at).authorize("operator.add", name)?;
        check_name(name)?;
        let account = NewAccount::administrator(name, lifetime, at)?;
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        if !all_operators(change.connection(), check).await?.is_empty() {
            return Err(OperatorError::NotFirst);
        }
        check.absent(OPERATORS, name)?;
        add(change, account).await
    }

    /// Adds an administrator whatever operators there are. Instead of a permit this requires the keyring and the
    /// database's file. The record names the action, which no operator can take.
    pub(crate) async fn recover_administrator(
        &self,
        name: &str,
        lifetime: TokenLifetime,
        at: UnixTime,
    ) -> Result<OperatorToken, OperatorError> {
        let authorized = Actor::offline(RECOVER, at).authorize("operator.recover", name)?;
        check_name(name)?;
        let account = NewAccount::administrator(name, lifetime, at)?;
        let mut change = self.change(&authorized).await?;
        require_free(&mut change, name).await?;
        let token = add(change, account).await?;
        tracing::warn!(event = "keystore.administrator_recovered", operator = name);
        Ok(token)
    }

    /// Removes an operator; the token stops working at once.
    pub(crate) async fn remove_operator(&self, actor: Actor<'_>, name: &str) -> Result<(), OperatorError> {
        let authorized = actor.authorize("operator.remove", name)?;
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        let all = all_operators(change.connection(), check).await?;
        let (removed, kept): (Vec<_>, Vec<_>) = all.iter().partition(|row| row.name == name);
        let [removed] = removed[..] else { return Err(OperatorError::Unknown { name: name.to_owned() }) };
        let mut administrators = kept.iter().filter(|row| row.role == OperatorRole::Administrator);
        if removed.role == OperatorRole::Administrator
            && !administrators.any(|row| row.token.is_valid(actor.at))
        {
            return Err(OperatorError::LastAdministrator { name: name.to_owned() });
        }
        sqlx::query("DELETE FROM operators WHERE name = $1").bind(name).execute(change.connection()).await?;
        change.removed(OPERATORS, name);
        change.concerns(removed.authority());
        change.commit().await?;
        Ok(())
    }

    /// All operators, by name.
    pub(crate) async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let mut view = self.operator_view().await?;
        let check = self.check(view.epoch);
        Ok(all_operators(&mut view.tx, check).await?.iter().map(OperatorRow::operator).collect())
    }

    /// The end of each operator's token.
    pub(crate) async fn token_ends(&self) -> Result<Vec<TokenEnd>, StoreError> {
        let all = self.operators().await?;
        Ok(all.into_iter().map(|operator| (operator.role, operator.expires_at)).collect())
    }
}

/// An account whose name is free.
struct NewAccount<'a> {
    name: &'a str,
    role: OperatorRole,
    namespaces: &'a [String],
    created_at: UnixTime,
    ends_at: Option<UnixTime>,
}

impl<'a> NewAccount<'a> {
    fn administrator(name: &'a str, lifetime: TokenLifetime, at: UnixTime) -> Result<Self, OperatorError> {
        let (role, ends_at) = (OperatorRole::Administrator, lifetime.end(at)?);
        Ok(Self { name, role, namespaces: &[], created_at: at, ends_at })
    }
}

/// Checks that no operator has this name.
async fn require_free(change: &mut Change<'_>, name: &str) -> Result<(), OperatorError> {
    let check = change.check();
    match read_operator(change.connection(), check, name).await? {
        Some(_) => Err(OperatorError::Exists { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// Writes the row of an account, with a new token, and commits.
async fn add(mut change: Change<'_>, account: NewAccount<'_>) -> Result<OperatorToken, OperatorError> {
    let NewAccount { name, role, namespaces, created_at, ends_at } = account;
    let token = OperatorToken::generate()?;
    let issued = IssuedToken { token: token.hashed(), epoch: change.epoch, ends_at };
    let (name, namespaces) = (name.to_owned(), namespaces.to_vec());
    let row = OperatorRow { name, role, namespaces, created_at, token: issued, previous: None };
    write_operator(&mut change, &row).await?;
    change.commit().await?;
    Ok(token)
}

/// Checks that the namespaces match the role: none that would be ignored, and at least one where they are
/// required.
fn check_namespaces(role: OperatorRole, namespaces: &[String]) -> Result<(), OperatorError> {
    match (role, namespaces) {
        (OperatorRole::Administrator, []) => Ok(()),
        (OperatorRole::Administrator, _) => Err(OperatorError::AdministratorNamespace),
        (OperatorRole::Editor | OperatorRole::Auditor, []) => Err(OperatorError::NoNamespace { role }),
        (OperatorRole::Auditor, [all]) if all == WHOLE_BROKER => Ok(()),
        (OperatorRole::Editor | OperatorRole::Auditor, some) => {
            if some.iter().any(|name| name == WHOLE_BROKER) {
                return Err(OperatorError::EveryNamespace);
            }
            some.iter().try_for_each(|name| check_name(name))
        }
    }
}

fn check_name(text: &str) -> Result<(), OperatorError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(OperatorError::Name { text: text.to_owned() })
    }
}

/// Author in the record of the first administrator.
const INIT: &str = "init";
/// Author in the record of a recovered administrator.
const RECOVER: &str = "recover-admin";
