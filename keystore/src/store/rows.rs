//! What every guarded row has: a MAC over all of its fields, and a row version that the log pins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;

use super::StoreError;
use super::change::OperatorRecord;
use super::dialect::Row;
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
    /// Checks a row's MAC and that its last change is the one that the log has; gives its row version.
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
            Some(pin) if pin.epoch > self.epoch => Ok(found),
            Some(pin) if pin.epoch > found || (pin.epoch == found && pin.removed) => {
                Err(StoreError::RowRolledBack { table, key: key.to_owned(), found, pinned: pin.epoch })
            }
            Some(pin) if pin.epoch == found => Ok(found),
            // Authentic, but of a change that was never committed, or of a history that was given up.
            Some(_) | None => Err(tampered(table, key)),
        }
    }

    /// Checks that a row that is not there was never there, or was removed by an operator.
    pub(crate) fn absent(&self, table: &'static str, key: &str) -> Result<(), StoreError> {
        match self.pins.get(table, key) {
            Some(pin) if !pin.removed && pin.epoch <= self.epoch => Err(tampered(table, key)),
            _ => Ok(()),
        }
    }

    /// Checks that a list of all rows whose key starts with `prefix` lacks none.
    pub(crate) fn complete(
        &self,
        table: &'static str,
        prefix: &str,
        found: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
        match self.pins.missing(table, prefix, found, self.epoch) {
            Some(key) => Err(tampered(table, &key)),
            None => Ok(()),
        }
    }
}

/// The last change of a row, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) epoch: u64,
    pub(crate) removed: bool,
}

/// The last change of every row, and how far this process has seen the log.
#[derive(Default)]
pub(crate) struct Pins(Mutex<PinTable>);

#[derive(Default)]
struct PinTable {
    changes: Head,
    seen: Head,
    rows: BTreeMap<(String, String), Pin>,
}

/// Where the log stands: the number of its leaves, and the epoch, which is the number of the changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) epoch: u64,
}

impl Head {
    /// The head after so many leaves more.
    pub(crate) const fn plus(self, leaves: usize) -> Self {
        Self { size: self.size.saturating_add(leaves as u64), ..self }
    }
}

impl Pins {
    /// Takes over a change that is leaf `index` of the log. Changes come in their order.
    pub(crate) fn apply(&self, index: u64, change: &OperatorRecord) {
        let mut pins = self.lock();
        if change.epoch <= pins.changes.epoch {
            return;
        }
        pins.changes = Head { size: index.saturating_add(1), epoch: change.epoch };
        for row in &change.rows {
            let pin = Pin { epoch: change.epoch, removed: row.removed };
            pins.rows.insert((row.table.clone(), row.key.clone()), pin);
        }
    }

    /// The newest change that this process has taken over, and the leaves that it has read for it.
    pub(crate) fn changes(&self) -> Head {
        self.lock().changes
    }

    /// The newest head that this process has seen.
    pub(crate) fn seen(&self) -> Head {
        self.lock().seen
    }

    /// Remembers a head that is committed.
    pub(crate) fn saw(&self, head: Head) {
        let mut pins = self.lock();
        pins.seen.size = pins.seen.size.max(head.size);
        pins.seen.epoch = pins.seen.epoch.max(head.epoch);
    }

    fn missing(&self, table: &str, prefix: &str, found: &BTreeSet<String>, epoch: u64) -> Option<String> {
        let pins = self.lock();
        pins.rows
            .range((table.to_owned(), prefix.to_owned())..)
            .take_while(|((of, key), _)| of == table && key.starts_with(prefix))
            .find(|((_, key), pin)| !pin.removed && pin.epoch <= epoch && !found.contains(key))
            .map(|((_, key), _)| key.clone())
    }

    fn get(&self, table: &str, key: &str) -> Option<Pin> {
        self.lock().rows.get(&(table.to_owned(), key.to_owned())).copied()
    }

    fn lock(&self) -> MutexGuard<'_, PinTable> {
        // Nothing between lock and unlock can leave the table half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
