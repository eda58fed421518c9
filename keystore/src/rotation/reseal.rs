//! Sealing and authenticating rows under the primary generation, a few at a time.
//!
//! A row that is done does not need its old generation any more, and that is all the state there is: a process that is killed goes on
//! where it was.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::kinds::{ROW_KINDS, RowKind};
use super::{RESEAL, Rotation, RotationError};
use crate::db::StoreError;
use crate::keyring::GenerationId;
use crate::registry::Registry;
use crate::registry::change::Actor;

/// What one call has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resealed {
    /// The primary generation.
    pub generation: GenerationId,
    /// Rows that need it since this call, and needed another one before.
    pub rows: u64,
    /// Rows that still need another one.
    pub remaining: u64,
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
        let mut left = RESEAL_MOST;
        for (kind, old, _) in pending {
            while left > 0 {
                let done = some(registry, kind, old).await?;
                if done == 0 {
                    break;
                }
                left = left.saturating_sub(done);
            }
        }
        pending = remaining(registry, generation).await?;
        registry.write_newest_head();
        let remaining = pending.iter().map(|(_, _, count)| count).sum();
        Ok(Resealed { generation, rows: RESEAL_MOST.saturating_sub(left), remaining })
    }
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
async fn some(registry: &Registry, kind: &RowKind, old: GenerationId) -> Result<u64, StoreError> {
    let begun = Instant::now();
    let mut tx = registry.log().pools.write("reseal").await?;
    let done = kind.reseal(&mut tx, registry.keyring(), old, AT_ONCE).await?;
    tx.commit().await?;
    tokio::time::sleep(begun.elapsed()).await;
    Ok(done)
}

/// Rows that one call reseals at most, and up to one transaction more.
pub const RESEAL_MOST: u64 = 4096;
/// Some milliseconds.
const AT_ONCE: u32 = 128;
