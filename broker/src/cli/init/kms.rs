//! `vouchsafe init --kms`: the root keyring is wrapped by a key in Cloud KMS from the start, and never on the disk without.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::wrapped::{StoredKeyring, WrappedKeyring};

use super::super::failure::Failure;
use crate::broker::StartError;
use crate::config::kms::KmsConfig;
use crate::keyring_home::KeyringHome;
use crate::kms::{CloudKms, KmsError, KmsKey};
use crate::root_keyring::RootKeyringError;

#[derive(Debug, Args)]
pub(super) struct KmsOptions {
    /// Have this key in Cloud KMS wrap the root keyring: projects/PROJECT/locations/LOCATION/keyRings/KEYRING/cryptoKeys/KEY.
    #[arg(long, value_name = "KEY")]
    pub(super) kms: Option<KmsKey>,
    /// Key of a service account that may use it; default: the service account of this VM.
    #[arg(long, value_name = "FILE", requires = "kms")]
    kms_credentials: Option<PathBuf>,
    /// URL of Cloud KMS, if it is not the public one.
    #[arg(long, value_name = "URL", requires = "kms")]
    kms_endpoint: Option<String>,
    /// CA of that URL, PEM; default: those of the system.
    #[arg(long, value_name = "FILE", requires = "kms")]
    kms_ca: Option<PathBuf>,
}

impl KmsOptions {
    /// Section `[kms]` of the configuration; empty if everything in it is at its default.
    pub(super) fn section(&self) -> Result<String, Failure> {
        if let Some((key, expected)) = self.config().flaw() {
            return Err(Failure::Usage(format!("{key} must be {expected}")));
        }
        let files = [("credentials", &self.kms_credentials), ("ca", &self.kms_ca)];
        let mut lines = String::new();
        if let Some(endpoint) = &self.kms_endpoint {
            lines.push_str(&format!("endpoint = {}\n", toml::Value::from(endpoint.as_str())));
        }
        for (key, file) in files {
            let Some(file) = file else { continue };
            let absolute = fs::canonicalize(file).map_err(|error| Failure::file(file, error))?;
            let text = absolute
                .to_str()
                .ok_or_else(|| Failure::file(file, "its path is not UTF-8, as TOML needs it"))?;
            lines.push_str(&format!("{key} = {}\n", toml::Value::from(text)));
        }
        Ok(if lines.is_empty() { lines } else { format!("\n[kms]\n{lines}") })
    }

    /// The same as settings.
    pub(super) fn config(&self) -> KmsConfig {
        let default = KmsConfig::default();
        let endpoint = self.kms_endpoint.clone().unwrap_or(default.endpoint);
        let (ca, credentials) = (self.kms_ca.clone(), self.kms_credentials.clone());
        KmsConfig { endpoint, ca, credentials, ..KmsConfig::default() }
    }

    /// The keyring, wrapped, if it shall be.
    pub(super) fn wrapped(&self, keyring: &Keyring) -> Result<Option<WrappedKeyring>, Failure> {
        let Some(key) = &self.kms else { return Ok(None) };
        let wrapped = CloudKms::new(&self.config()).and_then(|kms| kms.wrap(keyring, key));
        wrapped.map(Some).map_err(failed)
    }

    /// A keyring that is there already: wrapped by the key given, or not wrapped if none is.
    pub(super) fn existing(&self, home: &KeyringHome) -> Result<Keyring, Failure> {
        let given = self.kms.as_ref().map(KmsKey::as_str);
        match (home.read().map_err(RootKeyringError::from).map_err(StartError::from)?, given) {
            (StoredKeyring::Plain(keyring), None) => Ok(keyring),
            (StoredKeyring::Wrapped(wrapped), Some(key)) if wrapped.kms() == key => {
                CloudKms::new(&self.config()).and_then(|kms| kms.open(&wrapped)).map_err(failed)
            }
            (StoredKeyring::Plain(_), Some(_)) => Err(Failure::Usage(format!(
                "keyring {home} exists and is not wrapped: leave --kms out, and wrap it with `vouchsafe keyring wrap`"
            ))),
            (StoredKeyring::Wrapped(wrapped), _) => Err(Failure::Usage(format!(
                "keyring {home} is wrapped by {0}: give that with --kms",
                wrapped.kms()
            ))),
        }
    }
}

fn failed(error: KmsError) -> Failure {
    StartError::from(RootKeyringError::from(error)).into()
}
