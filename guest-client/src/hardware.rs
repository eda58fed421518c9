//! Reports of the processor about this VM, from the kernel's interfaces.
//!
//! Guaranteed: a report has the exact length of its kind and carries the requested report data. Not
//! guaranteed: that it is genuine; only the broker verifies that.

pub mod ccel;
pub mod certificate_table;
mod error;
mod report;
pub mod sev_guest;
mod snp;
pub mod tdx;
pub mod tsm;

use std::path::{Path, PathBuf};

pub use ccel::{Ccel, CcelError};
pub use certificate_table::{CertificateTable, CertificateTableError, Guid};
pub use error::{HardwareError, SevGuestError};
pub use report::{HardwareKind, HardwareReport, HardwareReporter, SnpReport, TdxQuote};
pub use sev_guest::SevGuest;
pub use snp::SNP_REPORT_LENGTH;
pub use tdx::{QuoteError, TsmTdx};
pub use tsm::{Tsm, TsmError, TsmSnp};

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

/// The TDX quotes of this VM, from configfs-tsm at `tsm`, with the event log at `ccel`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_without_configfs_says_what_tdx_needs() {
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
