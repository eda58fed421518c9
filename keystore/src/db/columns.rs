//! Reading columns: any value that this version does not write means an edited row, and an error that names
//! it.

use sqlx::Row as _;
use vouchsafe_protocol::UnixTime;

use super::error::StoreError;
use super::sqlite::Row;
use crate::keyring::GenerationId;

pub(crate) fn tampered(table: &'static str, key: &str) -> StoreError {
    StoreError::RowTampered { table, key: key.to_owned() }
}

/// A column with an unsigned number; other values mean that the row was edited.
pub(crate) fn number(row: &Row, column: &str, table: &'static str, key: &str) -> Result<u64, StoreError> {
    row.try_get::<i64, _>(column)
        .ok()
        .and_then(|value| u64::try_from(value).ok())
        .ok_or_else(|| tampered(table, key))
}

pub(crate) fn text(row: &Row, column: &str, table: &'static str, key: &str) -> Result<String, StoreError> {
    row.try_get(column).map_err(|_| tampered(table, key))
}

pub(crate) fn bytes(row: &Row, column: &str, table: &'static str, key: &str) -> Result<Vec<u8>, StoreError> {
    row.try_get(column).map_err(|_| tampered(table, key))
}

pub(crate) fn flag(row: &Row, column: &str, table: &'static str, key: &str) -> Result<bool, StoreError> {
    row.try_get(column).map_err(|_| tampered(table, key))
}

pub(crate) fn generation(row: &Row, table: &'static str, key: &str) -> Result<GenerationId, StoreError> {
    u32::try_from(number(row, "generation", table, key)?).map_err(|_| tampered(table, key))
}

pub(crate) fn stored(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::NumberTooLarge)
}

/// A number that a caller chose, as the parameter of this name.
pub(crate) fn parameter(name: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::ParameterTooLarge { parameter: name })
}

pub(crate) fn time(now: UnixTime) -> Result<i64, StoreError> {
    stored(now.0)
}
