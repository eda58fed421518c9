//! Which generations are in the keyring, and how many rows need each.

use std::collections::BTreeMap;

use super::kinds::ROW_KINDS;
use crate::db::{Connection, Reader, StoreError};
use crate::keyring::{GenerationId, GenerationState, GenerationSummary, Keyring};
use crate::log::{NewestHead, NewestHeadError, StoredHead};
use crate::registry::Registry;

/// A generation, and what needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationUse {
    /// The generation.
    pub generation: GenerationSummary,
    /// The number of rows that need it, by table; [`NEWEST_HEAD_FILE`] for the file beside the database.
    pub rows: BTreeMap<&'static str, u64>,
}

/// Every generation of the keyring, with the rows that need it.
pub(crate) async fn uses(registry: &Registry) -> Result<Vec<GenerationUse>, StoreError> {
    let mut tx = registry.log().pools.read(Reader::Records, "keyring-status").await?;
    let generations = registry.keyring().generations().into_iter();
    let mut uses: Vec<_> =
        generations.map(|generation| GenerationUse { generation, rows: BTreeMap::new() }).collect();
    for kind in ROW_KINDS {
        for (id, count) in kind.count(&mut tx).await? {
            if let Some(found) = uses.iter_mut().find(|found| found.generation.id == id) {
                found.rows.insert(kind.table, count);
            }
        }
    }
    let file = of_file(registry.newest_head()).ok().flatten();
    if let Some(found) = uses.iter_mut().find(|found| Some(found.generation.id) == file) {
        found.rows.insert(NEWEST_HEAD_FILE, 1);
    }
    Ok(uses)
}

/// The generation that the file with the newest head needs.
fn of_file(newest: &NewestHead) -> Result<Option<GenerationId>, NewestHeadError> {
    Ok(StoredHead::read(newest.path())?.and_then(|stored| stored.generation()))
}

/// How many rows of each kind need this generation.
pub(super) async fn rows_of(
    connection: &mut Connection,
    id: GenerationId,
) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut needing = Vec::new();
    for kind in ROW_KINDS {
        let counts = kind.count(&mut *connection).await?;
        let count = counts.into_iter().find(|(found, _)| *found == id);
        needing.extend(count.map(|(_, count)| (kind.table, count)));
    }
    Ok(needing)
}

/// Why a keyring is not the newest of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outdated {
    /// Rows need a generation that it lacks.
    Lacks(GenerationId),
    /// Rows need a generation that is only pending in it: the keyring is from before the promotion.
    NotPromoted(GenerationId),
}

/// Whether rows show that the keyring is not the newest of this database. A promotion is shown by a row that is authentic under the
/// new generation: whoever can only write to the database starts none.
pub(crate) async fn outdated(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<Option<Outdated>, StoreError> {
    let generations = keyring.generations();
    for kind in ROW_KINDS {
        for (id, _) in kind.count(&mut *connection).await? {
            match generations.iter().find(|found| found.id == id).map(|found| found.state) {
                None => return Ok(Some(Outdated::Lacks(id))),
                Some(GenerationState::Pending) => {
                    kind.require_authentic(&mut *connection, keyring, id).await?;
                    return Ok(Some(Outdated::NotPromoted(id)));
                }
                Some(GenerationState::Primary | GenerationState::Retired) => {}
            }
        }
    }
    Ok(None)
}

/// The name of the file with the newest head, among the tables.
pub const NEWEST_HEAD_FILE: &str = "newest_head_file";
