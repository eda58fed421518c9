//! Reports and quotes, and the devices that make them.

use std::fmt;

use super::certificate_table::CertificateTable;
use super::error::HardwareError;

/// A report of the processor about this VM. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HardwareReport {
    /// From AMD's secure processor.
    SevSnp(SnpReport),
    /// From Intel TDX.
    Tdx(TdxQuote),
}

/// An SNP report and the certificates that the host sent with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpReport {
    /// The report, truncated to its actual length.
    pub report: Vec<u8>,
    /// The certificates for it that the host provided; empty if the kernel returns none.
    pub certificates: CertificateTable,
}

/// A TDX quote, and the log of its RTMRs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxQuote {
    /// The quote, truncated to its actual length.
    pub quote: Vec<u8>,
    /// The CCEL event log up to its end marker; `None` if the firmware wrote none.
    pub event_log: Option<Vec<u8>>,
}

impl HardwareReport {
    /// The signed bytes, truncated to their actual length: what a vTPM quote commits to.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::SevSnp(SnpReport { report, .. }) => report,
            Self::Tdx(TdxQuote { quote, .. }) => quote,
        }
    }
}

/// The kind of confidential VM, by processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HardwareKind {
    /// AMD SEV-SNP.
    SevSnp,
    /// Intel TDX.
    Tdx,
}

impl fmt::Display for HardwareKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SevSnp => "SEV-SNP",
            Self::Tdx => "TDX",
        })
    }
}

/// A source of reports on this VM: a device, or a simulator in tests.
pub trait HardwareReporter: Send {
    /// The kind of its reports.
    fn kind(&self) -> HardwareKind;

    /// Requests a report that carries `report_data`.
    ///
    /// # Errors
    /// [`HardwareError`] says which device failed and how.
    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError>;
}
