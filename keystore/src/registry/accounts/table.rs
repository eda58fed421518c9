//! The rows of operators: read with their MACs checked.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use subtle::ConstantTimeEq as _;
use vouchsafe_policy::operators::{OperatorIdentity, OperatorRole};
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{Digest32, UnixTime};

use super::token::{HashedToken, OperatorToken};
use crate::db::columns;
use crate::db::{Connection, Row, StoreError};
use crate::log::record::{Authority, TokenRecord};
use crate::registry::rows::{self, MacInput, RowCheck};

/// An operator's account, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name.
    pub name: String,
    /// What the operator may do.
    pub role: OperatorRole,
    /// The namespaces, or `*` for an auditor of everything. Empty for administrators.
    pub namespaces: Vec<String>,
    /// Since when.
    pub created_at: UnixTime,
    /// From when on the token is refused; absent for one that never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
    /// From when on the token before the last rotation is refused; absent if it ended with the rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<UnixTime>,
}

/// A row of table `operators`, authenticated.
pub(super) struct OperatorRow {
    pub(super) name: String,
    pub(super) role: OperatorRole,
    pub(super) namespaces: Vec<String>,
    pub(super) created_at: UnixTime,
    /// Rows are written only to issue a token, so its change is the row's last one.
    pub(super) token: IssuedToken,
    /// The token before it, if that is valid for a while longer.
    pub(super) previous: Option<IssuedToken>,
}

/// A token of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IssuedToken {
    pub(super) token: HashedToken,
    /// The change that issued it.
    pub(super) epoch: u64,
    pub(super) ends_at: Option<UnixTime>,
}

impl IssuedToken {
    pub(super) fn is_valid(&self, now: UnixTime) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

impl OperatorRow {
    /// Each field in the order of the columns. The end is a field only if there is one, and the previous token likewise, because the
    /// MACs of rows written before those columns existed do not cover them: 6, 7, 10 or 11 fields, and the row version.
    pub(super) fn fields(&self) -> Preimage {
        let mut fields = rows::fields(OPERATORS)
            .text(&self.name)
            .text(self.role.as_str())
            .text(&self.namespaces.join(" "))
            .text(self.token.token.id.as_str())
            .field(self.token.token.hash.as_bytes())
            .number(self.created_at.0);
        if let Some(end) = self.token.ends_at {
            fields = fields.number(end.0);
        }
        let Some(IssuedToken { token, epoch, ends_at }) = &self.previous else { return fields };
        let ends_at = ends_at.map_or(0, |end| end.0);
        fields.text(token.id.as_str()).field(token.hash.as_bytes()).number(*epoch).number(ends_at)
    }

    /// The account, as it is listed.
    pub(super) fn operator(&self) -> Operator {
        Operator {
            name: self.name.clone(),
            role: self.role,
            namespaces: self.namespaces.clone(),
            created_at: self.created_at,
            expires_at: self.token.ends_at,
            previous_until: self.previous.as_ref().and_then(|previous| previous.ends_at),
        }
    }

    /// The operator's rights, as the log names them.
    pub(super) fn authority(&self) -> Authority {
        Authority { namespaces: self.namespaces.clone(), role: self.role }
    }

    /// The ends of the tokens, as the log names them.
    pub(super) fn token_record(&self) -> TokenRecord {
        let Operator { expires_at, previous_until, .. } = self.operator();
        TokenRecord { expires_at, previous_until }
    }

    fn tokens(&self) -> impl Iterator<Item = &IssuedToken> {
        std::iter::once(&self.token).chain(&self.previous)
    }

    /// The one of its tokens that was presented, compared in constant time.
    pub(super) fn presented(&self, token: &OperatorToken) -> Option<&IssuedToken> {
        let hash = token.hashed().hash;
        self.tokens().find(|issued| bool::from(hash.0.ct_eq(&issued.token.hash.0)))
    }

    /// Whom a permission is given to that comes with this token.
    pub(super) fn identity(&self, issued: &IssuedToken) -> OperatorIdentity {
        let (name, namespaces) = (self.name.clone(), self.namespaces.clone());
        OperatorIdentity { name, role: self.role, namespaces, epoch: issued.epoch }
    }
}

/// Requires that the operator's account is the one that was authenticated, with the same rights, and that the token is still valid at
/// this time.
///
/// # Errors
/// [`StoreError::AccountGone`].
pub(in crate::registry) async fn require_account(
    connection: &mut Connection,
    check: RowCheck<'_>,
    operator: &OperatorIdentity,
    at: UnixTime,
) -> Result<(), StoreError> {
    let account = read_operator(connection, check, &operator.name).await?;
    let is_same = account.is_some_and(|row| {
        row.tokens().any(|issued| row.identity(issued) == *operator && issued.is_valid(at))
    });
    if is_same { Ok(()) } else { Err(StoreError::AccountGone { operator: operator.name.clone() }) }
}

/// The account of this name.
pub(super) async fn read_operator(
    connection: &mut Connection,
    check: RowCheck<'_>,
    name: &str,
) -> Result<Option<OperatorRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM operators WHERE name = $1").bind(name).fetch_optional(connection);
    let account = row.await?.map(|row| operator_of(check, &row)).transpose()?;
    if account.is_none() {
        check.absent(OPERATORS, name)?;
    }
    Ok(account)
}

/// All of them, by name.
pub(super) async fn all_operators(
    connection: &mut Connection,
    check: RowCheck<'_>,
) -> Result<Vec<OperatorRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM operators ORDER BY name").fetch_all(connection).await?;
    let all = rows.iter().map(|row| operator_of(check, row)).collect::<Result<Vec<_>, _>>()?;
    check.complete(OPERATORS, "", &all.iter().map(|row| row.name.clone()).collect())?;
    Ok(all)
}

pub(super) fn operator_of(check: RowCheck<'_>, row: &Row) -> Result<OperatorRow, StoreError> {
    let mut found = stored_operator(row)?;
    found.token.epoch = check.row(OPERATORS, &found.name, row, found.fields())?;
    Ok(found)
}

/// What the MAC of this row covers.
pub(crate) fn operator_mac(row: &Row) -> Result<MacInput, StoreError> {
    let found = stored_operator(row)?;
    let fields = found.fields();
    MacInput::versioned(row, OPERATORS, found.name, fields)
}

fn stored_operator(row: &Row) -> Result<OperatorRow, StoreError> {
    let key: String = row.try_get("name")?;
    let tampered = || columns::tampered(OPERATORS, &key);
    let namespaces = columns::text(row, "namespaces", OPERATORS, &key)?;
    let number = |column| columns::number(row, column, OPERATORS, &key);
    Ok(OperatorRow {
        name: key.clone(),
        role: columns::text(row, "role", OPERATORS, &key)?.parse().map_err(|_| tampered())?,
        namespaces: namespaces.split_whitespace().map(str::to_owned).collect(),
        created_at: UnixTime(number("created_at")?),
        token: IssuedToken {
            token: hashed_of(row, "token_id", "token_hash", &key)?,
            epoch: 0,
            ends_at: Some(number("expires_at")?).filter(|end| *end > 0).map(UnixTime),
        },
        previous: previous_of(row, &key)?,
    })
}

fn previous_of(row: &Row, key: &str) -> Result<Option<IssuedToken>, StoreError> {
    let epoch = columns::number(row, "previous_epoch", OPERATORS, key)?;
    let end = columns::number(row, "previous_expires_at", OPERATORS, key)?;
    let id = columns::text(row, "previous_id", OPERATORS, key)?;
    let hash = columns::bytes(row, "previous_hash", OPERATORS, key)?;
    if (epoch, end) == (0, 0) && id.is_empty() && hash.is_empty() {
        return Ok(None);
    }
    let token = hashed_of(row, "previous_id", "previous_hash", key)?;
    Ok(Some(IssuedToken { token, epoch, ends_at: Some(UnixTime(end)) }))
}

fn hashed_of(row: &Row, id: &str, hash: &str, key: &str) -> Result<HashedToken, StoreError> {
    let id = columns::text(row, id, OPERATORS, key)?;
    let hash = columns::bytes(row, hash, OPERATORS, key)?.try_into().map(Digest32);
    match (id.try_into(), hash) {
        (Ok(id), Ok(hash)) => Ok(HashedToken { id, hash }),
        _ => Err(columns::tampered(OPERATORS, key)),
    }
}

pub(super) const OPERATORS: &str = "operators";
