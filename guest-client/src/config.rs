//! The guest's configuration: brokers, pinned identities, evidence.
//!
//! It belongs in the measured part of the boot chain: the guest accepts only answers that the identities pinned in it have
//! signed. Unknown keys are errors; nothing is read from the environment. The file is parsed and checked once, into one
//! value for each part of the program: [`ClientConfig`], [`HttpsConfig`], [`CollectConfig`] and [`KeysConfig`].

mod broker_url;
mod client;
mod error;
mod evidence;
mod file;
mod google_token;
mod hardware;
mod keys;
mod limits;
mod place;
mod stage;
mod updates;
mod vtpm;

use std::path::Path;

pub use broker_url::{BrokerUrl, BrokerUrlError};
pub use client::{ClientConfig, HttpsConfig};
pub use error::{ConfigError, NameFault};
pub use evidence::{CollectConfig, EvidenceChoice};
use file::File;
pub use google_token::{ApiEndpoint, EndpointError, GoogleTokenConfig, MetadataServer, Shown, TokenType};
pub use hardware::{SevSnpConfig, TdxConfig};
pub use keys::{KeyError, KeysConfig, Volume};
pub use limits::Limits;
pub use place::Place;
pub use stage::Stage;
pub use updates::UpdatesConfig;
use vouchsafe_system::trusted_file::{self, Others};
pub use vtpm::VtpmConfig;

/// The default path of the configuration.
pub const DEFAULT_PATH: &str = "/etc/vouchsafe/guest.toml";

/// A guest's configuration.
#[derive(Clone, Debug)]
pub struct GuestConfig {
    /// Brokers, pinned identities, limits.
    pub client: ClientConfig,
    /// The connection to a broker.
    pub https: HttpsConfig,
    /// Which evidence to collect, and from where.
    pub collect: CollectConfig,
    /// Volumes and credentials.
    pub keys: KeysConfig,
    /// The baseline for which updates are proposed, if any.
    pub updates: Option<UpdatesConfig>,
}

impl GuestConfig {
    /// Reads and checks a file, which other users must not be able to change.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = trusted_file::read_text(path, Others::MayRead)?;
        Self::parse(&text)
            .map_err(|source| ConfigError::InFile { path: path.to_owned(), source: source.into() })
    }

    /// Parses and checks a text.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file = File::parse(text)?;
        let File { brokers, identities, ca, suite, evidence, vtpm, sev_snp, tdx, google_token, .. } = file;
        client::check(&brokers, &identities)?;
        let evidence = EvidenceChoice::try_from(evidence)?;
        let (limits, connect) = file.limits.checked()?;
        let google_token = google_token.checked()?;
        let keys = KeysConfig::new(file.volumes, file.services)?;
        Ok(Self {
            client: ClientConfig { brokers, identities, suite, limits },
            https: HttpsConfig { ca, connect },
            collect: CollectConfig { evidence, vtpm, sev_snp, tdx, google_token },
            keys,
            updates: file.updates,
        })
    }
}

#[cfg(test)]
mod tests;
