//! Writes the rows of operators.

use vouchsafe_protocol::UnixTime;

use super::table::{IssuedToken, OPERATORS, OperatorRow};
use crate::db::StoreError;
use crate::db::columns::{stored, time};
use crate::registry::change::Change;
use crate::registry::rows::RowTag;

/// Writes an account with the token that this change issues.
pub(super) async fn write_operator(change: &mut Change<'_>, row: &OperatorRow) -> Result<(), StoreError> {
    let tag = RowTag::new(change.check().keyring, row.fields(), change.epoch)?;
    let end = |issued: &IssuedToken| time(issued.ends_at.unwrap_or(UnixTime(0)));
    let previous = row.previous.as_ref();
    sqlx::query(
        "INSERT INTO operators (name, role, namespaces, token_id, token_hash, created_at, expires_at, previous_id, \
         previous_hash, previous_epoch, previous_expires_at, row_version, generation, mac) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (name) DO UPDATE SET \
         token_id = excluded.token_id, token_hash = excluded.token_hash, expires_at = excluded.expires_at, \
         previous_id = excluded.previous_id, previous_hash = excluded.previous_hash, \
         previous_epoch = excluded.previous_epoch, previous_expires_at = excluded.previous_expires_at, \
         row_version = excluded.row_version, generation = excluded.generation, mac = excluded.mac",
    )
    .bind(&row.name)
    .bind(row.role.as_str())
    .bind(row.namespaces.join(" "))
    .bind(row.token.token.id.as_str())
    .bind(row.token.token.hash.0.to_vec())
    .bind(time(row.created_at)?)
    .bind(end(&row.token)?)
    .bind(previous.map_or("", |previous| previous.token.id.as_str()))
    .bind(previous.map_or(Vec::new(), |previous| previous.token.hash.0.to_vec()))
    .bind(stored(previous.map_or(0, |previous| previous.epoch))?)
    .bind(previous.map_or(Ok(0), end)?)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(OPERATORS, &row.name);
    change.concerns(row.authority());
    change.issued(row.token_record());
    Ok(())
}
