//! `[vtpm]`

use std::path::PathBuf;

use serde::Deserialize;

use crate::vtpm::{AkChoice, DEFAULT_EVENT_LOG, DEFAULT_USERSPACE_LOG, TpmAddress};

/// `[vtpm]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VtpmConfig {
    /// The TPM; default: `/dev/tpmrm0` or else `/dev/tpm0`.
    pub device: Option<TpmAddress>,
    /// The attestation key.
    pub key: AkChoice,
    /// The firmware's event log.
    pub event_log: PathBuf,
    /// systemd's measurement log; sent along if it can be read.
    pub userspace_log: PathBuf,
    /// PEM files with CAs to send along. Brokers already know Google's.
    pub issuers: Vec<PathBuf>,
}

impl Default for VtpmConfig {
    fn default() -> Self {
        Self {
            device: None,
            key: AkChoice::Auto,
            event_log: DEFAULT_EVENT_LOG.into(),
            userspace_log: DEFAULT_USERSPACE_LOG.into(),
            issuers: vec![],
        }
    }
}
