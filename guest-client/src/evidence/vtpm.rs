//! The vTPM with its attestation key.

use std::path::PathBuf;

use vouchsafe_protocol::{Bytes, VtpmEvidence};
use vouchsafe_system::pem;

use super::error::CollectError;
use crate::config::VtpmConfig;
use crate::vtpm::{AttestationKey, TpmAddress, Vtpm, read_event_log, read_userspace_log};

/// The vTPM with its AK: needed before the hardware report, and for the quote after it.
pub(super) struct OpenVtpm<'c> {
    config: &'c VtpmConfig,
    pub(super) tpm: Vtpm,
    pub(super) key: AttestationKey,
}

impl<'c> OpenVtpm<'c> {
    pub(super) fn new(config: &'c VtpmConfig) -> Result<Self, CollectError> {
        let address = config.device.clone().map_or_else(TpmAddress::find, Ok)?;
        let mut tpm = Vtpm::open(&address)?;
        let key = tpm.attestation_key(config.key)?;
        Ok(Self { config, tpm, key })
    }

    pub(super) fn quote(&mut self, nonce: &[u8; 32]) -> Result<VtpmEvidence, CollectError> {
        let quote = self.tpm.quote(&self.key, nonce)?;
        Ok(VtpmEvidence {
            ak_certificate: self.key.certificate().into(),
            ca_certificates: issuers(self.config)?,
            quote: quote.attest.into(),
            signature: quote.signature.into(),
            pcrs: quote.pcrs,
            event_log: read_event_log(&self.config.event_log)?.into(),
            // Read after the quote, so that the log has everything that was extended before it.
            userspace_log: read_userspace_log(&self.config.userspace_log).map(Into::into),
        })
    }
}

pub(super) fn issuers(config: &VtpmConfig) -> Result<Vec<Bytes>, CollectError> {
    let read = |path: &PathBuf| {
        pem::read_certificates(path).map_err(|source| CollectError::Issuers { path: path.clone(), source })
    };
    let files = config.issuers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(files.iter().flatten().map(|certificate| certificate.as_ref().into()).collect())
}
