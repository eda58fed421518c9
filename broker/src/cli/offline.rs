//! The options of commands that open the broker's data themselves, without a broker.

use std::path::PathBuf;

use clap::Args;
use vouchsafe_keystore::keep_out;

use super::failure::Failure;
use super::trusted_file;
use crate::BrokerConfig;
use crate::broker::StartError;
use crate::keyring_home::KeyringHome;

#[derive(Debug, Args)]
pub(super) struct Offline {
    /// The broker's configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The root keyring, in place of the one that the configuration names: a file, or `credential:NAME`.
    #[arg(long, value_name = "KEYRING")]
    keyring: Option<KeyringHome>,
}

impl Offline {
    /// The configuration, with the keyring given here. Only the owner of the data may go on.
    pub(super) fn load(&self) -> Result<BrokerConfig, Failure> {
        let mut config = BrokerConfig::load(&self.config)?;
        trusted_file::require_owner(&config.data)?;
        if let Some(keyring) = &self.keyring {
            config.keyring = Some(keyring.clone());
        }
        Ok(config)
    }

    /// Keeps a broker out until the result is dropped, if the keyring is the one that it would use, and not another file that
    /// is given here.
    pub(super) fn keep_broker_out(
        &self,
        config: &BrokerConfig,
    ) -> Result<Option<impl Sized + use<>>, Failure> {
        if config.keyring() != BrokerConfig::load(&self.config)?.keyring() {
            return Ok(None);
        }
        Ok(Some(keep_out(&config.database()).map_err(StartError::from)?))
    }
}
