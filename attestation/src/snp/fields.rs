//! Fields of a report that are read before it is parsed as a whole: for the binding, and to look up a
//! certificate.

use super::claims::Cpuid;
use super::error::SnpError;
use crate::anchors::Product;
use crate::field::bytes_at;

/// Length of a report.
pub const REPORT_LENGTH: usize = 0x4a0;

/// The fields of a report as received. Only its length has been checked (AMD 56860 §7.3).
#[derive(Clone, Copy, Debug)]
pub struct ReportFields<'a>(pub(super) &'a [u8; REPORT_LENGTH]);

impl<'a> ReportFields<'a> {
    /// The fields of these bytes.
    ///
    /// # Errors
    /// [`SnpError::ReportLength`] when no report has this length.
    pub fn of(bytes: &'a [u8]) -> Result<Self, SnpError> {
        bytes.try_into().map(Self).map_err(|_| SnpError::ReportLength { found: bytes.len() })
    }

    /// The report.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// `VERSION`.
    pub(super) const fn version(self) -> u32 {
        u32::from_le_bytes(self.at::<0x000, 4>())
    }

    /// `AUTHOR_KEY_EN`, `MASK_CHIP_KEY` and `SIGNING_KEY`.
    pub(super) const fn key_info(self) -> u32 {
        u32::from_le_bytes(self.at::<0x048, 4>())
    }

    /// `REPORT_DATA`.
    #[must_use]
    pub const fn report_data(self) -> [u8; 64] {
        self.at::<0x050, 64>()
    }

    /// `REPORTED_TCB`.
    #[must_use]
    pub const fn reported_tcb(self) -> [u8; 8] {
        self.at::<0x180, 8>()
    }

    /// `CPUID_FAM_ID`, `CPUID_MOD_ID` and `CPUID_STEP`, since version 3.
    pub(super) fn cpuid(self) -> Option<Cpuid> {
        let [family, model, stepping] = self.at::<0x188, 3>();
        (self.version() >= 3).then_some(Cpuid { family, model, stepping })
    }

    /// `CHIP_ID`.
    #[must_use]
    pub const fn chip_id(self) -> [u8; 64] {
        self.at::<0x1a0, 64>()
    }

    /// Whether the report names a VCEK as its signer: `MASK_CHIP_KEY`, bit 1, is set if the report is not
    /// signed; `SIGNING_KEY`, bits 2 to 4, is 0 for a VCEK.
    pub(crate) const fn names_vcek(self) -> bool {
        self.key_info() & 0x1e == 0
    }

    /// Product line of the processor that the report names; reports before version 3 name none.
    #[must_use]
    pub fn product(self) -> Option<Product> {
        self.cpuid().and_then(Cpuid::product)
    }

    pub(super) const fn at<const OFFSET: usize, const N: usize>(self) -> [u8; N] {
        bytes_at::<OFFSET, N, REPORT_LENGTH>(self.0)
    }
}
