//! Sealing and authenticating rows under the primary generation, a few at a time.
//!
//! A row that is done does not need its old generation any more, and that is all the state there is: a process that is killed goes on
//! where it was.

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use super::kinds::UnreadableRow;
use super::kinds::{Part, ROW_KINDS, RowKey, RowKind};
use super::{RESEAL, Rotation, RotationError};
use crate::db::StoreError;
use crate::keyring::GenerationId;
use crate::registry::Registry;
use crate::registry::change::Actor;

/// What one call has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resealed {
    /// The primary generation.
    pub generation: GenerationId,
    /// Rows that need it since this call, and needed another one before.
    pub rows: u64,
    /// Rows that still need another one.
    pub remaining: u64,
    /// Rows among them that were found not to be what the broker wrote. A call ends early when there are many.
    pub unreadable: Vec<UnreadableRow>,
}

impl Rotation {
    /// Reseals up to [`RESEAL_MOST`] rows.
    pub(crate) async fn reseal(
        &self,
        registry: &Registry,
        actor: Actor<'_>,
    ) -> Result<Resealed, RotationError> {
        let generation = registry.keyring().primary().id;
        let authorized = actor.authorize(RESEAL, generation.to_string())?;
        let mut resealing = self.resealing.lock().await;
        let mut pending = remaining(registry, generation).await?;
        if !pending.is_empty() && *resealing != Some(generation) {
            // This record needs the new generation, as do all later ones.
            registry.change(&authorized).await?.commit().await?;
            *resealing = Some(generation);
        }
        let mut done = Done::default();
        for (kind, old, _) in pending {
            all_of(registry, kind, old, &mut done).await?;
        }
        pending = remaining(registry, generation).await?;
        registry.write_newest_head();
        let remaining = pending.iter().map(|(_, _, count)| count).sum();
        let Done { rows, unreadable } = done;
        for UnreadableRow { table, key, problem } in &unreadable {
            tracing::error!(event = "keyring.row_not_resealed", table, key, problem);
        }
        Ok(Resealed { generation, rows, remaining, unreadable })
    }
}

/// What a call has done so far.
#[derive(Default)]
struct Done {
    rows: u64,
    unreadable: Vec<UnreadableRow>,
}

impl Done {
    const fn is_enough(&self) -> bool {
        self.rows >= RESEAL_MOST || self.unreadable.len() >= UNREADABLE_MOST
    }
}

/// Goes through the rows of one kind under one generation, until enough is done. Rows that cannot be resealed stay under it, so what
/// comes next is found by their keys.
async fn all_of(
    registry: &Registry,
    kind: &RowKind,
    old: GenerationId,
    done: &mut Done,
) -> Result<(), StoreError> {
    let mut after = None;
    while !done.is_enough() {
        let part = some(registry, kind, old, after.as_ref()).await?;
        done.rows = done.rows.saturating_add(part.resealed);
        done.unreadable.extend(part.unreadable);
        match part.last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    Ok(())
}

/// The kinds with rows that need another generation than this one.
async fn remaining(
    registry: &Registry,
    primary: GenerationId,
) -> Result<Vec<(&'static RowKind, GenerationId, u64)>, StoreError> {
    let mut tx = registry.log().pools.read(crate::db::Reader::Records, "keyring-status").await?;
    let mut found = Vec::new();
    for kind in ROW_KINDS {
        let counts = kind.count(&mut tx).await?.into_iter().filter(|(id, _)| *id != primary);
        found.extend(counts.map(|(id, count)| (kind, id, count)));
    }
    Ok(found)
}

/// One transaction; releases and operators have at least as much time before the next one.
async fn some(
    registry: &Registry,
    kind: &RowKind,
    old: GenerationId,
    after: Option<&RowKey>,
) -> Result<Part, StoreError> {
    let begun = Instant::now();
    let mut tx = registry.log().pools.write("reseal").await?;
    let part = kind.reseal(&mut tx, registry.keyring(), old, after, AT_ONCE).await?;
    tx.commit().await?;
    tokio::time::sleep(begun.elapsed()).await;
    Ok(part)
}

/// Rows that one call reseals at most, and up to one transaction more.
pub const RESEAL_MOST: u64 = 4096;
/// Rows that one call names at most, and up to one transaction more: a database with as many is to be restored.
const UNREADABLE_MOST: usize = 100;
/// Some milliseconds.
const AT_ONCE: u32 = 128;
