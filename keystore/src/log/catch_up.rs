//! Catches up with changes in the log, and checks that no leaf is missing.

use super::head::{EPOCH, Head, LogState, read_first};
use super::leaf::{LoggedRecord, read_leaf};
use super::pins::Pins;
use super::record::LogRecord;
use super::tree::LEAVES;
use crate::db::columns::{self, stored};
use crate::db::{Connection, Pools, Reader, StoreError};
use crate::keyring::Keyring;

/// Reads the last change of each row from the log, and checks that no leaf is missing.
pub(super) async fn load_pins(pools: &Pools, keyring: &Keyring) -> Result<Pins, StoreError> {
    let pins = Pins::default();
    let mut tx = pools.read(Reader::Release, "load-pins").await?;
    let state = read_first(&mut tx, keyring).await?;
    check_count(&mut tx, state.head()).await?;
    catch_up(&mut tx, keyring, &pins, &state).await?;
    Ok(pins)
}

/// Checks that there are as many leaves as the head says.
pub(super) async fn check_count(connection: &mut Connection, head: Head) -> Result<(), StoreError> {
    let count = sqlx::query(
        // SQLite also stores fractions and NULL in a column of numbers: such a row is not a leaf.
        "SELECT COUNT(CASE WHEN idx >= 0 AND idx = CAST(idx AS BIGINT) THEN 1 END) AS count, \
         COALESCE(MAX(idx) + 1, 0) AS next FROM log_leaves",
    )
    .fetch_one(connection)
    .await?;
    let found =
        [columns::number(&count, "count", LEAVES, "all")?, columns::number(&count, "next", LEAVES, "all")?];
    if found == [head.size, head.size] { Ok(()) } else { Err(columns::tampered(LEAVES, "all")) }
}

/// Adds the changes up to this state, including other processes', so that no row can be rolled back behind any of
/// them.
pub(super) async fn catch_up(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    state: &LogState,
) -> Result<(), StoreError> {
    let (mut taken, head) = (pins.changes(), state.head());
    while taken.epoch < head.epoch {
        let leaves = sqlx::query(
            "SELECT * FROM log_leaves WHERE kind = 'operator' AND idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3",
        )
        .bind(stored(taken.size)?)
        .bind(stored(head.size)?)
        .bind(CHANGES_AT_ONCE)
        .fetch_all(&mut *connection)
        .await?;
        let before = taken;
        for row in &leaves {
            let LoggedRecord { index, record, .. } = read_leaf(keyring, row)?;
            let LogRecord::Operator(change) = record else { return Err(columns::tampered(LEAVES, "?")) };
            // Every change raised the epoch by one and added one leaf.
            if change.epoch != taken.epoch.saturating_add(1) || change.epoch > head.epoch {
                return Err(columns::tampered(EPOCH, "1"));
            }
            pins.apply(index, &change);
            taken = Head { size: index.saturating_add(1), epoch: change.epoch };
        }
        if taken == before {
            return Err(columns::tampered(EPOCH, "1"));
        }
    }
    pins.saw(state);
    Ok(())
}

const CHANGES_AT_ONCE: i64 = 512;
