//! Why no hardware report was obtained.

use std::io;
use std::path::PathBuf;

use sev::error::UserApiError;

use super::ccel::CcelError;
use super::certificate_table::CertificateTableError;
use super::snp::SNP_REPORT_LENGTH;
use super::tdx::quote::QuoteError;
use super::tsm::error::TsmError;

/// Why no hardware report was obtained.
#[derive(Debug, thiserror::Error)]
pub enum HardwareError {
    /// Neither configfs-tsm nor `/dev/sev-guest` exists.
    #[error("no SNP device: neither {} nor {} exists", tsm.display(), device.display())]
    NoDevice {
        /// The expected directory of configfs-tsm.
        tsm: PathBuf,
        /// The expected device.
        device: PathBuf,
    },
    /// configfs-tsm does not exist, and no other device gives quotes.
    #[error(
        "no TDX quotes: {} does not exist; they need Linux 6.7, the module tdx_guest and configfs mounted{}",
        tsm.display(), if *old_device { " (/dev/tdx_guest, which is there, gives no quote)" } else { "" }
    )]
    NoQuotes {
        /// The expected directory of configfs-tsm.
        tsm: PathBuf,
        /// The device of older kernels exists.
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
        /// The length received, without zero padding.
        length: usize,
    },
    /// The report carries other report data than requested.
    #[error("the report carries other report data than requested")]
    ReportData,
    /// The quote's length cannot be determined.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// The event log of the trust domain could not be read.
    #[error(transparent)]
    Ccel(#[from] CcelError),
    /// The certificate table is malformed.
    #[error("certificate table of the host: {0}")]
    Certificates(#[from] CertificateTableError),
    /// A path could not be examined.
    #[error("{}: {source}", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
}

/// Why `/dev/sev-guest` gave no report.
#[derive(Debug, thiserror::Error)]
pub enum SevGuestError {
    /// The device could not be opened.
    #[error("/dev/sev-guest: {0}")]
    Open(#[source] io::Error),
    /// The firmware or the host refused.
    #[error("/dev/sev-guest: {0}")]
    Request(#[source] UserApiError),
}
