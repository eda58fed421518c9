//! Secrets: a path, a purpose, a policy by name, and immutable versions with a state each.
//!
//! The newest active version is served. A destroyed version keeps its row and loses its ciphertext
//! and wrapped key. Values go in and never come out here: only unsealing under a grant gives them.

use std::collections::BTreeSet;

use sqlx::Row as _;
use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath};

use super::change::{By, Change};
use super::documents::{self, DocumentKind};
use super::rows;
use super::{Keystore, StoreError};
use crate::sealing::{Place, SealedSecret};
use vouchsafe_policy::Purpose;

mod sealed;
mod table;
mod types;

pub(super) use sealed::read_sealed;
use sealed::{delete_sealed, write_sealed};
use table::{SECRETS, SecretRow, secret_of, write_secret, write_version};
pub(super) use table::{read_secret, read_versions};
use types::MAX_GENERATED;
pub use types::{NewVersion, SecretError, SecretSummary, VersionState, VersionSummary};

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
        self.require_policy(&mut change, new.path, new.purpose, new.policy).await?;
        let version = row.versions;
        let place = Place { path: new.path, version, policy: new.policy };
        let sealed = SealedSecret::seal(check.keyring, place, secret)?;
        write_secret(&mut change, &row).await?;
        let summary =
            VersionSummary { version, state: VersionState::Active, created_at: by.at, retirement: None };
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
        let check = change.check();
        let secret = require_secret(&mut change, path).await?;
        self.require_policy(&mut change, path, secret.purpose, policy).await?;
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

    /// That a secret for this purpose may rest on this policy, as both are in this transaction.
    async fn require_policy(
        &self,
        change: &mut Change<'_>,
        path: &SecretPath,
        purpose: Purpose,
        policy: &ObjectName,
    ) -> Result<(), SecretError> {
        if policy.namespace() != path.namespace() && policy.namespace() != SHARED {
            return Err(SecretError::ForeignPolicy { path: path.clone(), policy: policy.clone() });
        }
        let check = change.check();
        let document =
            documents::read_current(change.connection(), check, DocumentKind::Policy, policy).await?;
        let document = document.ok_or_else(|| SecretError::NoSuchPolicy { policy: policy.clone() })?;
        let compiled = self
            .compiled(&document)
            .await
            .map_err(|error| SecretError::Policy { policy: policy.clone(), error: Box::new(error) })?;
        Ok(purpose.check_policy(path, policy, compiled.purpose())?)
    }

    /// Retires a version by itself, or all that are active together.
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

    /// Brings a retired version back; or those that the last retirement of the whole secret retired, and no version that
    /// was retired by itself, before or since.
    ///
    /// # Errors
    /// [`SecretError`], [`SecretError::NothingToRestore`] among them.
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
        for moved in moves(path, &versions, only, state, change.epoch)? {
            if state == VersionState::Destroyed {
                delete_sealed(change.connection(), path, moved.version).await?;
            }
            write_version(&mut change, path, &moved).await?;
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
    pub(crate) async fn secret(&self, path: &SecretPath) -> Result<Option<SecretSummary>, StoreError> {
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
    pub(crate) async fn secrets(&self, namespace: Option<&str>) -> Result<Vec<SecretSummary>, StoreError> {
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        let rows = sqlx::query("SELECT * FROM secrets ORDER BY path").fetch_all(&mut *read.tx).await?;
        let mut summaries = Vec::new();
        let mut found = BTreeSet::new();
        for row in &rows {
            let path: String = row.try_get("path")?;
            let path = SecretPath::parse(&path).map_err(|_| rows::tampered(SECRETS, &path))?;
            if namespace.is_none_or(|namespace| namespace == path.namespace()) {
                let secret = secret_of(check, &path, row)?;
                let versions = read_versions(&mut read.tx, check, &secret).await?;
                summaries.push(secret.summary(versions));
            }
            found.insert(path.to_string());
        }
        check.complete(SECRETS, "", &found)?;
        Ok(summaries)
    }
}

/// The versions that a change of state changes, as they will be.
fn moves(
    path: &SecretPath,
    versions: &[VersionSummary],
    only: Option<u64>,
    state: VersionState,
    epoch: u64,
) -> Result<Vec<VersionSummary>, SecretError> {
    use VersionState::{Active, Destroyed, Retired};
    let last = versions.iter().filter_map(|version| version.retirement).max();
    let concerned = |version: &&VersionSummary| match (only, state) {
        _ if version.state == Destroyed => false,
        // Whoever names a retired version wants it to stay so when the secret comes back.
        (Some(only), Retired) => {
            only == version.version && (version.state == Active || version.retirement.is_some())
        }
        (Some(only), _) => only == version.version && version.state != state,
        (None, Active) => version.state == Retired && last.is_some() && version.retirement == last,
        (None, _) => version.state != state,
    };
    let retirement = (only.is_none() && state == Retired).then_some(epoch);
    let concerned = versions.iter().filter(concerned);
    let moved: Vec<_> =
        concerned.map(|version| VersionSummary { state, retirement, ..version.clone() }).collect();
    let serves = versions.iter().any(|version| version.state == Active);
    let retired = versions.iter().any(|version| version.state == Retired);
    if only.is_none() && state == Active && moved.is_empty() && (retired || !serves) {
        return Err(SecretError::NothingToRestore { path: path.clone() });
    }
    Ok(moved)
}

/// The secrets that rest on this policy, for a change of it: their paths and what they are for.
pub(super) async fn guarded_by(
    change: &mut Change<'_>,
    policy: &ObjectName,
) -> Result<Vec<(SecretPath, Purpose)>, StoreError> {
    let check = change.check();
    let rows = sqlx::query("SELECT * FROM secrets ORDER BY path").fetch_all(change.connection()).await?;
    let (mut guarded, mut found) = (Vec::new(), BTreeSet::new());
    for row in &rows {
        let path: String = row.try_get("path")?;
        let path = SecretPath::parse(&path).map_err(|_| rows::tampered(SECRETS, &path))?;
        let secret = secret_of(check, &path, row)?;
        found.insert(path.to_string());
        if secret.policy == *policy {
            guarded.push((path, secret.purpose));
        }
    }
    // A row that was removed could hide a secret from this check.
    check.complete(SECRETS, "", &found)?;
    Ok(guarded)
}

async fn require_secret(change: &mut Change<'_>, path: &SecretPath) -> Result<SecretRow, SecretError> {
    let check = change.check();
    let secret = read_secret(change.connection(), check, path).await?;
    secret.ok_or_else(|| SecretError::Unknown { path: path.clone() })
}

/// The namespace whose policies and baselines all others may use.
pub(super) const SHARED: &str = "shared";
