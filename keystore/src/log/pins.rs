//! The last change of every row according to the log: a row with an older one was rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vouchsafe_protocol::UnixTime;

use super::head::{Head, LogState};
use super::record::{OperatorRecord, RESTORE};

/// The last change of a row according to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) epoch: u64,
    /// When it was made.
    pub(crate) at: UnixTime,
    pub(crate) removed: bool,
    /// Whether signed lists made the change.
    pub(crate) signed: bool,
}

/// The last change of every row, and how far this process has read the log.
#[derive(Default)]
pub(crate) struct Pins(Mutex<PinTable>);

#[derive(Default)]
struct PinTable {
    changes: Head,
    seen: LogState,
    rows: BTreeMap<(String, String), Pin>,
    restored_at: Option<UnixTime>,
}

impl Pins {
    /// Adds the change in leaf `index` of the log. Changes must be added in order.
    pub(crate) fn apply(&self, index: u64, change: &OperatorRecord) {
        let mut pins = self.lock();
        if change.epoch <= pins.changes.epoch {
            return;
        }
        pins.changes = Head { size: index.saturating_add(1), epoch: change.epoch };
        if change.action == RESTORE {
            pins.restored_at = pins.restored_at.max(Some(change.at));
        }
        for row in &change.rows {
            let signed = !change.lists.is_empty();
            let pin = Pin { epoch: change.epoch, at: change.at, removed: row.removed, signed };
            pins.rows.insert((row.table.clone(), row.key.clone()), pin);
        }
    }

    /// When a copy of the database was last restored.
    pub(crate) fn restored_at(&self) -> Option<UnixTime> {
        self.lock().restored_at
    }

    /// The newest change added so far, and the number of leaves read for it.
    pub(crate) fn changes(&self) -> Head {
        self.lock().changes
    }

    /// The newest head that this process has seen.
    pub(crate) fn seen(&self) -> Head {
        self.lock().seen.head()
    }

    /// The log at that head.
    pub(crate) fn state(&self) -> LogState {
        self.lock().seen.clone()
    }

    /// Notes a committed state.
    pub(crate) fn saw(&self, state: &LogState) {
        let mut pins = self.lock();
        if state.size() > pins.seen.size() {
            pins.seen.tree.clone_from(&state.tree);
        }
        pins.seen.epoch = pins.seen.epoch.max(state.epoch);
    }

    pub(crate) fn missing(
        &self,
        table: &str,
        prefix: &str,
        found: &BTreeSet<String>,
        epoch: u64,
    ) -> Option<String> {
        let pins = self.lock();
        pins.rows
            .range((table.to_owned(), prefix.to_owned())..)
            .take_while(|((of, key), _)| of == table && key.starts_with(prefix))
            .find(|((_, key), pin)| !pin.removed && pin.epoch <= epoch && !found.contains(key))
            .map(|((_, key), _)| key.clone())
    }

    /// Whether a row of the table whose key starts like this was ever changed.
    pub(crate) fn has_any(&self, table: &str, prefix: &str) -> bool {
        let from = (table.to_owned(), prefix.to_owned());
        let first = self
            .lock()
            .rows
            .range(from..)
            .next()
            .map(|((of, key), _)| of == table && key.starts_with(prefix));
        first.unwrap_or_default()
    }

    pub(crate) fn get(&self, table: &str, key: &str) -> Option<Pin> {
        self.lock().rows.get(&(table.to_owned(), key.to_owned())).copied()
    }

    fn lock(&self) -> MutexGuard<'_, PinTable> {
        // The table cannot be half-written: nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
