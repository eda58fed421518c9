//! Keys, tables and defaults of the file.

use std::path::PathBuf;

use serde::Deserialize;
use vouchsafe_protocol::{BrokerIdentity, Suite};

use super::broker_url::BrokerUrl;
use super::error::ConfigError;
use super::evidence::EvidenceKey;
use super::google_token::GoogleTokenConfig;
use super::hardware::{SevSnpConfig, TdxConfig};
use super::keys::{Services, Volumes};
use super::limits::LimitsTable;
use super::place::Place;
use super::updates::UpdatesConfig;
use super::vtpm::VtpmConfig;

/// `guest.toml`, each value parsed alone. Conditions on several values are not checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) brokers: Vec<BrokerUrl>,
    pub(super) identities: Vec<BrokerIdentity>,
    pub(super) ca: PathBuf,
    #[serde(default)]
    pub(super) suite: Suite,
    #[serde(default)]
    pub(super) evidence: EvidenceKey,
    #[serde(default)]
    pub(super) vtpm: VtpmConfig,
    #[serde(default)]
    pub(super) sev_snp: SevSnpConfig,
    #[serde(default)]
    pub(super) tdx: TdxConfig,
    #[serde(default)]
    pub(super) google_token: GoogleTokenConfig,
    #[serde(default)]
    pub(super) limits: LimitsTable,
    #[serde(default)]
    pub(super) volumes: Volumes,
    #[serde(default)]
    pub(super) services: Services,
    pub(super) updates: Option<UpdatesConfig>,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Parse {
            place: Place::of(&error, text),
            message: error.message().to_owned(),
        })
    }
}
