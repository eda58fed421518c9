//! Reports of the processor about this VM, from whatever the kernel offers.
//!
//! What is guaranteed: a report has the exact length of its kind and carries the report data that was
//! asked for. What is not: that it is genuine; only the broker verifies.

pub mod ccel;
pub mod certificate_table;
pub mod sev_guest;
pub mod tdx;
pub mod tsm;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use ccel::{Ccel, CcelError};
pub use certificate_table::{CertificateTable, CertificateTableError, Guid};
pub use sev_guest::{SevGuest, SevGuestError};
pub use tdx::{QuoteError, TsmTdx};
pub use tsm::{Tsm, TsmError, TsmSnp};

/// Length of an SNP attestation report. SEV-SNP ABI 1.55, table 23.
pub const SNP_REPORT_LENGTH: usize = vouchsafe_protocol::limits::SNP_REPORT;

/// Where an SNP report carries the guest's 64 bytes. SEV-SNP ABI 1.55, table 23: offset 50h.
const SNP_REPORT_DATA: std::ops::Range<usize> = 0x50..0x90;

/// What the processor says about this VM. Nothing in it is verified.
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
    /// The report, cut to its own length.
    pub report: Vec<u8>,
    /// What the host says are the certificates for it; empty where the kernel hands none out.
    pub certificates: CertificateTable,
}

/// A TDX quote and the log that its RTMRs were extended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxQuote {
    /// The quote, cut to its own length.
    pub quote: Vec<u8>,
    /// The CCEL event log up to its end marker; `None` where the firmware left none.
    pub event_log: Option<Vec<u8>>,
}

impl HardwareReport {
    /// The signed bytes, cut to their own length: what a vTPM quote commits to.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::SevSnp(SnpReport { report, .. }) => report,
            Self::Tdx(TdxQuote { quote, .. }) => quote,
        }
    }
}

/// What a processor calls its confidential VMs.
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

/// Something that can report on this VM: a device, or in tests a simulator.
pub trait HardwareReporter: Send {
    /// Which kind of report it gives.
    fn kind(&self) -> HardwareKind;

    /// Asks for one report that carries `report_data`.
    ///
    /// # Errors
    /// [`HardwareError`] says which device failed and how.
    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError>;
}

/// Why there is no hardware report.
#[derive(Debug, thiserror::Error)]
pub enum HardwareError {
    /// Neither configfs-tsm nor `/dev/sev-guest` is there.
    #[error("no SNP device: neither {} nor {} exists", tsm.display(), device.display())]
    NoDevice {
        /// The directory of configfs-tsm that was looked for.
        tsm: PathBuf,
        /// The device that was looked for.
        device: PathBuf,
    },
    /// configfs-tsm is not there, and nothing else gives a quote.
    #[error(
        "no TDX quotes: {} does not exist; they need Linux 6.7, the module tdx_guest and configfs mounted{}",
        tsm.display(), if *old_device { " (/dev/tdx_guest, which is there, gives no quote)" } else { "" }
    )]
    NoQuotes {
        /// The directory of configfs-tsm that was looked for.
        tsm: PathBuf,
        /// The device of older kernels is there.
        old_device: bool,
    },
    /// configfs-tsm failed.
    #[error(transparent)]
    Tsm(#[from] TsmError),
    /// `/dev/sev-guest` failed.
    #[error(transparent)]
    SevGuest(#[from] SevGuestError),
    /// The report is shorter or longer than its kind.
    #[error("an SNP report has {SNP_REPORT_LENGTH} bytes, the device gave {length}")]
    ReportLength {
        /// What came, without zero padding.
        length: usize,
    },
    /// The report carries other report data than was asked for.
    #[error("the report carries other report data than was asked for")]
    ReportData,
    /// The quote is not one that this program knows to cut.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// The event log of the trust domain could not be read.
    #[error(transparent)]
    Ccel(#[from] CcelError),
    /// The certificate table is malformed.
    #[error("certificate table of the host: {0}")]
    Certificates(#[from] CertificateTableError),
    /// A path could not be looked at.
    #[error("{}: {source}", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The SNP device of this VM: configfs-tsm at `tsm` where it exists, else `/dev/sev-guest`.
///
/// # Errors
/// [`HardwareError::NoDevice`] when there is neither, [`TsmError::NoProvider`] or [`TsmError::Provider`] when
/// configfs-tsm is there for something else than SNP.
pub fn open_snp(tsm: PathBuf) -> Result<Box<dyn HardwareReporter>, HardwareError> {
    let exists = |path: &PathBuf| {
        path.try_exists().map_err(|source| HardwareError::Look { path: path.clone(), source })
    };
    if exists(&tsm)? {
        return Ok(Box::new(TsmSnp::open(Tsm::new(tsm))?));
    }
    let device = PathBuf::from(sev_guest::DEVICE);
    if exists(&device)? {
        return Ok(Box::new(SevGuest));
    }
    Err(HardwareError::NoDevice { tsm, device })
}

/// The TDX quotes of this VM, through configfs-tsm at `tsm`, with the event log at `ccel`.
///
/// # Errors
/// [`HardwareError::NoQuotes`] where configfs-tsm is missing, [`TsmError::NoProvider`] or
/// [`TsmError::Provider`] when it is there for something else than TDX.
pub fn open_tdx(tsm: PathBuf, ccel: Ccel) -> Result<Box<dyn HardwareReporter>, HardwareError> {
    let exists = |path: &Path| {
        path.try_exists().map_err(|source| HardwareError::Look { path: path.to_owned(), source })
    };
    if !exists(&tsm)? {
        let old_device = exists(Path::new(tdx::DEVICE))?;
        return Err(HardwareError::NoQuotes { tsm, old_device });
    }
    Ok(Box::new(TsmTdx::open(Tsm::new(tsm), ccel)?))
}

/// Cuts what a device gave to one SNP report: 1184 bytes, zeros behind it, the data asked for in it.
pub(crate) fn snp_report(mut bytes: Vec<u8>, report_data: &[u8; 64]) -> Result<Vec<u8>, HardwareError> {
    let tail = bytes.get(SNP_REPORT_LENGTH..).unwrap_or_default();
    let padding_only = tail.iter().all(|byte| *byte == 0);
    if bytes.len() < SNP_REPORT_LENGTH || !padding_only {
        return Err(HardwareError::ReportLength { length: bytes.len() });
    }
    bytes.truncate(SNP_REPORT_LENGTH);
    if bytes.get(SNP_REPORT_DATA) != Some(report_data.as_slice()) {
        return Err(HardwareError::ReportData);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_with(data: &[u8; 64]) -> Vec<u8> {
        let mut report = vec![3; SNP_REPORT_LENGTH];
        report[SNP_REPORT_DATA].copy_from_slice(data);
        report
    }

    #[test]
    fn a_report_is_cut_to_its_length_and_carries_our_data() {
        let data = [7; 64];
        let report = report_with(&data);
        assert_eq!(snp_report(report.clone(), &data).unwrap(), report);
        let mut padded = report.clone();
        padded.resize(4000, 0);
        assert_eq!(snp_report(padded.clone(), &data).unwrap(), report);
        padded[3999] = 1;
        let error = snp_report(padded, &data).unwrap_err();
        assert!(matches!(error, HardwareError::ReportLength { length: 4000 }));
        let error = snp_report(report[..1183].to_vec(), &data).unwrap_err();
        assert!(matches!(error, HardwareError::ReportLength { length: 1183 }));
        let error = snp_report(report, &[8; 64]).unwrap_err();
        assert!(matches!(error, HardwareError::ReportData));
    }

    #[test]
    fn tdx_without_configfs_says_what_it_takes() {
        let error = open_tdx(PathBuf::from("/nowhere/tsm"), Ccel::default()).err().unwrap();
        assert!(matches!(&error, HardwareError::NoQuotes { tsm, .. } if tsm == Path::new("/nowhere/tsm")));
        assert!(error.to_string().contains("Linux 6.7"), "{error}");
        let error = HardwareError::NoQuotes { tsm: "/x".into(), old_device: true };
        assert!(error.to_string().ends_with("(/dev/tdx_guest, which is there, gives no quote)"), "{error}");
    }

    #[test]
    fn no_device_names_both_places() {
        let error = open_snp(PathBuf::from("/nowhere/tsm")).err().unwrap();
        let HardwareError::NoDevice { tsm, device } = error else { panic!("{error}") };
        assert_eq!((tsm.to_str(), device.to_str()), (Some("/nowhere/tsm"), Some("/dev/sev-guest")));
    }
}
