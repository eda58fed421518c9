//! The floor of the nonces: the latest expiry among those whose rows were removed.
//!
//! Rows are removed because their challenges have expired by the clock. If it is set back, these challenges would be accepted again
//! and their nonces look unspent. So a challenge that expires at the floor or before counts as spent. The floor
//! rises in the transaction that removes the rows, and never falls.
//!
//! It is taken from the rows and not from the clock: after a clock that was far ahead for a moment the floor is still where
//! challenges were really spent, and new ones are above it.

use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::hashing::Preimage;

use crate::db::columns::{self, stored, tampered};
use crate::db::{Connection, Row, StoreError, run};
use crate::keyring::Keyring;

/// The stored floor; 0 if no nonce was removed.
pub(crate) async fn read_floor(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<UnixTime, StoreError> {
    let query = sqlx::query("SELECT value, generation, mac FROM nonce_floor WHERE id = 1");
    let (rows, _) = run(connection, query).await?;
    let Some(row) = rows.first() else { return Ok(UnixTime(0)) };
    let floor = UnixTime(columns::number(row, "value", TABLE, KEY)?);
    let id = columns::generation(row, TABLE, KEY)?;
    let unknown = || StoreError::UnknownGeneration { table: TABLE, key: KEY.to_owned(), id };
    let generation = keyring.get(id).ok_or_else(unknown)?;
    if generation.row().verifies(&preimage(floor), &columns::bytes(row, "mac", TABLE, KEY)?) {
        Ok(floor)
    } else {
        Err(tampered(TABLE, KEY))
    }
}

/// Stores a higher floor.
pub(super) async fn write_floor(
    connection: &mut Connection,
    keyring: &Keyring,
    floor: UnixTime,
) -> Result<(), StoreError> {
    let primary = keyring.primary();
    let upsert = sqlx::query(
        "INSERT INTO nonce_floor (id, value, generation, mac) VALUES (1, $1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET value = excluded.value, generation = excluded.generation, mac = excluded.mac",
    )
    .bind(stored(floor.0)?)
    .bind(i64::from(primary.id))
    .bind(primary.row().sign(&preimage(floor)));
    let (_, written) = run(connection, upsert).await?;
    if written == 1 { Ok(()) } else { Err(tampered(TABLE, KEY)) }
}

/// What the MAC of the row covers.
pub(crate) fn floor_mac(row: &Row) -> Result<Preimage, StoreError> {
    Ok(preimage(UnixTime(columns::number(row, "value", TABLE, KEY)?)))
}

/// label || floor, each length-prefixed.
fn preimage(floor: UnixTime) -> Preimage {
    Preimage::new(FLOOR_LABEL).number(floor.0)
}

const TABLE: &str = "nonce_floor";
const KEY: &str = "1";
const FLOOR_LABEL: &[u8] = b"vouchsafe/v1 nonce floor";
