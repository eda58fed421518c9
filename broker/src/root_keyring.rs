//! The root keyring that a configuration names, unwrapped by Cloud KMS if it is wrapped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::locked::KeyringFile;
use vouchsafe_keystore::keyring::wrapped::StoredKeyring;
use vouchsafe_protocol::Digest32;

use crate::config::BrokerConfig;
use crate::keyring_home::KeyringHomeError;
use crate::kms::{CloudKms, KmsError};

/// A root keyring, and the digest of what it was unwrapped from.
pub(crate) struct LoadedKeyring {
    pub(crate) keyring: Keyring,
    pub(crate) wrapped: Option<Digest32>,
}

/// Why the root keyring cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyringError {
    /// Where it is kept.
    #[error(transparent)]
    Home(#[from] KeyringHomeError),
    /// It is wrapped, and was not unwrapped.
    #[error(transparent)]
    Kms(#[from] KmsError),
}

impl BrokerConfig {
    /// Reads the root keyring, and has it unwrapped if it is wrapped. Blocks, then for up to `timeout` of section `[kms]`.
    ///
    /// # Errors
    /// [`RootKeyringError`] says what to do about it.
    pub fn load_keyring(&self) -> Result<Keyring, RootKeyringError> {
        match self.keyring().read()? {
            StoredKeyring::Plain(keyring) => Ok(keyring),
            StoredKeyring::Wrapped(wrapped) => Ok(CloudKms::new(&self.kms)?.open(&wrapped)?),
        }
    }

    /// The same at the broker's start. Logs what wraps it, and root keys that lie beside it although it is wrapped.
    ///
    /// # Errors
    /// [`RootKeyringError`] says what to do about it.
    pub(crate) fn load_keyring_at_start(&self) -> Result<LoadedKeyring, RootKeyringError> {
        let home = self.keyring();
        let wrapped = match home.read()? {
            StoredKeyring::Plain(keyring) => {
                tracing::info!(event = "keyring.loaded", wrapped_by = "");
                return Ok(LoadedKeyring { keyring, wrapped: None });
            }
            StoredKeyring::Wrapped(wrapped) => wrapped,
        };
        let keyring = CloudKms::new(&self.kms)?.open(&wrapped)?;
        tracing::info!(event = "keyring.loaded", wrapped_by = wrapped.kms());
        let loaded = LoadedKeyring { keyring, wrapped: Some(wrapped.digest()) };
        let beside =
            home.file().ok().into_iter().flat_map(|file| PLAIN_BESIDE.map(|end| with_end(file, end)));
        for path in beside.filter(|path| path.exists()) {
            tracing::warn!(
                event = "keyring.not_wrapped_beside",
                path = %path.display(),
                "this file has root keys that are not wrapped: move it to a safe place that is not this machine"
            );
        }
        Ok(loaded)
    }

    /// Reads it again. Returns `None`, without Cloud KMS, if it is wrapped and its file is the one with digest `last`.
    ///
    /// # Errors
    /// [`RootKeyringError`] says what to do about it.
    pub(crate) fn reload_keyring(
        &self,
        last: Option<Digest32>,
    ) -> Result<Option<LoadedKeyring>, RootKeyringError> {
        match self.keyring().read()? {
            StoredKeyring::Plain(keyring) => Ok(Some(LoadedKeyring { keyring, wrapped: None })),
            StoredKeyring::Wrapped(wrapped) if last == Some(wrapped.digest()) => Ok(None),
            StoredKeyring::Wrapped(wrapped) => {
                let keyring = CloudKms::new(&self.kms)?.open(&wrapped)?;
                Ok(Some(LoadedKeyring { keyring, wrapped: Some(wrapped.digest()) }))
            }
        }
    }

    /// The root keyring's file, for changing it.
    ///
    /// # Errors
    /// [`KeyringHomeError::NotAFile`]: a credential cannot be written.
    pub fn keyring_file(&self) -> Result<KeyringFile, KeyringHomeError> {
        Ok(KeyringFile::new(self.keyring().file()?.to_owned(), Arc::new(self.kms.clone())))
    }
}

/// The file's path with this end.
pub(crate) fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut path = file.to_owned().into_os_string();
    path.push(end);
    path.into()
}

/// The end of the copy that `vouchsafe keyring wrap` leaves.
pub(crate) const UNWRAPPED: &str = ".unwrapped";
/// That copy, and what a killed `vouchsafe keyring unwrap` leaves.
const PLAIN_BESIDE: [&str; 2] = [UNWRAPPED, ".new"];
