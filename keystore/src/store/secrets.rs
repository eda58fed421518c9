//! Secrets: a path, a purpose, a policy by name, and immutable versions with a state each.
//!
//! The newest active version is served. A destroyed version keeps its row and loses its ciphertext
//! and wrapped key. Values go in and never come out here: only unsealing under a grant gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath, UnixTime};

use super::change::{By, Change};
use super::dialect::{Connection, Row};
use super::documents::{self, DocumentKind};
use super::rows::{self, RowCheck};
use super::{Keystore, StoreError, stored};
use crate::primitives::RandomError;
use crate::sealing::{Place, SealError, SealedSecret};

mod sealed;

pub(super) use sealed::read_sealed;
use sealed::{delete_sealed, write_sealed};

/// What a secret is for; its policy must be for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Unlocks a disk.
    Disk,
    /// Used by an application.
    App,
}

/// The text is no purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a purpose is `disk` or `app`")]
pub struct PurposeError;

impl Purpose {
    /// As written in policies, in the database and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::App => "app",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = PurposeError;

    fn from_str(text: &str) -> Result<Self, PurposeError> {
        match text {
            "disk" => Ok(Self::Disk),
            "app" => Ok(Self::App),
            _ => Err(PurposeError),
        }
    }
}

/// Where in its life a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    /// Served, when it is the newest that is active.
    Active,
    /// Refused; can come back.
    Retired,
    /// Gone.
    Destroyed,
}

impl VersionState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Retired, Self::Destroyed].into_iter().find(|state| state.as_str() == text)
    }
}

/// What is told of a secret. Never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretSummary {
    /// Its path.
    pub path: SecretPath,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether each instance gets a value of its own.
    pub per_instance: bool,
    /// The policy that guards it.
    pub policy: ObjectName,
    /// When it was first put.
    pub created_at: UnixTime,
    /// Its versions, the oldest first.
    pub versions: Vec<VersionSummary>,
}

/// What is told of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionSummary {
    /// Its number, from 1.
    pub version: u64,
    /// Its state.
    pub state: VersionState,
    /// When it was put.
    pub created_at: UnixTime,
}

impl SecretSummary {
    /// The version that is served.
    #[must_use]
    pub fn served(&self) -> Option<&VersionSummary> {
        self.versions.iter().rev().find(|version| version.state == VersionState::Active)
    }
}

/// Why a secret was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none at this path.
    #[error("there is no secret at {path}")]
    Unknown {
        /// The path.
        path: SecretPath,
    },
    /// There is no such version.
    #[error("{path} has no version {version}")]
    UnknownVersion {
        /// The path.
        path: SecretPath,
        /// The version.
        version: u64,
    },
    /// That version is destroyed.
    #[error("version {version} of {path} is destroyed")]
    Destroyed {
        /// The path.
        path: SecretPath,
        /// The version.
        version: u64,
    },
    /// A secret without a policy cannot exist.
    #[error("there is no policy {policy}: put the policy first")]
    NoSuchPolicy {
        /// The policy.
        policy: ObjectName,
    },
    /// A secret uses policies of its own namespace or of `shared`.
    #[error("policy {policy} is neither of the namespace of {path} nor shared")]
    ForeignPolicy {
        /// The path.
        path: SecretPath,
        /// The policy.
        policy: ObjectName,
    },
    /// A new version is for what the secret is for.
    #[error("{path} is for {purpose}{}", if *per_instance { ", a value for each instance" } else { "" })]
    OtherKind {
        /// The path.
        path: SecretPath,
        /// What it is for.
        purpose: Purpose,
        /// Whether each instance gets its own.
        per_instance: bool,
    },
    /// A new version has the secret's policy; changing the policy is an action of its own.
    #[error("{path} is guarded by {policy}: change its policy first")]
    OtherPolicy {
        /// The path.
        path: SecretPath,
        /// The policy that guards it.
        policy: ObjectName,
    },
    /// Not a length that is generated.
    #[error("a generated secret has 16 to {MAX_GENERATED} bytes, not {length}")]
    GeneratedLength {
        /// What was asked for.
        length: usize,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SecretError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a new version is put under.
#[derive(Clone, Copy, Debug)]
pub struct NewVersion<'a> {
    /// Where.
    pub path: &'a SecretPath,
    /// What for.
    pub purpose: Purpose,
    /// The policy that guards it.
    pub policy: &'a ObjectName,
}

impl Keystore {
    /// Puts a secret, or a new version of it.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn put_secret(
        &self,
        by: By<'_>,
        new: NewVersion<'_>,
        secret: &PlaintextSecret,
    ) -> Result<u64, SecretError> {
        self.put_version(by, new, false, secret, "secret.put").await
    }

    /// Puts `length` random bytes that nobody has seen.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn generate_secret(
        &self,
        by: By<'_>,
        new: NewVersion<'_>,
        length: usize,
    ) -> Result<u64, SecretError> {
        if !(16..=MAX_GENERATED).contains(&length) {
            return Err(SecretError::GeneratedLength { length });
        }
        let mut bytes = crate::primitives::random::<MAX_GENERATED>()?.to_vec();
        bytes.truncate(length);
        let secret = PlaintextSecret::new(bytes)
            .map_err(|error| SecretError::GeneratedLength { length: error.length })?;
        self.put_version(by, new, false, &secret, "secret.generate").await
    }

    /// Puts a random seed from which each instance's value, 32 bytes, is derived.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn generate_per_instance(&self, by: By<'_>, new: NewVersion<'_>) -> Result<u64, SecretError> {
        let bytes = crate::primitives::random::<32>()?.to_vec();
        let seed = PlaintextSecret::new(bytes)
            .map_err(|error| SecretError::GeneratedLength { length: error.length })?;
        self.put_version(by, new, true, &seed, "secret.generate-per-instance").await
    }

    async fn put_version(
        &self,
        by: By<'_>,
        new: NewVersion<'_>,
        per_instance: bool,
        secret: &PlaintextSecret,
        action: &str,
    ) -> Result<u64, SecretError> {
        let mut change = self.change(by).await?;
        require_policy(&mut change, new.path, new.policy).await?;
        let check = change.check();
        let row = match read_secret(change.connection(), check, new.path).await? {
            Some(row) => row.another_version(new, per_instance)?,
            None => SecretRow {
                path: new.path.clone(),
                purpose: new.purpose,
                per_instance,
                policy: new.policy.clone(),
                versions: 1,
                created_at: by.at,
            },
        };
        let version = row.versions;
        let place = Place { path: new.path, version, policy: new.policy };
        let sealed = SealedSecret::seal(check.keyring, place, secret)?;
        write_secret(&mut change, &row).await?;
        let summary = VersionSummary { version, state: VersionState::Active, created_at: by.at };
        write_version(&mut change, new.path, &summary).await?;
        write_sealed(change.connection(), new.path, version, &sealed).await?;
        change.commit(action, new.path.as_str()).await?;
        Ok(version)
    }

    /// Puts a secret under another policy. Every version's data key is wrapped anew.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn set_secret_policy(
        &self,
        by: By<'_>,
        path: &SecretPath,
        policy: &ObjectName,
    ) -> Result<(), SecretError> {
        let mut change = self.change(by).await?;
        require_policy(&mut change, path, policy).await?;
        let check = change.check();
        let secret = require_secret(&mut change, path).await?;
        for version in read_versions(change.connection(), check, &secret).await? {
            if version.state == VersionState::Destroyed {
                continue;
            }
            let place = Place { path, version: version.version, policy: &secret.policy };
            let sealed = read_sealed(change.connection(), path, version.version).await?;
            let rebound = sealed.rebind(check.keyring, place, policy)?;
            write_sealed(change.connection(), path, version.version, &rebound).await?;
        }
        write_secret(&mut change, &SecretRow { policy: policy.clone(), ..secret }).await?;
        change.commit("secret.set-policy", path.as_str()).await?;
        Ok(())
    }

    /// Retires a version, or all that are active.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn retire_secret(
        &self,
        by: By<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        self.move_versions(by, path, version, VersionState::Retired).await
    }

    /// Brings a retired version back, or all that are retired.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn restore_secret(
        &self,
        by: By<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        self.move_versions(by, path, version, VersionState::Active).await
    }

    /// Deletes the ciphertext and wrapped key of a version, or of all. Copies in backups open until
    /// the generation of their root key is removed from the keyring.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn destroy_secret(
        &self,
        by: By<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        self.move_versions(by, path, version, VersionState::Destroyed).await?;
        // The write-ahead log still has the pages as they were.
        super::dialect::checkpoint(&self.0.pools.writer).await?;
        Ok(())
    }

    async fn move_versions(
        &self,
        by: By<'_>,
        path: &SecretPath,
        only: Option<u64>,
        state: VersionState,
    ) -> Result<(), SecretError> {
        let mut change = self.change(by).await?;
        let check = change.check();
        let secret = require_secret(&mut change, path).await?;
        let versions = read_versions(change.connection(), check, &secret).await?;
        if let Some(version) = only {
            let found = versions.iter().find(|found| found.version == version);
            match found.ok_or_else(|| SecretError::UnknownVersion { path: path.clone(), version })?.state {
                VersionState::Destroyed => {
                    return Err(SecretError::Destroyed { path: path.clone(), version });
                }
                VersionState::Active | VersionState::Retired => {}
            }
        }
        for version in versions {
            let other = only.is_some_and(|only| only != version.version);
            if other || version.state == VersionState::Destroyed || version.state == state {
                continue;
            }
            if state == VersionState::Destroyed {
                delete_sealed(change.connection(), path, version.version).await?;
            }
            write_version(&mut change, path, &VersionSummary { state, ..version }).await?;
        }
        let action = match state {
            VersionState::Active => "secret.restore",
            VersionState::Retired => "secret.retire",
            VersionState::Destroyed => "secret.destroy",
        };
        let target = only.map_or_else(|| path.to_string(), |version| format!("{path} version {version}"));
        change.commit(action, &target).await?;
        Ok(())
    }

    /// What is known of a secret.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn secret(&self, path: &SecretPath) -> Result<Option<SecretSummary>, StoreError> {
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        let Some(secret) = read_secret(&mut read.tx, check, path).await? else { return Ok(None) };
        let versions = read_versions(&mut read.tx, check, &secret).await?;
        Ok(Some(secret.summary(versions)))
    }

    /// All secrets, or those of a namespace, by path.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn secrets(&self, namespace: Option<&str>) -> Result<Vec<SecretSummary>, StoreError> {
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        let rows = sqlx::query("SELECT * FROM secrets ORDER BY path").fetch_all(&mut *read.tx).await?;
        let mut summaries = Vec::new();
        for row in &rows {
            let path: String = row.try_get("path")?;
            let path = SecretPath::parse(&path).map_err(|_| rows::tampered(SECRETS, &path))?;
            if namespace.is_none_or(|namespace| namespace == path.namespace()) {
                let secret = secret_of(check, &path, row)?;
                let versions = read_versions(&mut read.tx, check, &secret).await?;
                summaries.push(secret.summary(versions));
            }
        }
        Ok(summaries)
    }
}

/// A row of table `secrets`, authenticated.
pub(super) struct SecretRow {
    pub(super) path: SecretPath,
    pub(super) purpose: Purpose,
    pub(super) per_instance: bool,
    pub(super) policy: ObjectName,
    versions: u64,
    created_at: UnixTime,
}

impl SecretRow {
    fn another_version(self, new: NewVersion<'_>, per_instance: bool) -> Result<Self, SecretError> {
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

    fn summary(self, versions: Vec<VersionSummary>) -> SecretSummary {
        let Self { path, purpose, per_instance, policy, created_at, .. } = self;
        SecretSummary { path, purpose, per_instance, policy, created_at, versions }
    }

    fn fields(&self) -> crate::preimage::Preimage {
        rows::fields(SECRETS)
            .text(self.path.as_str())
            .text(self.purpose.as_str())
            .flag(self.per_instance)
            .text(self.policy.as_str())
            .number(self.versions)
            .number(self.created_at.0)
    }
}

async fn require_policy(
    change: &mut Change<'_>,
    path: &SecretPath,
    policy: &ObjectName,
) -> Result<(), SecretError> {
    if policy.namespace() != path.namespace() && policy.namespace() != SHARED {
        return Err(SecretError::ForeignPolicy { path: path.clone(), policy: policy.clone() });
    }
    let check = change.check();
    documents::read_current(change.connection(), check, DocumentKind::Policy, policy)
        .await?
        .map(|_| ())
        .ok_or_else(|| SecretError::NoSuchPolicy { policy: policy.clone() })
}

async fn require_secret(change: &mut Change<'_>, path: &SecretPath) -> Result<SecretRow, SecretError> {
    let check = change.check();
    let secret = read_secret(change.connection(), check, path).await?;
    secret.ok_or_else(|| SecretError::Unknown { path: path.clone() })
}

pub(super) async fn read_secret(
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

fn secret_of(check: RowCheck<'_>, path: &SecretPath, row: &Row) -> Result<SecretRow, StoreError> {
    let key = path.as_str();
    let tampered = || rows::tampered(SECRETS, key);
    let secret = SecretRow {
        path: path.clone(),
        purpose: rows::text(row, "purpose", SECRETS, key)?.parse().map_err(|_| tampered())?,
        per_instance: rows::flag(row, "per_instance", SECRETS, key)?,
        policy: ObjectName::parse(&rows::text(row, "policy", SECRETS, key)?).map_err(|_| tampered())?,
        versions: rows::number(row, "versions", SECRETS, key)?,
        created_at: UnixTime(rows::number(row, "created_at", SECRETS, key)?),
    };
    check.row(SECRETS, key, row, secret.fields())?;
    Ok(secret)
}

/// All versions of a secret; there is one for each number, or somebody removed one.
pub(super) async fn read_versions(
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
        let state = VersionState::parse(&rows::text(row, "state", VERSIONS, &key)?);
        let version = VersionSummary {
            version: rows::number(row, "version", VERSIONS, &key)?,
            state: state.ok_or_else(|| rows::tampered(VERSIONS, &key))?,
            created_at: UnixTime(rows::number(row, "created_at", VERSIONS, &key)?),
        };
        check.row(VERSIONS, &key, row, version_fields(&secret.path, &version))?;
        if version.version != expected {
            return Err(rows::tampered(VERSIONS, &key));
        }
        versions.push(version);
    }
    if versions.len() as u64 != secret.versions {
        return Err(rows::tampered(VERSIONS, &version_key(&secret.path, secret.versions)));
    }
    Ok(versions)
}

async fn write_secret(change: &mut Change<'_>, secret: &SecretRow) -> Result<(), StoreError> {
    let seal = rows::seal(change.check().keyring, secret.fields(), change.epoch)?;
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
    .bind(super::time(secret.created_at)?)
    .bind(seal.row_version)
    .bind(seal.generation)
    .bind(seal.mac)
    .execute(change.connection())
    .await?;
    change.wrote(SECRETS, secret.path.as_str());
    Ok(())
}

async fn write_version(
    change: &mut Change<'_>,
    path: &SecretPath,
    version: &VersionSummary,
) -> Result<(), StoreError> {
    let seal = rows::seal(change.check().keyring, version_fields(path, version), change.epoch)?;
    sqlx::query(
        "INSERT INTO secret_versions (path, version, state, created_at, row_version, generation, mac) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (path, version) DO UPDATE SET \
         state = excluded.state, row_version = excluded.row_version, generation = excluded.generation, \
         mac = excluded.mac",
    )
    .bind(path.as_str())
    .bind(stored(version.version)?)
    .bind(version.state.as_str())
    .bind(super::time(version.created_at)?)
    .bind(seal.row_version)
    .bind(seal.generation)
    .bind(seal.mac)
    .execute(change.connection())
    .await?;
    change.wrote(VERSIONS, &version_key(path, version.version));
    Ok(())
}

fn version_fields(path: &SecretPath, version: &VersionSummary) -> crate::preimage::Preimage {
    rows::fields(VERSIONS)
        .text(path.as_str())
        .number(version.version)
        .text(version.state.as_str())
        .number(version.created_at.0)
}

fn version_key(path: &SecretPath, version: u64) -> String {
    format!("{path} version {version}")
}

/// The namespace whose policies and baselines all others may use.
pub(super) const SHARED: &str = "shared";
const SECRETS: &str = "secrets";
const VERSIONS: &str = "secret_versions";
const MAX_GENERATED: usize = 1024;
