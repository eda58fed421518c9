//! The evidence for Google's token: statements over Google's nonce, made for it and then dropped.

use super::error::CollectError;
use super::hardware::{open, report};
use super::vtpm::{OpenVtpm, issuers};
use crate::config::{CollectConfig, Shown, TdxConfig, VtpmConfig};
use crate::google_token::{GoogleAttestation, Issued, Statement, TokenError, TokenRequest};
use crate::hardware::{HardwareError, HardwareKind, HardwareReport, HardwareReporter};
use crate::platform;
use crate::vtpm::{TpmAddress, read_event_log};

/// The token service, and the evidence presented to it.
pub(super) struct TokenSource {
    google: GoogleAttestation,
    shown: Device,
    /// Presented instead if Google rejects a TDX quote, as for images without GRUB (Ubuntu,
    /// Container-Optimized OS).
    fallback: Option<VtpmConfig>,
    /// Reported with the next token.
    remark: Option<String>,
}

enum Device {
    Vtpm(VtpmConfig),
    Tdx {
        /// `None` if the device is part of the evidence and so already open.
        device: Option<Box<dyn HardwareReporter>>,
        config: TdxConfig,
        /// Its key is sent along if there is one: it names the instance.
        vtpm: Option<VtpmConfig>,
    },
}

impl TokenSource {
    /// As configured, in addition to a device of kind `own` that is part of the evidence.
    pub(super) fn open(config: &CollectConfig, own: Option<HardwareKind>) -> Result<Self, CollectError> {
        let google = GoogleAttestation::new(config.google_token.clone())?;
        let opened = own == Some(HardwareKind::Tdx);
        let show = config.google_token.show;
        let tdx = match show {
            Shown::Auto => opened || platform::is_tdx_guest(),
            Shown::Vtpm => false,
            Shown::Tdx => true,
        };
        let source = |shown, fallback, remark| Self { google, shown, fallback, remark };
        if !tdx {
            return Ok(source(Device::Vtpm(config.vtpm.clone()), None, None));
        }
        let present = config.vtpm.device.is_some() || TpmAddress::find().is_ok();
        let vtpm = present.then(|| config.vtpm.clone());
        let fallback = vtpm.clone().filter(|_| show == Shown::Auto);
        let device = if opened { Ok(None) } else { open(HardwareKind::Tdx, config).map(Some) };
        match (device, fallback) {
            (Ok(device), fallback) => {
                Ok(source(Device::Tdx { device, config: config.tdx.clone(), vtpm }, fallback, None))
            }
            (Err(error), Some(vtpm)) => Ok(source(Device::Vtpm(vtpm), None, Some(instead(&error)))),
            (Err(error), None) => Err(error),
        }
    }

    /// Requests a token; `own` is the device of the evidence.
    pub(super) fn issue(
        &mut self,
        request: &TokenRequest<'_>,
        own: Option<&mut Box<dyn HardwareReporter>>,
    ) -> Result<Issued, CollectError> {
        let mut issued = self.ask(request, own);
        if let Err(CollectError::Token(error)) = &issued
            && error.is_about_evidence()
            && let Some(vtpm) = self.fallback.take()
        {
            self.remark = Some(instead(error));
            self.shown = Device::Vtpm(vtpm);
            issued = self.ask(request, None);
        }
        let mut issued = issued?;
        issued.remarks.splice(0..0, self.remark.take());
        Ok(issued)
    }

    fn ask(
        &mut self,
        request: &TokenRequest<'_>,
        own: Option<&mut Box<dyn HardwareReporter>>,
    ) -> Result<Issued, CollectError> {
        let Self { google, shown, .. } = self;
        google.token(request, |nonce| match shown {
            Device::Vtpm(config) => vtpm_statement(config, nonce),
            Device::Tdx { device, config, vtpm } => {
                let device = device.as_mut().or(own).ok_or(TokenError::NothingToShow)?;
                tdx_statement(device.as_mut(), config, vtpm.as_ref(), nonce)
            }
        })
    }
}

fn instead(error: &dyn std::fmt::Display) -> String {
    format!("the token rests on the vTPM, not on a TDX quote ({error})")
}

/// Quotes of every bank, with the firmware log.
fn vtpm_statement(config: &VtpmConfig, nonce: &[u8]) -> Result<Statement, CollectError> {
    let mut tpm = OpenVtpm::new(config)?;
    Ok(Statement::Vtpm {
        quotes: tpm.tpm.quote_banks(&tpm.key, nonce)?,
        event_log: read_event_log(&config.event_log)?,
        ak_certificate: tpm.key.certificate().to_vec(),
        issuers: issuers(config)?,
    })
}

/// A TDX quote, with the event log and its table.
fn tdx_statement(
    device: &mut dyn HardwareReporter,
    config: &TdxConfig,
    vtpm: Option<&VtpmConfig>,
    nonce: &[u8],
) -> Result<Statement, CollectError> {
    // Filled like Google's own clients do: the nonce, then zeros.
    let mut data = [0; 64];
    data.get_mut(..nonce.len()).ok_or(TokenError::ChallengeNonce)?.copy_from_slice(nonce);
    let HardwareReport::Tdx(quote) = report(device, &data)? else {
        return Err(TokenError::NothingToShow.into());
    };
    let unreadable = |source| CollectError::Hardware { kind: HardwareKind::Tdx, source };
    let table = config.ccel().read_table().map_err(|error| unreadable(HardwareError::Ccel(error)))?;
    let (ak_certificate, issuers) = match vtpm {
        Some(config) => (Some(OpenVtpm::new(config)?.key.certificate().to_vec()), issuers(config)?),
        None => (None, vec![]),
    };
    let event_log = quote.event_log.unwrap_or_default();
    Ok(Statement::Tdx { quote: quote.quote, event_log, table, ak_certificate, issuers })
}
