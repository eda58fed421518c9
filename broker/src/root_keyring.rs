//! The root keyring that a configuration names, unwrapped by Cloud KMS if it is wrapped.

use std::sync::Arc;

use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::wrapped::{KeyringFile, StoredKeyring};

use crate::config::BrokerConfig;
use crate::keyring_home::KeyringHomeError;
use crate::kms::{CloudKms, KmsError};

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

    /// The root keyring's file, for changing it.
    ///
    /// # Errors
    /// [`KeyringHomeError::NotAFile`]: a credential cannot be written.
    pub fn keyring_file(&self) -> Result<KeyringFile, KeyringHomeError> {
        Ok(KeyringFile::new(self.keyring().file()?.to_owned(), Arc::new(self.kms.clone())))
    }
}
