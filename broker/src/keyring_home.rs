//! Where the root keyring is kept: in a file of the broker's user, or in a credential of the service manager. In both it may be
//! wrapped by a key in Cloud KMS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use vouchsafe_keystore::keyring::file::KeyringFileError;
use vouchsafe_keystore::keyring::wrapped::StoredKeyring;
use vouchsafe_system::credentials::{self, CredentialError, CredentialName, CredentialNameError};

/// The home of a root keyring; as text a path, or `credential:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum KeyringHome {
    /// A file that belongs to the broker's user, mode 0600.
    File(PathBuf),
    /// A credential of the process.
    Credential(CredentialName),
}

/// Why the root keyring cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringHomeError {
    /// The file, or what is in it or in the credential.
    #[error(transparent)]
    File(#[from] KeyringFileError),
    /// The credential.
    #[error("the root keyring is a credential: {0}")]
    Credential(#[from] CredentialError),
    /// The broker cannot change a credential.
    #[error(
        "the root keyring is the credential {name}, which the broker cannot change: change its file with `--file`, make the \
         credential of it again, and restart the broker (docs/operations.md)"
    )]
    NotAFile {
        /// The credential.
        name: CredentialName,
    },
}

impl KeyringHome {
    /// Reads the keyring as it is stored.
    ///
    /// # Errors
    /// [`KeyringHomeError::File`] and [`KeyringHomeError::Credential`].
    pub fn read(&self) -> Result<StoredKeyring, KeyringHomeError> {
        match self {
            Self::File(path) => Ok(StoredKeyring::load(path)?),
            Self::Credential(name) => {
                let (path, file) = credentials::open(name)?;
                Ok(StoredKeyring::read(&path, &file)?)
            }
        }
    }

    /// The file, for changing it.
    ///
    /// # Errors
    /// [`KeyringHomeError::NotAFile`]: a credential cannot be written.
    pub fn file(&self) -> Result<&Path, KeyringHomeError> {
        match self {
            Self::File(path) => Ok(path),
            Self::Credential(name) => Err(KeyringHomeError::NotAFile { name: name.clone() }),
        }
    }

    pub(crate) const fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Credential(_) => None,
        }
    }
}

impl FromStr for KeyringHome {
    type Err = CredentialNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(CREDENTIAL) {
            Some(name) => name.parse().map(Self::Credential),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl TryFrom<String> for KeyringHome {
    type Error = CredentialNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for KeyringHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Credential(name) => write!(f, "{CREDENTIAL}{name}"),
        }
    }
}

const CREDENTIAL: &str = "credential:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_a_path_or_names_a_credential() {
        for (text, is_credential) in
            [("/k.json", false), ("./credential:k", false), ("credential", false), ("credential:k", true)]
        {
            let home: KeyringHome = text.parse().unwrap();
            assert_eq!(
                (matches!(home, KeyringHome::Credential(_)), home.to_string().as_str()),
                (is_credential, text)
            );
        }
        for text in ["credential:", "credential:../k", "credential:a/b"] {
            assert_eq!(text.parse::<KeyringHome>(), Err(CredentialNameError), "{text}");
        }
    }
}
