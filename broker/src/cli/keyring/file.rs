//! Steps of the rotation in a file that no broker writes.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::KeyringError;
use vouchsafe_keystore::keyring::file::KeyringFileError;
use vouchsafe_keystore::keyring::locked::{KeyringFile, Replacement};

use crate::BrokerConfig;
use crate::cli::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Where {
    /// Change this file, and ask no broker: for a keyring that the broker cannot write, such as a credential. It takes the
    /// file with SIGHUP or when it is started, and refuses one that lacks what its database needs.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["operator", "server", "ca", "token_file"])]
    file: Option<PathBuf>,
    /// With --file, if a key in Cloud KMS wraps it: the broker's configuration, whose section "kms" says how the service is
    /// reached.
    #[arg(long, value_name = "FILE", requires = "file")]
    config: Option<PathBuf>,
}

/// The file that is changed.
pub(super) struct Target {
    path: PathBuf,
    file: KeyringFile,
}

impl Where {
    pub(super) fn file(self) -> Result<Option<Target>, Failure> {
        let Some(path) = self.file else { return Ok(None) };
        let file = match self.config {
            Some(config) => KeyringFile::new(path.clone(), Arc::new(BrokerConfig::load(&config)?.kms)),
            None => KeyringFile::plain(path.clone()),
        };
        Ok(Some(Target { path, file }))
    }
}

impl Target {
    /// Takes one step, while no other process changes the file.
    pub(super) fn change(
        &self,
        step: impl FnOnce(&Keyring) -> Result<(Keyring, u32), KeyringError>,
    ) -> Result<Value, Failure> {
        let failed = |error: KeyringFileError| Failure::Usage(error.to_string());
        let open = self.file.open().map_err(failed)?;
        let (changed, generation) = step(&open.keyring).map_err(|error| Failure::file(&self.path, error))?;
        open.prepare(&changed).and_then(Replacement::put_in_place).map_err(failed)?;
        Ok(json!({ "generation": generation }))
    }
}
