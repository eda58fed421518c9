//! Evidence of this VM, each piece bound to the transcript and to the other ones.
//!
//! Order: the hardware report commits to the attestation key, then the quote commits to the report, then Google
//! is asked for a token.

mod token;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use token::TokenSource;
use vouchsafe_protocol::evidence::{EvidenceSizeError, GoogleTokenEvidence, TdxEvidence};
use vouchsafe_protocol::{Bytes, Digest32, Evidence, SevSnpEvidence, Transcript, VtpmEvidence};

use crate::config::{CollectConfig, EvidenceChoice, VtpmConfig};
use crate::google_token::{TokenError, TokenRequest};
use crate::hardware::{
    Guid, HardwareError, HardwareKind, HardwareReport, HardwareReporter, SnpReport, TdxQuote, TsmError,
    open_snp, open_tdx,
};
use crate::platform;
use crate::vtpm::{AttestationKey, TpmAddress, Vtpm, VtpmError, read_event_log, read_userspace_log};

/// What evidence is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct CollectRequest<'a> {
    /// What every piece is bound to.
    pub transcript: &'a Transcript,
    /// Origin of the broker that is asked, `https://HOST[:PORT]`: the audience of a token.
    pub audience: &'a str,
}

/// Something that can show evidence for a transcript: this VM, or in tests a simulated one.
pub trait EvidenceSource {
    /// Collects evidence that is bound to the transcript of `request`.
    ///
    /// # Errors
    /// [`CollectError`] names the piece that failed.
    fn collect(&mut self, request: &CollectRequest<'_>) -> Result<Evidence, CollectError>;
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Neither a TPM nor a device of the processor.
    #[error("this VM has nothing to show: no TPM, and no SNP or TDX device")]
    NothingToShow,
    /// The vTPM failed.
    #[error("vTPM: {0}")]
    Vtpm(#[from] VtpmError),
    /// The device of the processor failed.
    #[error("{kind}: {source}")]
    Hardware {
        /// Of which kind.
        kind: HardwareKind,
        /// How it failed.
        source: HardwareError,
    },
    /// There is no token.
    #[error("Google Cloud Attestation: {0}")]
    Token(#[from] TokenError),
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

impl CollectError {
    /// True when the same request may do better later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Token(error) if error.may_pass())
    }
}

/// The evidence of this VM.
pub struct LocalEvidence {
    vtpm: Option<VtpmConfig>,
    hardware: Option<Box<dyn HardwareReporter>>,
    token: Option<TokenSource>,
    on_remark: Box<dyn FnMut(&str)>,
}

/// What captured evidence is bound to instead of a release: derived from a nonce, so that evidence for a
/// release cannot be had this way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureBinding {
    /// `extraData` of the quote.
    pub quote_nonce: [u8; 32],
    /// Report data of the hardware report.
    pub report_data: [u8; 64],
    /// `eat_nonce` of the token.
    pub token_nonce: String,
}

impl CaptureBinding {
    /// The binding for `nonce`.
    // SHA-256(label || nonce); both of fixed length. Report data: the same and 32 zeros. Token: the same in base64url.
    #[must_use]
    pub fn new(nonce: &[u8; 32]) -> Self {
        let Digest32(quote_nonce) = Digest32::of_parts(&[CAPTURE_LABEL, nonce]);
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(&quote_nonce);
        Self { quote_nonce, report_data, token_nonce: URL_SAFE_NO_PAD.encode(quote_nonce) }
    }
}

impl LocalEvidence {
    /// Evidence from a vTPM, from a hardware device, or from both.
    #[must_use]
    pub fn new(vtpm: Option<VtpmConfig>, hardware: Option<Box<dyn HardwareReporter>>) -> Self {
        Self { vtpm, hardware, token: None, on_remark: Box::new(|_| ()) }
    }

    /// With a token too, for which Google is shown what `config` says: quotes of its vTPM, or of the TDX device
    /// that is part of this evidence.
    ///
    /// # Errors
    /// [`TokenError`] where this build cannot ask for one, or where Google is to be shown a quote and there is no
    /// TDX device.
    pub fn with_token(mut self, config: &CollectConfig) -> Result<Self, CollectError> {
        let own = self.hardware.as_ref().map(|device| device.kind());
        self.token = Some(TokenSource::open(config, own)?);
        Ok(self)
    }

    /// Calls `observe` with what Google remarks about a token that it issued all the same.
    #[must_use]
    pub fn on_remark(mut self, observe: impl FnMut(&str) + 'static) -> Self {
        self.on_remark = Box::new(observe);
        self
    }

    /// Evidence as configured; `auto` takes what is there.
    ///
    /// # Errors
    /// [`CollectError`] when a kind that was asked for is not there, or when nothing is.
    pub fn open(config: &CollectConfig) -> Result<Self, CollectError> {
        match config.evidence {
            EvidenceChoice::Auto => Self::open_present(config),
            EvidenceChoice::Listed { vtpm, hardware, google_token } => {
                let vtpm = vtpm.then(|| config.vtpm.clone());
                let hardware = hardware.map(|kind| open(kind, config)).transpose()?;
                let local = Self::new(vtpm, hardware);
                if google_token { local.with_token(config) } else { Ok(local) }
            }
        }
    }

    fn open_present(config: &CollectConfig) -> Result<Self, CollectError> {
        let present = config.vtpm.device.is_some() || TpmAddress::find().is_ok();
        let vtpm = present.then(|| config.vtpm.clone());
        let kind = if platform::is_tdx_guest() { HardwareKind::Tdx } else { HardwareKind::SevSnp };
        let hardware = if_present(open(kind, config))?;
        if vtpm.is_none() && hardware.is_none() {
            return Err(CollectError::NothingToShow);
        }
        Ok(Self::new(vtpm, hardware))
    }

    /// Collects evidence that is bound to `nonce` and to no release: to look at, or to write a policy from.
    ///
    /// # Errors
    /// As for a release.
    pub fn capture(
        &mut self,
        nonce: &[u8; 32],
        audience: &str,
    ) -> Result<(Evidence, CaptureBinding), CollectError> {
        let binding = CaptureBinding::new(nonce);
        let token = TokenRequest { audience, nonce: &binding.token_nonce };
        let evidence = self.collect_bound(|_| binding.report_data, |_| binding.quote_nonce, &token)?;
        Ok((evidence, binding))
    }

    /// Collects with report data made from the AK, and a quote nonce made from the hardware report.
    fn collect_bound(
        &mut self,
        report_data: impl FnOnce(Option<&[u8]>) -> [u8; 64],
        quote_nonce: impl FnOnce(Option<&[u8]>) -> [u8; 32],
        token: &TokenRequest<'_>,
    ) -> Result<Evidence, CollectError> {
        let mut tpm = self.vtpm.as_ref().map(OpenVtpm::new).transpose()?;
        let ak = tpm.as_ref().map(|tpm| tpm.key.spki());
        let report = match &mut self.hardware {
            Some(hardware) => Some(report(hardware.as_mut(), &report_data(ak))?),
            None => None,
        };
        let nonce = quote_nonce(report.as_ref().map(HardwareReport::as_bytes));
        let vtpm = tpm.as_mut().map(|tpm| tpm.quote(&nonce)).transpose()?;
        // A TPM has one user at a time: closed before it is opened to show Google something.
        drop(tpm);
        let google_token = self.token(token)?;
        let mut evidence = Evidence { vtpm, google_token, ..Evidence::default() };
        match report {
            Some(HardwareReport::SevSnp(report)) => evidence.sev_snp = Some(sev_snp(report)),
            Some(HardwareReport::Tdx(quote)) => evidence.tdx = Some(tdx(quote)),
            None => {}
        }
        evidence.check_sizes()?;
        Ok(evidence)
    }

    fn token(&mut self, request: &TokenRequest<'_>) -> Result<Option<GoogleTokenEvidence>, CollectError> {
        let Some(source) = &mut self.token else { return Ok(None) };
        let issued = source.issue(request, self.hardware.as_mut())?;
        for remark in &issued.remarks {
            (self.on_remark)(remark);
        }
        Ok(Some(GoogleTokenEvidence { token: issued.token }))
    }
}

impl EvidenceSource for LocalEvidence {
    fn collect(&mut self, request: &CollectRequest<'_>) -> Result<Evidence, CollectError> {
        let CollectRequest { transcript, audience } = *request;
        let nonce = transcript.token_nonce();
        self.collect_bound(
            |ak| transcript.report_data(ak).0,
            |report| transcript.quote_nonce(report).0,
            &TokenRequest { audience, nonce: nonce.as_str() },
        )
    }
}

fn open(kind: HardwareKind, config: &CollectConfig) -> Result<Box<dyn HardwareReporter>, CollectError> {
    let opened = match kind {
        HardwareKind::SevSnp => open_snp(config.sev_snp.tsm.clone()),
        HardwareKind::Tdx => open_tdx(config.tdx.tsm.clone(), config.tdx.ccel()),
    };
    opened.map_err(|source| CollectError::Hardware { kind, source })
}

fn report(device: &mut dyn HardwareReporter, data: &[u8; 64]) -> Result<HardwareReport, CollectError> {
    let kind = device.kind();
    device.report(data).map_err(|source| CollectError::Hardware { kind, source })
}

/// `None` where there is no device; every other failure stays one.
fn if_present(
    opened: Result<Box<dyn HardwareReporter>, CollectError>,
) -> Result<Option<Box<dyn HardwareReporter>>, CollectError> {
    match opened {
        Err(CollectError::Hardware {
            source:
                HardwareError::NoDevice { .. }
                | HardwareError::NoQuotes { .. }
                | HardwareError::Tsm(TsmError::NoProvider { .. } | TsmError::Provider { .. }),
            ..
        }) => Ok(None),
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
        Ok(VtpmEvidence {
            ak_certificate: self.key.certificate().into(),
            ca_certificates: issuers(self.config)?,
            quote: quote.attest.into(),
            signature: quote.signature.into(),
            pcrs: quote.pcrs,
            event_log: read_event_log(&self.config.event_log)?.into(),
            // After the quote: what was extended before it is in the log.
            userspace_log: read_userspace_log(&self.config.userspace_log).map(Into::into),
        })
    }
}

fn issuers(config: &VtpmConfig) -> Result<Vec<Bytes>, CollectError> {
    let files = config.issuers.iter().map(|path| certificates(path));
    Ok(files.collect::<Result<Vec<_>, _>>()?.concat())
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

fn tdx(TdxQuote { quote, event_log }: TdxQuote) -> TdxEvidence {
    TdxEvidence { quote: quote.into(), event_log: event_log.map(Into::into) }
}

fn sev_snp(report: SnpReport) -> SevSnpEvidence {
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
        let failed = |kind, source| if_present(Err(CollectError::Hardware { kind, source }));
        let outcome = |error| failed(HardwareKind::SevSnp, HardwareError::Tsm(error));
        let root = PathBuf::from("/config");
        assert!(matches!(outcome(TsmError::NoProvider { root: root.clone() }), Ok(None)));
        let found = "tdx_guest".to_owned();
        assert!(matches!(outcome(TsmError::Provider { expected: "sev_guest", found }), Ok(None)));
        let old = HardwareError::NoQuotes { tsm: root.clone(), old_device: true };
        assert!(matches!(failed(HardwareKind::Tdx, old), Ok(None)));
        let source = std::io::ErrorKind::PermissionDenied.into();
        assert!(outcome(TsmError::Io { step: TsmStep::Make, path: root, source }).is_err());
    }
}
