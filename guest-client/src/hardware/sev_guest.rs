//! `/dev/sev-guest`, for kernels before configfs-tsm (Linux 6.7).
//!
//! Only the plain report is requested: the extended call of crate `sev` walks the host's certificate table
//! without bounds. So no certificates come with it, and the broker finds the VCEK itself. One request, never
//! repeated: on Linux 6.1 a throttled request deletes the key to the firmware.

use sev::firmware::guest::Firmware;

use super::certificate_table::CertificateTable;
use super::error::{HardwareError, SevGuestError};
use super::report::{HardwareKind, HardwareReport, HardwareReporter, SnpReport};
use super::snp::snp_report;

/// The device.
pub const DEVICE: &str = "/dev/sev-guest";

/// Reports from `/dev/sev-guest`, at VMPL 0.
#[derive(Clone, Copy, Debug)]
pub struct SevGuest;

impl HardwareReporter for SevGuest {
    fn kind(&self) -> HardwareKind {
        HardwareKind::SevSnp
    }

    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError> {
        let mut firmware = Firmware::open().map_err(SevGuestError::Open)?;
        let report =
            firmware.get_report(None, Some(*report_data), Some(0)).map_err(SevGuestError::Request)?;
        let report = snp_report(report, report_data)?;
        Ok(HardwareReport::SevSnp(SnpReport { report, certificates: CertificateTable::default() }))
    }
}
