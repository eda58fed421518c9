//! The sealed values of secret versions. The AEAD authenticates them, see [`crate::sealing`].

use vouchsafe_protocol::SecretPath;

use crate::db::columns::{self, stored};
use crate::db::{Connection, StoreError};
use crate::sealing::SealedSecret;

pub(in crate::registry) async fn read_sealed(
    connection: &mut Connection,
    path: &SecretPath,
    version: u64,
) -> Result<SealedSecret, StoreError> {
    let key = format!("{path} version {version}");
    let row = sqlx::query(
        "SELECT generation, data, wrapped_key FROM sealed_values WHERE path = $1 AND version = $2",
    )
    .bind(path.as_str())
    .bind(stored(version)?)
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| columns::tampered(VALUES, &key))?;
    Ok(SealedSecret {
        generation: columns::generation(&row, VALUES, &key)?,
        data: columns::bytes(&row, "data", VALUES, &key)?,
        wrapped_key: columns::bytes(&row, "wrapped_key", VALUES, &key)?,
    })
}

pub(super) async fn write_sealed(
    connection: &mut Connection,
    path: &SecretPath,
    version: u64,
    sealed: &SealedSecret,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sealed_values (path, version, generation, data, wrapped_key) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (path, version) DO UPDATE SET \
         generation = excluded.generation, wrapped_key = excluded.wrapped_key",
    )
    .bind(path.as_str())
    .bind(stored(version)?)
    .bind(i64::from(sealed.generation))
    .bind(&sealed.data)
    .bind(&sealed.wrapped_key)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete_sealed(
    connection: &mut Connection,
    path: &SecretPath,
    version: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sealed_values WHERE path = $1 AND version = $2")
        .bind(path.as_str())
        .bind(stored(version)?)
        .execute(connection)
        .await?;
    Ok(())
}

const VALUES: &str = "sealed_values";
