//! Operators and their tokens. A token is shown once; its SHA-256 is stored and compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq as _;
use vouchsafe_policy::operators::{OperatorIdentity, OperatorRole, WHOLE_BROKER};
use vouchsafe_protocol::encoding::to_base64url;
use vouchsafe_protocol::{Digest32, UnixTime};
use zeroize::Zeroizing;

use super::change::{Actor, Change};
use super::handle::Registry;
use super::rows::RowTag;
use crate::db::StoreError;
use crate::db::columns::time;
use crate::primitives::{RandomError, random};

pub(super) mod table;

pub use table::Operator;
use table::{OPERATORS, OperatorRow, all_operators, operator_of};

/// A new operator's token, which is shown only once.
pub struct OperatorToken(Zeroizing<String>);

impl OperatorToken {
    /// The text to hand to the operator.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken([REDACTED])")
    }
}

/// Why an operator could not be added or removed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The text is not a valid name or namespace.
    #[error("{text:?} is not a valid name: use 1 to 64 of a-z, 0-9, `.`, `_`, `-`")]
    Name {
        /// The given text.
        text: String,
    },
    /// An editor or an auditor without a namespace would have no permissions.
    #[error("an {role} needs at least one namespace (`--namespace`){}", if *role == OperatorRole::Auditor { ", or `*` for all of them" } else { "" })]
    NoNamespace {
        /// The role.
        role: OperatorRole,
    },
    /// An administrator acts everywhere.
    #[error("an administrator acts in every namespace: leave the namespaces out, or choose another role")]
    AdministratorNamespace,
    /// `*` is only for auditors, and excludes other namespaces.
    #[error(
        "`*` stands for all namespaces: it is for auditors only, and cannot be combined with other namespaces"
    )]
    EveryNamespace,
    /// An operator with this name exists.
    #[error("operator {name} already exists")]
    Exists {
        /// The name.
        name: String,
    },
    /// There already are operators: the first administrator needs no permit, every further operator is added
    /// by an administrator.
    #[error("there already are operators: an administrator adds further ones (`vouchsafe operator add`)")]
    NotFirst,
    /// No operator has this name.
    #[error("there is no operator {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The last administrator cannot be removed: nobody could add one again.
    #[error("{name} is the last administrator: add another one first")]
    LastAdministrator {
        /// The name.
        name: String,
    },
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OperatorError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// Adds an operator and returns the token, which is not stored.
    pub(crate) async fn add_operator(
        &self,
        actor: Actor<'_>,
        name: &str,
        role: OperatorRole,
        namespaces: &[String],
    ) -> Result<OperatorToken, OperatorError> {
        let authorized = actor.authorize("operator.add", name)?;
        check_name(name)?;
        check_namespaces(role, namespaces)?;
        let namespaces = namespaces.to_vec();
        let operator = Operator { name: name.to_owned(), role, namespaces, created_at: actor.at };
        let mut change = self.change(&authorized).await?;
        require_free(&mut change, name).await?;
        add(change, operator).await
    }

    /// Adds the first administrator. Instead of a permit this requires that there is no operator yet, which
    /// is checked in the transaction.
    pub(crate) async fn add_first_administrator(
        &self,
        name: &str,
        at: UnixTime,
    ) -> Result<OperatorToken, OperatorError> {
        let authorized = Actor::offline(INIT, at).authorize("operator.add", name)?;
        check_name(name)?;
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        if !all_operators(change.connection(), check).await?.is_empty() {
            return Err(OperatorError::NotFirst);
        }
        check.absent(OPERATORS, name)?;
        add(change, administrator(name, at)).await
    }

    /// Adds an administrator whatever operators there are. Instead of a permit this requires the keyring and the
    /// database's file. The record names the action, which no operator can take.
    pub(crate) async fn recover_administrator(
        &self,
        name: &str,
        at: UnixTime,
    ) -> Result<OperatorToken, OperatorError> {
        let authorized = Actor::offline(RECOVER, at).authorize("operator.recover", name)?;
        check_name(name)?;
        let mut change = self.change(&authorized).await?;
        require_free(&mut change, name).await?;
        let token = add(change, administrator(name, at)).await?;
        tracing::warn!(event = "keystore.administrator_recovered", operator = name);
        Ok(token)
    }

    /// Removes an operator; the token stops working at once.
    pub(crate) async fn remove_operator(&self, actor: Actor<'_>, name: &str) -> Result<(), OperatorError> {
        let authorized = actor.authorize("operator.remove", name)?;
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        let all = all_operators(change.connection(), check).await?;
        let account = all.iter().find(|row| row.operator.name == name).map(|row| row.operator.authority());
        let account = account.ok_or_else(|| OperatorError::Unknown { name: name.to_owned() })?;
        let administrators =
            all.iter().filter(|row| row.operator.role == OperatorRole::Administrator).count();
        if account.role == OperatorRole::Administrator && administrators == 1 {
            return Err(OperatorError::LastAdministrator { name: name.to_owned() });
        }
        sqlx::query("DELETE FROM operators WHERE name = $1").bind(name).execute(change.connection()).await?;
        change.removed(OPERATORS, name);
        change.concerns(account);
        change.commit().await?;
        Ok(())
    }

    /// All operators, by name.
    pub(crate) async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let mut view = self.operator_view().await?;
        let check = self.check(view.epoch);
        Ok(all_operators(&mut view.tx, check).await?.into_iter().map(|row| row.operator).collect())
    }

    /// The operator with this token.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Option<OperatorIdentity>, StoreError> {
        let id = token.strip_prefix(TOKEN_PREFIX).and_then(|rest| rest.split_once('.')).map(|(id, _)| id);
        let Some(id) = id.filter(|id| id.len() == 16) else { return Ok(None) };
        let mut view = self.token_view().await?;
        let row = sqlx::query("SELECT * FROM operators WHERE token_id = $1")
            .bind(id)
            .fetch_optional(&mut *view.tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let row = operator_of(self.check(view.epoch), &row)?;
        let hash = Digest32::of(token.as_bytes());
        Ok(bool::from(hash.0.ct_eq(&row.token_hash.0)).then(|| row.identity()))
    }
}

fn administrator(name: &str, at: UnixTime) -> Operator {
    let (name, role) = (name.to_owned(), OperatorRole::Administrator);
    Operator { name, role, namespaces: Vec::new(), created_at: at }
}

/// Checks that no operator has this name.
async fn require_free(change: &mut Change<'_>, name: &str) -> Result<(), OperatorError> {
    let before = sqlx::query("SELECT name FROM operators WHERE name = $1").bind(name);
    if before.fetch_optional(change.connection()).await?.is_some() {
        return Err(OperatorError::Exists { name: name.to_owned() });
    }
    Ok(change.check().absent(OPERATORS, name)?)
}

/// Writes the row of an operator whose name is free, with a new token, and commits.
async fn add(mut change: Change<'_>, operator: Operator) -> Result<OperatorToken, OperatorError> {
    let (id, key) = (hex::encode(random::<8>()?.as_slice()), random::<32>()?);
    let key = Zeroizing::new(to_base64url(key.as_slice()));
    let mut token = Zeroizing::new(String::with_capacity(128));
    token.extend([TOKEN_PREFIX, &id, ".", &key]);
    let token_hash = Digest32::of(token.as_bytes());
    let row = OperatorRow { operator, token_id: id, token_hash, epoch: change.epoch };
    let tag = RowTag::new(change.check().keyring, row.fields(), row.epoch)?;
    let Operator { name, role, namespaces, created_at } = &row.operator;
    sqlx::query(
        "INSERT INTO operators (name, role, namespaces, token_id, token_hash, created_at, row_version, \
         generation, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(name)
    .bind(role.as_str())
    .bind(namespaces.join(" "))
    .bind(&row.token_id)
    .bind(row.token_hash.0.to_vec())
    .bind(time(*created_at)?)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(OPERATORS, name);
    change.concerns(row.operator.authority());
    change.commit().await?;
    Ok(OperatorToken(token))
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
const TOKEN_PREFIX: &str = "vouchsafe-operator.";
