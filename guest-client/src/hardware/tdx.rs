//! TDX quotes through configfs-tsm.
//!
//! There is no alternative: `/dev/tdx_guest` of older kernels returns a report that only this machine can
//! verify, and no quote. A quote is returned in a longer buffer; it is truncated to its actual length,
//! because a vTPM quote commits to exactly these bytes.

pub(super) mod quote;

pub use quote::{QuoteError, attributes};
use quote::{cut, quoted_data};

use super::ccel::Ccel;
use super::error::HardwareError;
use super::report::{HardwareKind, HardwareReport, HardwareReporter, TdxQuote};
use super::tsm::{OsFs, Tsm, TsmError, TsmFs};

/// The device of kernels before configfs-tsm.
pub const DEVICE: &str = "/dev/tdx_guest";

const PROVIDER: &str = "tdx_guest";

/// TDX quotes through configfs-tsm, each with the event log of the trust domain.
pub struct TsmTdx<F = OsFs> {
    tsm: Tsm<F>,
    ccel: Ccel,
}

impl<F: TsmFs> TsmTdx<F> {
    /// Uses only the provider `tdx_guest` of `tsm`, after checking which provider answers.
    ///
    /// # Errors
    /// [`TsmError::NoProvider`] and [`TsmError::Provider`] when this is not a trust domain, or the kernel's error.
    pub fn open(tsm: Tsm<F>, ccel: Ccel) -> Result<Self, TsmError> {
        tsm.expect_provider(PROVIDER)?;
        Ok(Self { tsm, ccel })
    }
}

impl<F: TsmFs> HardwareReporter for TsmTdx<F> {
    fn kind(&self) -> HardwareKind {
        HardwareKind::Tdx
    }

    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError> {
        let quote = cut(self.tsm.collect(PROVIDER, report_data)?.out)?;
        if quoted_data(&quote) != Some(report_data.as_slice()) {
            return Err(HardwareError::ReportData);
        }
        let event_log = self.ccel.read_log()?;
        Ok(HardwareReport::Tdx(TdxQuote { quote, event_log }))
    }
}

#[cfg(test)]
mod tests;
