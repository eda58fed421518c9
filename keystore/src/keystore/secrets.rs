//! Secrets: put, moved, retired, destroyed, listed.

use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::registry::change::Actor;
use crate::registry::secrets::types::{Erasure, NewVersion, SecretError, SecretSummary};

impl Keystore {
    /// Puts a secret, or a new version of it.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn put_secret(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
        secret: &PlaintextSecret,
    ) -> Result<u64, SecretError> {
        self.0.registry.put_secret(actor, new, secret).await
    }

    /// Puts `length` random bytes that no operator ever sees.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn generate_secret(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
        length: usize,
    ) -> Result<u64, SecretError> {
        self.0.registry.generate_secret(actor, new, length).await
    }

    /// Puts a random seed from which the 32-byte value of each instance is derived.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn generate_per_instance(
        &self,
        actor: Actor<'_>,
        new: NewVersion<'_>,
    ) -> Result<u64, SecretError> {
        self.0.registry.generate_per_instance(actor, new).await
    }

    /// Moves a secret to another policy, wrapping the data key of every version again.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn set_secret_policy(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        policy: &ObjectName,
    ) -> Result<(), SecretError> {
        self.0.registry.set_secret_policy(actor, path, policy).await
    }

    /// Retires one version, or all active versions together.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn retire_secret(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        self.0.registry.retire_secret(actor, path, version).await
    }

    /// Restores a retired version; or all versions that the last retirement of the whole secret retired, but
    /// not those that were retired individually, before or since.
    ///
    /// # Errors
    /// [`SecretError`], [`SecretError::NothingToRestore`] among them.
    pub async fn restore_secret(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(), SecretError> {
        self.0.registry.restore_secret(actor, path, version).await
    }

    /// Deletes the ciphertext and wrapped key of a version, or of all. Copies in backups can be opened until
    /// the generation of their root key is removed from the keyring.
    ///
    /// When this returns, the change is committed and the version is never released again. As a rule the
    /// ciphertext is then neither in the database's file nor in its write-ahead log. While another process or
    /// a long query reads an older state, it stays in the log ([`Erasure::Waits`]): a warning (`keystore.checkpoint_busy`) is
    /// logged every minute, and the log is emptied as soon as the read has ended. If the process is killed before
    /// that, it is emptied when the database is opened again.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn destroy_secret(
        &self,
        actor: Actor<'_>,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<Erasure, SecretError> {
        self.0.registry.destroy_secret(actor, path, version).await
    }

    /// Metadata of a secret.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn secret(&self, path: &SecretPath) -> Result<Option<SecretSummary>, StoreError> {
        self.0.registry.secret(path).await
    }

    /// All secrets, or those of these namespaces, by path.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn secrets(
        &self,
        namespaces: Option<&[String]>,
    ) -> Result<Vec<SecretSummary>, StoreError> {
        self.0.registry.secrets(namespaces).await
    }
}
