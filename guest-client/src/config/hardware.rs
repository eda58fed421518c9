//! `[sev_snp]` and `[tdx]`

use std::path::PathBuf;

use serde::Deserialize;

use crate::hardware::{Ccel, ccel, tsm};

/// `[sev_snp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SevSnpConfig {
    /// Path of configfs-tsm; if this directory does not exist, `/dev/sev-guest` is used.
    pub tsm: PathBuf,
}

/// `[tdx]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TdxConfig {
    /// The path of configfs-tsm.
    pub tsm: PathBuf,
    /// The event log written by the firmware.
    pub event_log: PathBuf,
    /// The ACPI table that describes that log; only sent to Google.
    pub event_log_table: PathBuf,
}

impl Default for SevSnpConfig {
    fn default() -> Self {
        Self { tsm: tsm::DEFAULT_ROOT.into() }
    }
}

impl Default for TdxConfig {
    fn default() -> Self {
        let (event_log, event_log_table) = (ccel::DEFAULT_LOG.into(), ccel::DEFAULT_TABLE.into());
        Self { tsm: tsm::DEFAULT_ROOT.into(), event_log, event_log_table }
    }
}

impl TdxConfig {
    /// The files of the event log.
    #[must_use]
    pub fn ccel(&self) -> Ccel {
        Ccel { log: self.event_log.clone(), table: self.event_log_table.clone() }
    }
}
