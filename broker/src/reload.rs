//! SIGHUP: reloads certificates, and the settings that a running broker can change.
//!
//! If one file cannot be used, nothing is changed, and the log says which file and why.

use std::path::Path;

use crate::broker::Broker;
use crate::config::reload::Reloaded;
use crate::config::{BrokerConfig, ConfigError};
use crate::server::Certificates;
use crate::tls::{self, TlsError};

/// Why nothing was reloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Reads the configuration and the certificates again, and logs the result.
pub(crate) fn reload(file: &Path, broker: &Broker, certificates: &Certificates) {
    match take(file, broker, certificates) {
        Ok((changed, restart)) => {
            tls::watch::observe(broker, certificates, true);
            tracing::info!(
                event = "broker.reloaded",
                changed = changed.join(" "),
                needs_restart = restart.join(" "),
                "new connections get the certificates as they are now"
            );
        }
        Err(error) => {
            tracing::error!(
                event = "broker.reload_failed",
                %error,
                "configuration and certificates stay as they were"
            );
        }
    }
}

type Keys = Vec<&'static str>;

fn take(file: &Path, broker: &Broker, certificates: &Certificates) -> Result<(Keys, Keys), ReloadError> {
    let new = BrokerConfig::load(file)?;
    let Reloaded { config, changed, restart } = broker.config().reloaded(new);
    certificates.reload(&config)?;
    broker.configure(config);
    Ok((changed, restart))
}

#[cfg(test)]
mod tests;
