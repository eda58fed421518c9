//! The quoting enclave's report (DCAP API A.3.10).

use crate::field::bytes_at;

/// Length of the report of an SGX enclave.
pub(super) const QE_REPORT_LENGTH: usize = 384;

/// A report as received. Who signed it is not known from here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QeReport<'a>(pub(super) &'a [u8; QE_REPORT_LENGTH]);

impl<'a> QeReport<'a> {
    /// The report.
    pub(super) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// `MISCSELECT`.
    pub(super) const fn misc_select(self) -> [u8; 4] {
        self.at::<16, 4>()
    }

    /// `ATTRIBUTES`.
    pub(super) const fn attributes(self) -> [u8; 16] {
        self.at::<48, 16>()
    }

    /// Bit 1 of `ATTRIBUTES`: DEBUG.
    pub(super) const fn is_debug(self) -> bool {
        let [flags] = self.at::<48, 1>();
        flags & 2 != 0
    }

    /// `MRSIGNER`.
    pub(super) const fn mr_signer(self) -> [u8; 32] {
        self.at::<128, 32>()
    }

    /// `ISVPRODID`.
    pub(super) const fn isv_prod_id(self) -> u16 {
        u16::from_le_bytes(self.at::<256, 2>())
    }

    /// `ISVSVN`.
    pub(super) const fn isv_svn(self) -> u16 {
        u16::from_le_bytes(self.at::<258, 2>())
    }

    /// `REPORTDATA`.
    pub(super) const fn report_data(self) -> [u8; 64] {
        self.at::<320, 64>()
    }

    const fn at<const OFFSET: usize, const N: usize>(self) -> [u8; N] {
        bytes_at::<OFFSET, N, QE_REPORT_LENGTH>(self.0)
    }
}
