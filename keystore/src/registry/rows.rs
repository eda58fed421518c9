//! The common part of guarded rows: a MAC over all fields, and a row version that the log pins.

use std::collections::BTreeSet;

use sqlx::Row as _;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::hashing::Preimage;

use crate::db::columns::{generation, number, stored, tampered};
use crate::db::{Row, StoreError};
use crate::keyring::Keyring;
use crate::log::Pins;

/// The MAC of a row, and its generation.
pub(crate) struct RowTag {
    pub(crate) row_version: i64,
    pub(crate) generation: i64,
    pub(crate) mac: Vec<u8>,
}

impl RowTag {
    /// Authenticates a row of change `epoch`.
    pub(crate) fn new(keyring: &Keyring, fields: Preimage, epoch: u64) -> Result<Self, StoreError> {
        let primary = keyring.primary();
        Ok(Self {
            row_version: stored(epoch)?,
            generation: i64::from(primary.id),
            mac: primary.row().sign(&fields.number(epoch)),
        })
    }
}

/// Starts the list of a row's fields. Layout: label || table || each field in the order of the table ||
/// row version, each length-prefixed.
pub(crate) fn fields(table: &'static str) -> Preimage {
    Preimage::new(ROW_LABEL).text(table)
}

/// A row as its MAC covers it, for replacing that MAC by one of another generation.
pub(crate) struct MacInput {
    /// The row's name in messages.
    pub(crate) key: String,
    pub(crate) preimage: Preimage,
}

impl MacInput {
    /// Of a row with a row version. `fields` are all its other fields.
    pub(crate) fn versioned(
        row: &Row,
        table: &'static str,
        key: String,
        fields: Preimage,
    ) -> Result<Self, StoreError> {
        let version = number(row, "row_version", table, &key)?;
        Ok(Self { preimage: fields.number(version), key })
    }
}

/// What is needed to verify rows read from a view of the database at `epoch`.
#[derive(Clone, Copy)]
pub(crate) struct RowCheck<'a> {
    pub(crate) keyring: &'a Keyring,
    pub(crate) pins: &'a Pins,
    pub(crate) epoch: u64,
}

impl RowCheck<'_> {
    /// Verifies a row's MAC, and that its last change is the one in the log; returns its row version.
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
        if !generation.row().verifies(&fields.number(found), &mac) || found > self.epoch {
            return Err(tampered(table, key));
        }
        match self.pins.get(table, key) {
            // A change after this view was taken does not count as a rollback.
            Some(pin) if pin.epoch > self.epoch => Ok(found),
            Some(pin) if pin.epoch > found || (pin.epoch == found && pin.removed) => {
                Err(StoreError::RowRolledBack { table, key: key.to_owned(), found, pinned: pin.epoch })
            }
            Some(pin) if pin.epoch == found => Ok(found),
            // Authentic, but from a change that was never committed, or from an abandoned history.
            Some(_) | None => Err(tampered(table, key)),
        }
    }

    /// When the change was made that a verified row is of: `None` if a later one is pinned.
    pub(crate) fn changed_at(&self, table: &'static str, key: &str, row_version: u64) -> Option<UnixTime> {
        self.pins.get(table, key).filter(|pin| pin.epoch == row_version).map(|pin| pin.at)
    }

    /// Checks that a missing row never existed, or was removed by an operator.
    pub(crate) fn absent(&self, table: &'static str, key: &str) -> Result<(), StoreError> {
        match self.pins.get(table, key) {
            Some(pin) if !pin.removed && pin.epoch <= self.epoch => Err(tampered(table, key)),
            _ => Ok(()),
        }
    }

    /// Checks that a list of all rows whose key starts with `prefix` is complete.
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

const ROW_LABEL: &[u8] = b"vouchsafe/v1 row";
