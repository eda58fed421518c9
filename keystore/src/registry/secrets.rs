//! Secrets: a path, a purpose, a policy by name, and immutable versions, each with a state.
//!
//! The newest active version is released. A destroyed version keeps its row but loses its ciphertext and
//! wrapped key. Values are written here but never returned: only unsealing under a grant returns them.

use std::collections::BTreeSet;

use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath};

use super::change::{Actor, Change};
use super::handle::Registry;
use super::purpose;
use crate::db::{Emptying, StoreError};
use crate::primitives::random;
use crate::sealing::{SealContext, SealedSecret};

pub(super) mod sealed;
pub(crate) mod table;
pub(crate) mod types;

use sealed::{delete_sealed, read_sealed, write_sealed};
use table::{SecretRow, read_secret, read_secrets, read_versions, write_secret, write_version};
use types::{Erasure, MAX_GENERATED, NewVersion, SecretError, SecretSummary, VersionState, VersionSummary};

impl Registry {
    /// Puts a secret, or a new version of it.
    pub(crate) async fn put_secret(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
        secret: &PlaintextSecret,
    ) -> Result<u64, SecretError> {
        self.put_version(actor, new, false, secret, "secret.put").await
    }

    /// Puts `length` random bytes that no operator ever sees.
    pub(crate) async fn generate_secret(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
        length: usize,
    ) -> Result<u64, SecretError> {
        if !(16..=MAX_GENERATED).contains(&length) {
            return Err(SecretError::GeneratedLength { length });
        }
        let mut bytes = random::<MAX_GENERATED>()?.to_vec();
        bytes.truncate(length);
        let secret = PlaintextSecret::new(bytes)
            .map_err(|error| SecretError::GeneratedLength { length: error.length })?;
        self.put_version(actor, new, false, &secret, "secret.generate").await
    }

    /// Puts a random seed from which the 32-byte value of each instance is derived.
    pub(crate) async fn generate_per_instance(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
    ) -> Result<u64, SecretError> {
        let bytes = random::<32>()?.to_vec();
        let seed = PlaintextSecret::new(bytes)
            .map_err(|error| SecretError::GeneratedLength { length: error.length })?;
        self.put_version(actor, new, true, &seed, "secret.generate-per-instance").await
    }

    async fn put_version(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
        per_instance: bool,
        secret: &PlaintextSecret,
        action: &'static str,
    ) -> Result<u64, SecretError> {
        let authorized = actor.authorize(action, new.path.as_str())?;
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        let row = match read_secret(change.connection(), check, new.path).await? {
            Some(row) => row.with_new_version(new, per_instance)?,
            None => SecretRow {
                path: new.path.clone(),
                purpose: new.purpose,
                per_instance,
                policy: new.policy.clone(),
                versions: 1,
                created_at: actor.at,
            },
        };
        purpose::require_policy(&mut change, &self.compiled, new.path, new.purpose, new.policy).await?;
        let version = row.versions;
        let context = SealContext { path: new.path, version, policy: new.policy };
        let sealed = SealedSecret::seal(check.keyring, context, secret)?;
        write_secret(&mut change, &row).await?;
        let summary =
            VersionSummary { version, state: VersionState::Active, created_at: actor.at, retirement: None };
        write_version(&mut change, new.path, &summary).await?;
        write_sealed(change.connection(), new.path, version, &sealed).await?;
        change.commit().await?;
        Ok(version)
    }

    /// Moves a secret to another policy, wrapping the data key of every version again.
    pub(crate) async fn set_secret_policy(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        policy: &ObjectName,
    ) -> Result<(), SecretError> {
        let authorized = actor.authorize("secret.set-policy", path.as_str())?;
        let mut change = self.change(&authorized).await?;
        let check = change.check();
        let secret = require_secret(&mut change, path).await?;
        purpose::require_policy(&mut change, &self.compiled, path, secret.purpose, policy).await?;
        for version in read_versions(change.connection(), check, &secret).await? {
            if version.state == VersionState::Destroyed {
                continue;
            }
            let context = SealContext { path, version: version.version, policy: &secret.policy };
            let sealed = read_sealed(change.connection(), path, version.version).await?;
            let rebound = sealed.rebind(check.keyring, context, policy)?;
            write_sealed(change.connection(), path, version.version, &rebound).await?;
        }
        write_secret(&mut change, &SecretRow { policy: policy.clone(), ..secret }).await?;
        change.commit().await?;
        Ok(())
    }

    /// Retires one version, or all active versions together.
    pub(crate) async fn retire_secret(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        let authorized = actor.authorize("secret.retire", target(path, version))?;
        let mut change = self.change(&authorized).await?;
        move_versions(&mut change, path, version, VersionState::Retired).await?;
        Ok(change.commit().await?)
    }

    /// Restores a retired version; or all versions that the last retirement of the whole secret retired, but
    /// none that was retired by itself, before or since.
    pub(crate) async fn restore_secret(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        let authorized = actor.authorize("secret.restore", target(path, version))?;
        let mut change = self.change(&authorized).await?;
        move_versions(&mut change, path, version, VersionState::Active).await?;
        Ok(change.commit().await?)
    }

    /// Deletes the ciphertext and wrapped key of a version, or of all. Copies in backups can be opened until
    /// the generation of their root key is removed from the keyring.
    pub(crate) async fn destroy_secret(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<Erasure, SecretError> {
        let authorized = actor.authorize("secret.destroy", target(path, version))?;
        let mut change = self.change(&authorized).await?;
        move_versions(&mut change, path, version, VersionState::Destroyed).await?;
        Ok(self.commit_destruction(change).await?)
    }

    /// Commits, and empties the write-ahead log, which still contains the old pages; continues when the
    /// caller is cancelled.
    pub(super) async fn commit_destruction(&self, change: Change<'_>) -> Result<Erasure, StoreError> {
        let emptying = Emptying::begin(&self.log.pools.writer);
        change.commit().await?;
        Ok(if emptying.wait().await { Erasure::Done } else { Erasure::Waits })
    }

    /// Metadata of a secret.
    pub(crate) async fn secret(&self, path: &SecretPath) -> Result<Option<SecretSummary>, StoreError> {
        let mut view = self.operator_view().await?;
        let check = self.check(view.epoch);
        let Some(secret) = read_secret(&mut view.tx, check, path).await? else { return Ok(None) };
        let versions = read_versions(&mut view.tx, check, &secret).await?;
        Ok(Some(secret.summary(versions)))
    }

    /// All secrets, or those of these namespaces, by path.
    pub(crate) async fn secrets(
        &self,
        namespaces: Option<&[String]>,
    ) -> Result<Vec<SecretSummary>, StoreError> {
        let mut view = self.operator_view().await?;
        let check = self.check(view.epoch);
        let prefixes: BTreeSet<_> = match namespaces {
            None => BTreeSet::from([String::new()]),
            Some(names) => names.iter().map(|name| format!("{name}/")).collect(),
        };
        let mut summaries = Vec::new();
        for prefix in prefixes {
            for secret in read_secrets(&mut view.tx, check, &prefix).await? {
                let versions = read_versions(&mut view.tx, check, &secret).await?;
                summaries.push(secret.summary(versions));
            }
        }
        Ok(summaries)
    }
}

/// What a change of these versions is recorded for.
fn target(path: &SecretPath, only: Option<u64>) -> String {
    only.map_or_else(|| path.to_string(), |version| format!("{path} version {version}"))
}

async fn move_versions(
    change: &mut Change<'_>,
    path: &SecretPath,
    only: Option<u64>,
    state: VersionState,
) -> Result<(), SecretError> {
    let check = change.check();
    let secret = require_secret(change, path).await?;
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
        write_version(change, path, &moved).await?;
    }
    Ok(())
}

/// The versions that a change of state affects, in their new state.
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
        // An operator who names a retired version wants it to stay retired when the secret is restored.
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

async fn require_secret(change: &mut Change<'_>, path: &SecretPath) -> Result<SecretRow, SecretError> {
    let check = change.check();
    let secret = read_secret(change.connection(), check, path).await?;
    secret.ok_or_else(|| SecretError::Unknown { path: path.clone() })
}
