//! The rows of secrets and their versions: reads them checking their MACs, writes them with new ones.

use std::collections::BTreeSet;

use sqlx::Row as _;
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{ObjectName, SecretPath, UnixTime};

use super::types::{NewVersion, SecretError, SecretSummary, VersionState, VersionSummary};
use crate::db::columns::{self, stored, time};
use crate::db::{Connection, Row, StoreError};
use crate::registry::change::Change;
use crate::registry::rows::{self, MacInput, RowCheck, RowTag};
use vouchsafe_policy::Purpose;

/// An authenticated row of table `secrets`.
pub(in crate::registry) struct SecretRow {
    pub(in crate::registry) path: SecretPath,
    pub(in crate::registry) purpose: Purpose,
    pub(in crate::registry) per_instance: bool,
    pub(in crate::registry) policy: ObjectName,
    pub(super) versions: u64,
    pub(super) created_at: UnixTime,
}

impl SecretRow {
    pub(super) fn with_new_version(
        self,
        new: NewVersion<'_>,
        per_instance: bool,
    ) -> Result<Self, SecretError> {
        let Self { path, purpose, policy, .. } = &self;
        if *purpose != new.purpose || self.per_instance != per_instance {
            let per_instance = self.per_instance;
            return Err(SecretError::OtherKind { path: path.clone(), purpose: *purpose, per_instance });
        }
        if policy != new.policy {
            return Err(SecretError::OtherPolicy { path: path.clone(), policy: policy.clone() });
        }
        let versions = self.versions.saturating_add(1);
        Ok(Self { versions, ..self })
    }

    pub(super) fn summary(self, versions: Vec<VersionSummary>) -> SecretSummary {
        let Self { path, purpose, per_instance, policy, created_at, .. } = self;
        SecretSummary { path, purpose, per_instance, policy, created_at, versions }
    }

    fn fields(&self) -> Preimage {
        rows::fields(SECRETS)
            .text(self.path.as_str())
            .text(self.purpose.as_str())
            .flag(self.per_instance)
            .text(self.policy.as_str())
            .number(self.versions)
            .number(self.created_at.0)
    }
}

pub(in crate::registry) async fn read_secret(
    connection: &mut Connection,
    check: RowCheck<'_>,
    path: &SecretPath,
) -> Result<Option<SecretRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM secrets WHERE path = $1")
        .bind(path.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        check.absent(SECRETS, path.as_str())?;
        return Ok(None);
    };
    secret_of(check, path, &row).map(Some)
}

/// The secrets whose path begins with `prefix`, by path: a namespace and `/`, or nothing for all secrets.
pub(super) async fn read_secrets(
    connection: &mut Connection,
    check: RowCheck<'_>,
    prefix: &str,
) -> Result<Vec<SecretRow>, StoreError> {
    let rows = match prefix.strip_suffix('/') {
        None => sqlx::query("SELECT * FROM secrets ORDER BY path").fetch_all(connection).await?,
        // `0` is the character after `/`.
        Some(namespace) => {
            sqlx::query("SELECT * FROM secrets WHERE path >= $1 AND path < $2 ORDER BY path")
                .bind(prefix)
                .bind(format!("{namespace}0"))
                .fetch_all(connection)
                .await?
        }
    };
    let (mut secrets, mut found) = (Vec::with_capacity(rows.len()), BTreeSet::new());
    for row in &rows {
        let path: String = row.try_get("path")?;
        let path = SecretPath::parse(&path).map_err(|_| columns::tampered(SECRETS, &path))?;
        found.insert(path.to_string());
        secrets.push(secret_of(check, &path, row)?);
    }
    // Without this check, a removed row would hide its secret.
    check.complete(SECRETS, prefix, &found)?;
    Ok(secrets)
}

fn secret_of(check: RowCheck<'_>, path: &SecretPath, row: &Row) -> Result<SecretRow, StoreError> {
    let secret = stored_secret(path, row)?;
    check.row(SECRETS, path.as_str(), row, secret.fields())?;
    Ok(secret)
}

/// What the MAC of this row of `secrets` covers.
pub(crate) fn secret_mac(row: &Row) -> Result<MacInput, StoreError> {
    let path = stored_path(row, SECRETS)?;
    let fields = stored_secret(&path, row)?.fields();
    MacInput::versioned(row, SECRETS, path.to_string(), fields)
}

/// What the MAC of this row of `secret_versions` covers.
pub(crate) fn version_mac(row: &Row) -> Result<MacInput, StoreError> {
    let path = stored_path(row, VERSIONS)?;
    let key = version_key(&path, columns::number(row, "version", VERSIONS, path.as_str())?);
    let fields = version_fields(&path, &stored_version(row, &key)?);
    MacInput::versioned(row, VERSIONS, key, fields)
}

fn stored_path(row: &Row, table: &'static str) -> Result<SecretPath, StoreError> {
    let path = columns::text(row, "path", table, "?")?;
    SecretPath::parse(&path).map_err(|_| columns::tampered(table, &path))
}

fn stored_secret(path: &SecretPath, row: &Row) -> Result<SecretRow, StoreError> {
    let key = path.as_str();
    let tampered = || columns::tampered(SECRETS, key);
    Ok(SecretRow {
        path: path.clone(),
        purpose: columns::text(row, "purpose", SECRETS, key)?.parse().map_err(|_| tampered())?,
        per_instance: columns::flag(row, "per_instance", SECRETS, key)?,
        policy: ObjectName::parse(&columns::text(row, "policy", SECRETS, key)?).map_err(|_| tampered())?,
        versions: columns::number(row, "versions", SECRETS, key)?,
        created_at: UnixTime(columns::number(row, "created_at", SECRETS, key)?),
    })
}

/// All versions of a secret. There must be one for each number; otherwise one was removed.
pub(in crate::registry) async fn read_versions(
    connection: &mut Connection,
    check: RowCheck<'_>,
    secret: &SecretRow,
) -> Result<Vec<VersionSummary>, StoreError> {
    let path = secret.path.as_str();
    let rows = sqlx::query("SELECT * FROM secret_versions WHERE path = $1 ORDER BY version")
        .bind(path)
        .fetch_all(connection)
        .await?;
    let mut versions = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(1..) {
        let key = version_key(&secret.path, expected);
        let version = stored_version(row, &key)?;
        check.row(VERSIONS, &key, row, version_fields(&secret.path, &version))?;
        if version.version != expected {
            return Err(columns::tampered(VERSIONS, &key));
        }
        versions.push(version);
    }
    if versions.len() as u64 != secret.versions {
        return Err(columns::tampered(VERSIONS, &version_key(&secret.path, secret.versions)));
    }
    Ok(versions)
}

fn stored_version(row: &Row, key: &str) -> Result<VersionSummary, StoreError> {
    let state = VersionState::parse(&columns::text(row, "state", VERSIONS, key)?);
    Ok(VersionSummary {
        version: columns::number(row, "version", VERSIONS, key)?,
        state: state.ok_or_else(|| columns::tampered(VERSIONS, key))?,
        created_at: UnixTime(columns::number(row, "created_at", VERSIONS, key)?),
        retirement: Some(columns::number(row, "retirement", VERSIONS, key)?).filter(|epoch| *epoch > 0),
    })
}

/// The paths and purposes of the secrets under this policy.
pub(in crate::registry) async fn guarded_by(
    connection: &mut Connection,
    check: RowCheck<'_>,
    policy: &ObjectName,
) -> Result<Vec<(SecretPath, Purpose)>, StoreError> {
    let all = read_secrets(connection, check, "").await?.into_iter();
    let guarded = all.filter(|secret| secret.policy == *policy);
    Ok(guarded.map(|secret| (secret.path, secret.purpose)).collect())
}

pub(super) async fn write_secret(change: &mut Change<'_>, secret: &SecretRow) -> Result<(), StoreError> {
    let tag = RowTag::new(change.check().keyring, secret.fields(), change.epoch)?;
    sqlx::query(
        "INSERT INTO secrets (path, purpose, per_instance, policy, versions, created_at, row_version, \
         generation, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (path) DO UPDATE SET \
         policy = excluded.policy, versions = excluded.versions, row_version = excluded.row_version, \
         generation = excluded.generation, mac = excluded.mac",
    )
    .bind(secret.path.as_str())
    .bind(secret.purpose.as_str())
    .bind(secret.per_instance)
    .bind(secret.policy.as_str())
    .bind(stored(secret.versions)?)
    .bind(time(secret.created_at)?)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(SECRETS, secret.path.as_str());
    Ok(())
}

pub(super) async fn write_version(
    change: &mut Change<'_>,
    path: &SecretPath,
    version: &VersionSummary,
) -> Result<(), StoreError> {
    let tag = RowTag::new(change.check().keyring, version_fields(path, version), change.epoch)?;
    sqlx::query(
        "INSERT INTO secret_versions (path, version, state, created_at, retirement, row_version, generation, mac) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (path, version) DO UPDATE SET \
         state = excluded.state, retirement = excluded.retirement, row_version = excluded.row_version, generation = excluded.generation, \
         mac = excluded.mac",
    )
    .bind(path.as_str())
    .bind(stored(version.version)?)
    .bind(version.state.as_str())
    .bind(time(version.created_at)?)
    .bind(stored(version.retirement.unwrap_or(0))?)
    .bind(tag.row_version)
    .bind(tag.generation)
    .bind(tag.mac)
    .execute(change.connection())
    .await?;
    change.wrote(VERSIONS, &version_key(path, version.version));
    Ok(())
}

/// The fields that the MAC covers. The retirement is a field only if there is one, because the MACs of rows
/// written before that column existed do not cover it.
fn version_fields(path: &SecretPath, version: &VersionSummary) -> Preimage {
    let fields = rows::fields(VERSIONS)
        .text(path.as_str())
        .number(version.version)
        .text(version.state.as_str())
        .number(version.created_at.0);
    match version.retirement {
        Some(epoch) => fields.number(epoch),
        None => fields,
    }
}

fn version_key(path: &SecretPath, version: u64) -> String {
    format!("{path} version {version}")
}

const SECRETS: &str = "secrets";
const VERSIONS: &str = "secret_versions";
