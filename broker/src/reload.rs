//! SIGHUP: reloads certificates, the settings that a running broker can change, and the keyring.
//!
//! If the configuration or a certificate cannot be used, neither is changed, and the log says which file and why. The keyring is
//! taken by itself.

use std::path::Path;
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

use vouchsafe_keystore::rotation::RotationError;
use vouchsafe_protocol::Digest32;

use crate::broker::Broker;
use crate::clock;
use crate::config::reload::Reloaded;
use crate::config::{BrokerConfig, ConfigError};
use crate::root_keyring::RootKeyringError;
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

/// Why the keyring was not taken.
#[derive(Debug, thiserror::Error)]
enum KeyringReloadError {
    /// It cannot be read.
    #[error(transparent)]
    Keyring(#[from] RootKeyringError),
    /// It is wrapped, and its file is the one that was read last.
    #[error("the keyring is unchanged")]
    Unchanged,
    /// It is not a later one of this keystore.
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

/// Reads everything again, and logs the result.
pub(crate) async fn reload(file: &Path, broker: &Broker, certificates: &Certificates) {
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
    reload_keyring(broker).await;
}

/// Reads the keyring again, and logs the result.
pub(crate) async fn reload_keyring(broker: &Broker) {
    match take_keyring(broker).await {
        Ok(false) | Err(KeyringReloadError::Unchanged) => {}
        Ok(true) => {
            tracing::info!(event = "keyring.taken", generations = numbers(broker).join(" "));
        }
        Err(error) => {
            tracing::error!(event = "keyring.not_taken", %error, "the keyring stays as it was");
        }
    }
}

/// Whether it was changed.
async fn take_keyring(broker: &Broker) -> Result<bool, KeyringReloadError> {
    let (config, last) = (broker.config(), *seen(broker));
    let read = Arc::new(OnceLock::new());
    let reading = Arc::clone(&read);
    let load = move || {
        let loaded = config.reload_keyring(last)?.ok_or(KeyringReloadError::Unchanged)?;
        // Nothing has set it before.
        let _set = reading.set(loaded.wrapped);
        Ok::<_, KeyringReloadError>(loaded.keyring)
    };
    let taken = broker.keystore.take_keyring(load, clock::now()).await?;
    if taken {
        broker.observe_keyring();
    }
    *seen(broker) = read.get().copied().flatten();
    Ok(taken)
}

fn seen(broker: &Broker) -> MutexGuard<'_, Option<Digest32>> {
    broker.wrapped_keyring().lock().unwrap_or_else(PoisonError::into_inner)
}

fn numbers(broker: &Broker) -> Vec<String> {
    broker.keystore.keyring().generations().iter().map(|found| found.id.to_string()).collect()
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
