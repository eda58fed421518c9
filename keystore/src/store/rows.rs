//! What every guarded row has: a MAC over all of its fields, and a row version that the log pins.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;

use super::dialect::{Connection, Row};
use super::{EPOCH, StoreError};
use crate::keyring::{GenerationId, Keyring};
use crate::preimage::Preimage;

/// The MAC of a row, and the generation it was made with.
pub(crate) struct Seal {
    pub(crate) row_version: i64,
    pub(crate) generation: i64,
    pub(crate) mac: Vec<u8>,
}

/// Starts the list of a row's fields. Layout: label || table || each field in the order of the table ||
/// row version, each length-prefixed.
pub(crate) fn fields(table: &'static str) -> Preimage {
    Preimage::new(ROW_LABEL).text(table)
}

/// Authenticates a row as of change `epoch`.
pub(crate) fn seal(keyring: &Keyring, fields: Preimage, epoch: u64) -> Result<Seal, StoreError> {
    let primary = keyring.primary();
    Ok(Seal {
        row_version: super::stored(epoch)?,
        generation: i64::from(primary.id),
        mac: primary.row().sign(&fields.number(epoch)),
    })
}

/// What is needed to believe a row that was read in a view of the database as of `epoch`.
#[derive(Clone, Copy)]
pub(crate) struct RowCheck<'a> {
    pub(crate) keyring: &'a Keyring,
    pub(crate) pins: &'a Pins,
    pub(crate) epoch: u64,
}

impl RowCheck<'_> {
    /// Checks a row's MAC and that it is not older than the log says; gives its row version.
    pub(crate) fn row(
        &self,
        table: &'static str,
        key: &str,
        row: &Row,
        fields: Preimage,
    ) -> Result<u64, StoreError> {
        let id = generation(row, table, key)?;
        let mac: Vec<u8> = row.try_get("mac").map_err(|_| tampered(table, key))?;
        let found = number(row, "row_version", table, key)?;
        let generation = self.keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration {
            table,
            key: key.to_owned(),
            id,
        })?;
        if !generation.row().signed(&fields.number(found), &mac) || found > self.epoch {
            return Err(tampered(table, key));
        }
        match self.pins.get(table, key) {
            // A change after this view was taken is no rollback.
            Some(pin) if pin.epoch > found && pin.epoch <= self.epoch => {
                Err(StoreError::RowRolledBack { table, key: key.to_owned(), found, pinned: pin.epoch })
            }
            _ => Ok(found),
        }
    }

    /// Checks that a row that is not there was never there, or was removed by an operator.
    pub(crate) fn absent(&self, table: &'static str, key: &str) -> Result<(), StoreError> {
        match self.pins.get(table, key) {
            Some(pin) if !pin.removed && pin.epoch <= self.epoch => Err(tampered(table, key)),
            _ => Ok(()),
        }
    }
}

/// The last change of a row, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) epoch: u64,
    pub(crate) removed: bool,
}

/// The last change of every row.
#[derive(Default)]
pub(crate) struct Pins(Mutex<PinTable>);

#[derive(Default)]
struct PinTable {
    epoch: u64,
    rows: HashMap<(String, String), Pin>,
}

impl Pins {
    pub(crate) fn set(&self, table: &str, key: &str, pin: Pin) {
        let mut pins = self.lock();
        pins.epoch = pins.epoch.max(pin.epoch);
        let entry = pins.rows.entry((table.to_owned(), key.to_owned())).or_insert(pin);
        if pin.epoch >= entry.epoch {
            *entry = pin;
        }
    }

    /// The newest change that this process knows of.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Remembers that this epoch was seen.
    pub(crate) fn saw(&self, epoch: u64) {
        let mut pins = self.lock();
        pins.epoch = pins.epoch.max(epoch);
    }

    fn get(&self, table: &str, key: &str) -> Option<Pin> {
        self.lock().rows.get(&(table.to_owned(), key.to_owned())).copied()
    }

    fn lock(&self) -> MutexGuard<'_, PinTable> {
        // Nothing between lock and unlock can leave the table half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn epoch(connection: &mut Connection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT value FROM epoch WHERE id = 1").fetch_optional(connection).await?;
    number(&row.ok_or_else(|| tampered(EPOCH, "1"))?, "value", EPOCH, "1")
}

pub(crate) fn tampered(table: &'static str, key: &str) -> StoreError {
    StoreError::RowTampered { table, key: key.to_owned() }
}

/// A column that holds a number of ours; anything else was not written by us.
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

const ROW_LABEL: &[u8] = b"vouchsafe/v1 row";
