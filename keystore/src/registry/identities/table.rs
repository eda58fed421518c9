//! The rows of identities: sealed keys, and what each is used for, read with MACs checked.

use std::collections::BTreeMap;

use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{BrokerIdentity, IdentityKey, Succession, UnixTime};

use super::types::{Identities, IdentityState, IdentityUse};
use crate::db::columns::{self, stored, tampered, time};
use crate::db::{Connection, Row, StoreError};
use crate::keyring::Keyring;
use crate::registry::change::Change;
use crate::registry::rows::{self, MacInput, RowCheck, RowTag};
use crate::sealing::{self, IdentitySeed};

impl IdentityUse {
    fn fields(&self) -> Result<Preimage, StoreError> {
        Ok(rows::fields(USES)
            .number(self.id)
            .text(&self.identity.to_string())
            .text(self.state.as_str())
            .number(self.created_at.0)
            .number(self.since.0)
            .text(&self.statement_text()?))
    }

    fn statement_text(&self) -> Result<String, StoreError> {
        let text = self.statement.as_ref().map(serde_json::to_string).transpose();
        Ok(text.map_err(|_| tampered(USES, &self.id.to_string()))?.unwrap_or_default())
    }
}

/// All identities. A keystore without a rotation has one, whose use is in no row.
pub(super) async fn read(connection: &mut Connection, check: RowCheck<'_>) -> Result<Identities, StoreError> {
    let rows = sqlx::query("SELECT * FROM identity_uses ORDER BY id").fetch_all(&mut *connection).await?;
    let mut all = rows.iter().map(|row| checked_use(check, row)).collect::<Result<Vec<_>, _>>()?;
    check.complete(USES, "", &all.iter().map(|found| found.id.to_string()).collect())?;
    let keys = keys(connection, check.keyring).await?;
    if all.is_empty() {
        all.extend(keys.iter().map(|(id, key)| of_creation(*id, key)));
    }
    Identities::new(all, keys).ok_or_else(|| tampered(KEYS, "?"))
}

/// The identity that the keystore was made with.
fn of_creation(id: u64, key: &IdentityKey) -> IdentityUse {
    let (identity, state, never) = (key.identity(), IdentityState::Primary, UnixTime(0));
    IdentityUse { id, identity, state, created_at: never, since: never, statement: None, is_stored: false }
}

async fn keys(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<BTreeMap<u64, IdentityKey>, StoreError> {
    let rows = sqlx::query("SELECT * FROM identities ORDER BY id").fetch_all(connection).await?;
    let key = |row: &Row| {
        let id = columns::number(row, "id", KEYS, "?")?;
        let name = id.to_string();
        let generation = columns::generation(row, KEYS, &name)?;
        let sealed = columns::bytes(row, "sealed", KEYS, &name)?;
        Ok((id, sealing::unseal_identity(keyring, generation, &sealed)?))
    };
    rows.iter().map(key).collect()
}

fn checked_use(check: RowCheck<'_>, row: &Row) -> Result<IdentityUse, StoreError> {
    let found = stored_use(row)?;
    check.row(USES, &found.id.to_string(), row, found.fields()?)?;
    Ok(found)
}

/// What the MAC of this row covers.
pub(crate) fn use_mac(row: &Row) -> Result<MacInput, StoreError> {
    let found = stored_use(row)?;
    MacInput::versioned(row, USES, found.id.to_string(), found.fields()?)
}

fn stored_use(row: &Row) -> Result<IdentityUse, StoreError> {
    let id = columns::number(row, "id", USES, "?")?;
    let key = id.to_string();
    let wrong = || tampered(USES, &key);
    let state = columns::text(row, "state", USES, &key)?;
    let identity: BrokerIdentity =
        columns::text(row, "identity", USES, &key)?.parse().map_err(|_| wrong())?;
    Ok(IdentityUse {
        id,
        identity,
        state: IdentityState::ALL.into_iter().find(|known| known.as_str() == state).ok_or_else(wrong)?,
        created_at: UnixTime(columns::number(row, "created_at", USES, &key)?),
        since: UnixTime(columns::number(row, "since", USES, &key)?),
        statement: statement(&columns::text(row, "statement", USES, &key)?).map_err(|()| wrong())?,
        is_stored: true,
    })
}

fn statement(text: &str) -> Result<Option<Succession>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|_| ())
}

/// Every statement in a database. Only their form is checked: each is signed.
pub(crate) async fn unverified_statements(
    connection: &mut Connection,
) -> Result<Vec<Succession>, StoreError> {
    let query = "SELECT id, statement FROM identity_uses WHERE statement <> '' ORDER BY id";
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let mut all = Vec::new();
    for row in &rows {
        let key = columns::number(row, "id", USES, "?")?.to_string();
        let text = columns::text(row, "statement", USES, &key)?;
        all.extend(statement(&text).map_err(|()| tampered(USES, &key))?);
    }
    Ok(all)
}

pub(super) async fn write_use(change: &mut Change<'_>, found: &IdentityUse) -> Result<(), StoreError> {
    let keyring = change.check().keyring;
    let tag = RowTag::new(keyring, found.fields()?, change.epoch)?;
    sqlx::query(
        "INSERT INTO identity_uses (id, identity, state, created_at, since, statement, row_version, generation, mac) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET \
         state = excluded.state, since = excluded.since, statement = excluded.statement, \
         row_version = excluded.row_version, generation = excluded.generation, mac = excluded.mac",
    )
    .bind(stored(found.id)?)
    .bind(found.identity.to_string())
    .bind(found.state.as_str())
    .bind(time(found.created_at)?)
    .bind(time(found.since)?)
    .bind(found.statement_text()?)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(USES, &found.id.to_string());
    Ok(())
}

pub(super) async fn delete_use(change: &mut Change<'_>, id: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM identity_uses WHERE id = $1")
        .bind(stored(id)?)
        .execute(change.connection())
        .await?;
    change.removed(USES, &id.to_string());
    Ok(())
}

/// Seals the key of an identity.
pub(super) async fn write_key(
    change: &mut Change<'_>,
    id: u64,
    seed: &IdentitySeed,
) -> Result<(), StoreError> {
    let keyring = change.check().keyring;
    insert_key(change.connection(), keyring, id, seed).await
}

/// The same in a transaction that is no change: when the keystore is made.
pub(crate) async fn insert_key(
    connection: &mut Connection,
    keyring: &Keyring,
    id: u64,
    seed: &IdentitySeed,
) -> Result<(), StoreError> {
    let (generation, sealed) = seed.seal(keyring)?;
    sqlx::query("INSERT INTO identities (id, generation, sealed) VALUES ($1, $2, $3)")
        .bind(stored(id)?)
        .bind(i64::from(generation))
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn delete_key(change: &mut Change<'_>, id: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM identities WHERE id = $1")
        .bind(stored(id)?)
        .execute(change.connection())
        .await?;
    Ok(())
}

const KEYS: &str = "identities";
const USES: &str = "identity_uses";
