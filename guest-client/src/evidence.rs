//! Evidence of this VM, each piece bound to the transcript and to the other one.
//!
//! Order: the hardware report commits to the attestation key, then the quote commits to the report.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use vouchsafe_protocol::binding::{QuoteNonce, ReportData};
use vouchsafe_protocol::evidence::EvidenceSizeError;
use vouchsafe_protocol::{Bytes, Digest32, Evidence, SevSnpEvidence, Transcript, VtpmEvidence};

use crate::config::{CollectConfig, EvidenceChoice, EvidenceKind, VtpmConfig};
use crate::hardware::{Guid, HardwareError, HardwareReport, HardwareReporter, TsmError, open_snp};
use crate::vtpm::{AttestationKey, TpmAddress, Vtpm, VtpmError, read_event_log};

/// Something that can show evidence for a transcript: this VM, or in tests a simulated one.
pub trait EvidenceSource {
    /// Collects evidence that is bound to `transcript`.
    ///
    /// # Errors
    /// [`CollectError`] names the piece that failed.
    fn collect(&mut self, transcript: &Transcript) -> Result<Evidence, CollectError>;
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Neither a TPM nor an SNP device.
    #[error("this VM has nothing to show: no TPM and no SNP device")]
    NothingToShow,
    /// The vTPM failed.
    #[error("vTPM: {0}")]
    Vtpm(#[from] VtpmError),
    /// The SNP device failed.
    #[error("SEV-SNP: {0}")]
    Hardware(#[from] HardwareError),
    /// A file with issuing CAs could not be read.
    #[error("{}: {source}", path.display())]
    Issuers {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        source: pem::Error,
    },
    /// A piece is larger than what the broker reads.
    #[error(transparent)]
    TooLarge(#[from] EvidenceSizeError),
}

/// The evidence of this VM.
pub struct LocalEvidence {
    vtpm: Option<VtpmConfig>,
    hardware: Option<Box<dyn HardwareReporter>>,
}

/// What captured evidence is bound to instead of a release: derived from a nonce, so that evidence for a
/// release cannot be had this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureBinding {
    /// `extraData` of the quote.
    pub quote_nonce: [u8; 32],
    /// Report data of the hardware report.
    pub report_data: [u8; 64],
}

impl CaptureBinding {
    /// The binding for `nonce`.
    // SHA-256(label || nonce); both of fixed length. Report data: the same and 32 zeros.
    #[must_use]
    pub fn new(nonce: &[u8; 32]) -> Self {
        let Digest32(quote_nonce) = Digest32::of_parts(&[CAPTURE_LABEL, nonce]);
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(&quote_nonce);
        Self { quote_nonce, report_data }
    }
}

impl LocalEvidence {
    /// Evidence from a vTPM, from a hardware device, or from both.
    #[must_use]
    pub fn new(vtpm: Option<VtpmConfig>, hardware: Option<Box<dyn HardwareReporter>>) -> Self {
        Self { vtpm, hardware }
    }

    /// Evidence as configured; `auto` takes what is there.
    ///
    /// # Errors
    /// [`CollectError`] when a kind that was asked for is not there, or when nothing is.
    pub fn open(config: &CollectConfig) -> Result<Self, CollectError> {
        let tsm = || config.sev_snp.tsm.clone();
        match &config.evidence {
            EvidenceChoice::Kinds(kinds) => {
                let vtpm = kinds.contains(&EvidenceKind::Vtpm).then(|| config.vtpm.clone());
                let snp = kinds.contains(&EvidenceKind::SevSnp);
                let hardware = if snp { Some(open_snp(tsm())?) } else { None };
                Ok(Self { vtpm, hardware })
            }
            EvidenceChoice::Auto => {
                let present = config.vtpm.device.is_some() || TpmAddress::find().is_ok();
                let vtpm = present.then(|| config.vtpm.clone());
                let hardware = if_present(open_snp(tsm()))?;
                if vtpm.is_none() && hardware.is_none() {
                    return Err(CollectError::NothingToShow);
                }
                Ok(Self { vtpm, hardware })
            }
        }
    }

    /// Collects evidence that is bound to `nonce` and to no release: to look at, or to write a policy from.
    ///
    /// # Errors
    /// As for a release.
    pub fn capture(&mut self, nonce: &[u8; 32]) -> Result<(Evidence, CaptureBinding), CollectError> {
        let binding = CaptureBinding::new(nonce);
        let evidence = self.collect_bound(|_| binding.report_data, |_| binding.quote_nonce)?;
        Ok((evidence, binding))
    }

    /// Collects with report data made from the AK, and a quote nonce made from the hardware report.
    fn collect_bound(
        &mut self,
        report_data: impl FnOnce(Option<&[u8]>) -> [u8; 64],
        quote_nonce: impl FnOnce(Option<&[u8]>) -> [u8; 32],
    ) -> Result<Evidence, CollectError> {
        let mut tpm = self.vtpm.as_ref().map(OpenVtpm::new).transpose()?;
        let ak = tpm.as_ref().map(|tpm| tpm.key.spki());
        let report = match &mut self.hardware {
            Some(hardware) => Some(hardware.report(&report_data(ak))?),
            None => None,
        };
        let nonce = quote_nonce(report.as_ref().map(|report| report.report.as_slice()));
        let vtpm = tpm.as_mut().map(|tpm| tpm.quote(&nonce)).transpose()?;
        let evidence = Evidence { vtpm, sev_snp: report.map(sev_snp), ..Evidence::default() };
        evidence.check_sizes()?;
        Ok(evidence)
    }
}

impl EvidenceSource for LocalEvidence {
    fn collect(&mut self, transcript: &Transcript) -> Result<Evidence, CollectError> {
        self.collect_bound(
            |ak| ReportData::bind(transcript, ak).0,
            |report| QuoteNonce::bind(transcript, report).0,
        )
    }
}

/// `None` where there is no SNP device; every other failure stays one.
fn if_present(
    opened: Result<Box<dyn HardwareReporter>, HardwareError>,
) -> Result<Option<Box<dyn HardwareReporter>>, HardwareError> {
    match opened {
        Err(
            HardwareError::NoDevice { .. }
            | HardwareError::Tsm(TsmError::NoProvider { .. } | TsmError::Provider { .. }),
        ) => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// The vTPM with its AK made: what is needed before the hardware report, and for the quote after it.
struct OpenVtpm<'c> {
    config: &'c VtpmConfig,
    tpm: Vtpm,
    key: AttestationKey,
}

impl<'c> OpenVtpm<'c> {
    fn new(config: &'c VtpmConfig) -> Result<Self, CollectError> {
        let address = config.device.clone().map_or_else(TpmAddress::find, Ok)?;
        let mut tpm = Vtpm::open(&address)?;
        let key = tpm.attestation_key(config.key)?;
        Ok(Self { config, tpm, key })
    }

    fn quote(&mut self, nonce: &[u8; 32]) -> Result<VtpmEvidence, CollectError> {
        let quote = self.tpm.quote(&self.key, nonce)?;
        let issuers = self.config.issuers.iter().map(|path| certificates(path));
        let ca_certificates: Vec<Vec<Bytes>> = issuers.collect::<Result<_, _>>()?;
        Ok(VtpmEvidence {
            ak_certificate: self.key.certificate().into(),
            ca_certificates: ca_certificates.concat(),
            quote: quote.attest.into(),
            signature: quote.signature.into(),
            pcrs: quote.pcrs,
            event_log: read_event_log(&self.config.event_log)?.into(),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<Bytes>, CollectError> {
    read_certificates(path).map_err(|source| CollectError::Issuers { path: path.to_owned(), source })
}

/// The certificates in a PEM file, at least one.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Bytes>, pem::Error> {
    let text = std::fs::read(path).map_err(pem::Error::Io)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .map(|certificate| certificate.map(|certificate| Bytes::from(certificate.as_ref())))
        .collect::<Result<_, _>>()?;
    match certificates.as_slice() {
        [] => Err(pem::Error::NoItemsFound),
        _ => Ok(certificates),
    }
}

fn sev_snp(report: HardwareReport) -> SevSnpEvidence {
    let table = &report.certificates;
    let get = |guid| table.get(guid).map(Bytes::from);
    SevSnpEvidence {
        vek_certificate: get(signing_key(&report.report)),
        ca_certificates: [Guid::ASK, Guid::ARK].into_iter().filter_map(get).collect(),
        launch_endorsement: get(Guid::GCE_ENDORSEMENT),
        report: report.report.into(),
    }
}

/// Which certificate belongs to a report. SEV-SNP ABI 1.55, table 23: KEY_INFO at 48h, bits 4:2.
fn signing_key(report: &[u8]) -> Guid {
    match report.get(0x48).map(|byte| (byte >> 2) & 7) {
        Some(1) => Guid::VLEK,
        _ => Guid::VCEK,
    }
}

const CAPTURE_LABEL: &[u8; 20] = b"vouchsafe/v1 capture";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::tsm::TsmStep;

    /// A TDX guest, and any kernel that has configfs-tsm built in, shows the directory too.
    #[test]
    fn auto_leaves_out_what_is_not_there_and_only_that() {
        let outcome = |error| if_present(Err(HardwareError::Tsm(error)));
        let root = PathBuf::from("/config");
        assert!(matches!(outcome(TsmError::NoProvider { root: root.clone() }), Ok(None)));
        let found = "tdx_guest".to_owned();
        assert!(matches!(outcome(TsmError::Provider { expected: "sev_guest", found }), Ok(None)));
        let source = std::io::ErrorKind::PermissionDenied.into();
        assert!(outcome(TsmError::Io { step: TsmStep::Make, path: root, source }).is_err());
    }
}
