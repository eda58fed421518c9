//! The options of commands that open the broker's data themselves, without a broker.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::trusted_file;
use crate::BrokerConfig;
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
}
