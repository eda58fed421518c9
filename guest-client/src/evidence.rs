//! Evidence of this VM, each piece bound to the transcript and to the other ones.
//!
//! Order: the hardware report commits to the attestation key, then the quote commits to the report, then Google
//! is asked for a token.

mod capture;
mod error;
mod hardware;
mod token;
mod vtpm;

pub use capture::CaptureBinding;
pub use error::CollectError;
use hardware::{if_present, open, report, sev_snp, tdx};
use token::TokenSource;
use vouchsafe_protocol::evidence::GoogleTokenEvidence;
use vouchsafe_protocol::{Evidence, Transcript};
use vtpm::OpenVtpm;

use crate::config::{CollectConfig, EvidenceChoice, VtpmConfig};
use crate::google_token::TokenRequest;
use crate::hardware::{HardwareKind, HardwareReport, HardwareReporter};
use crate::platform;
use crate::vtpm::TpmAddress;

/// The purpose of the evidence.
#[derive(Clone, Copy, Debug)]
pub struct CollectRequest<'a> {
    /// The transcript that every piece is bound to.
    pub transcript: &'a Transcript,
    /// Origin of the broker, `https://HOST[:PORT]`: the audience of a token.
    pub audience: &'a str,
}

/// A source of evidence for a transcript: this VM, or a simulated one in tests.
pub trait EvidenceSource {
    /// Collects evidence that is bound to the transcript of `request`.
    ///
    /// # Errors
    /// [`CollectError`] names the piece that failed.
    fn collect(&mut self, request: &CollectRequest<'_>) -> Result<Evidence, CollectError>;
}

/// The evidence of this VM.
pub struct LocalEvidence {
    vtpm: Option<VtpmConfig>,
    hardware: Option<Box<dyn HardwareReporter>>,
    token: Option<TokenSource>,
    on_remark: Box<dyn FnMut(&str)>,
}

impl LocalEvidence {
    /// Evidence from a vTPM, from a hardware device, or from both.
    #[must_use]
    pub fn new(vtpm: Option<VtpmConfig>, hardware: Option<Box<dyn HardwareReporter>>) -> Self {
        Self { vtpm, hardware, token: None, on_remark: Box::new(|_| ()) }
    }

    /// Adds a token, for which Google gets what `config` selects: quotes of its vTPM, or of the TDX device
    /// that is part of this evidence.
    ///
    /// # Errors
    /// [`CollectError`] if this build cannot request one, or if Google is to get a quote and there is no TDX
    /// device.
    pub fn with_token(mut self, config: &CollectConfig) -> Result<Self, CollectError> {
        let own = self.hardware.as_ref().map(|device| device.kind());
        self.token = Some(TokenSource::open(config, own)?);
        Ok(self)
    }

    /// Calls `observe` with Google's remarks about a token that it issued nevertheless.
    #[must_use]
    pub fn on_remark(mut self, observe: impl FnMut(&str) + 'static) -> Self {
        self.on_remark = Box::new(observe);
        self
    }

    /// Evidence as configured; with `auto`, everything that is available.
    ///
    /// # Errors
    /// [`CollectError`] when a requested kind is not available, or when no kind is.
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

    /// Collects evidence that is bound to `nonce` and to no release: for display, or to write a policy from.
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
        // A TPM has one user at a time: close it before it is opened for the evidence for Google.
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
