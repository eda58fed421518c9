//! The rows of operators: read with their MACs checked.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use vouchsafe_policy::operators::{OperatorIdentity, OperatorRole};
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{Digest32, UnixTime};

use crate::db::columns;
use crate::db::{Connection, Row, StoreError};
use crate::log::record::Authority;
use crate::registry::rows::{self, RowCheck};

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
}

impl Operator {
    /// The operator's rights, as the log names them.
    #[must_use]
    pub fn authority(&self) -> Authority {
        Authority { namespaces: self.namespaces.clone(), role: self.role }
    }
}

/// A row of table `operators`, authenticated.
pub(super) struct OperatorRow {
    pub(super) operator: Operator,
    pub(super) token_id: String,
    pub(super) token_hash: Digest32,
    /// The change that wrote it. Rows are added and removed, and never written again.
    pub(super) epoch: u64,
}

impl OperatorRow {
    pub(super) fn fields(&self) -> Preimage {
        rows::fields(OPERATORS)
            .text(&self.operator.name)
            .text(self.operator.role.as_str())
            .text(&self.operator.namespaces.join(" "))
            .text(&self.token_id)
            .field(self.token_hash.as_bytes())
            .number(self.operator.created_at.0)
    }

    /// Whom a permission is given to.
    pub(super) fn identity(&self) -> OperatorIdentity {
        let Operator { name, role, namespaces, created_at: _ } = self.operator.clone();
        OperatorIdentity { name, role, namespaces, epoch: self.epoch }
    }
}

/// Requires that the operator's account is the one that was authenticated, with the same rights.
///
/// # Errors
/// [`StoreError::AccountGone`].
pub(in crate::registry) async fn require_account(
    connection: &mut Connection,
    check: RowCheck<'_>,
    operator: &OperatorIdentity,
) -> Result<(), StoreError> {
    let name = &operator.name;
    let row = sqlx::query("SELECT * FROM operators WHERE name = $1").bind(name).fetch_optional(connection);
    let account = row.await?.map(|row| operator_of(check, &row)).transpose()?;
    if account.is_none() {
        check.absent(OPERATORS, name)?;
    }
    if account.is_some_and(|row| row.identity() == *operator) {
        return Ok(());
    }
    Err(StoreError::AccountGone { operator: name.clone() })
}

/// All of them, by name.
pub(super) async fn all_operators(
    connection: &mut Connection,
    check: RowCheck<'_>,
) -> Result<Vec<OperatorRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM operators ORDER BY name").fetch_all(connection).await?;
    let all = rows.iter().map(|row| operator_of(check, row)).collect::<Result<Vec<_>, _>>()?;
    check.complete(OPERATORS, "", &all.iter().map(|row| row.operator.name.clone()).collect())?;
    Ok(all)
}

pub(super) fn operator_of(check: RowCheck<'_>, row: &Row) -> Result<OperatorRow, StoreError> {
    let key: String = row.try_get("name")?;
    let tampered = || columns::tampered(OPERATORS, &key);
    let namespaces = columns::text(row, "namespaces", OPERATORS, &key)?;
    let mut found = OperatorRow {
        operator: Operator {
            name: key.clone(),
            role: columns::text(row, "role", OPERATORS, &key)?.parse().map_err(|_| tampered())?,
            namespaces: namespaces.split_whitespace().map(str::to_owned).collect(),
            created_at: UnixTime(columns::number(row, "created_at", OPERATORS, &key)?),
        },
        token_id: columns::text(row, "token_id", OPERATORS, &key)?,
        token_hash: Digest32(
            columns::bytes(row, "token_hash", OPERATORS, &key)?.try_into().map_err(|_| tampered())?,
        ),
        epoch: 0,
    };
    found.epoch = check.row(OPERATORS, &key, row, found.fields())?;
    Ok(found)
}

pub(super) const OPERATORS: &str = "operators";
