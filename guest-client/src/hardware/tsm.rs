//! configfs-tsm, the kernel's common interface to confidential hardware (Linux 6.7 and later).
//!
//! Each report uses its own directory: make it, write 64 bytes, read the report, remove it. The kernel counts
//! writes in `generation`; if that differs from the number of our own writes, another process used the
//! directory, and the report is discarded. The directory is removed in every case.

mod directory;
pub(super) mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod fake;
mod fs;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use directory::Directory;
pub use error::{TsmError, TsmStep};
pub use fs::{OsFs, TsmFs};

use super::certificate_table::{self, CertificateTable};
use super::error::HardwareError;
use super::report::{HardwareKind, HardwareReport, HardwareReporter, SnpReport};
use super::snp::snp_report;

/// Path of configfs-tsm in the kernel.
pub const DEFAULT_ROOT: &str = "/sys/kernel/config/tsm/report";

const SNP_PROVIDER: &str = "sev_guest";
/// The largest `outblob`. Linux caps it at 32 KiB, later versions at more.
const MAX_OUT: usize = 256 * 1024;
/// Requests to a busy device.
const ATTEMPTS: u32 = 3;
/// Hosts throttle to about one SNP request in two seconds.
const PAUSE: Duration = Duration::from_secs(2);

/// configfs-tsm below one directory.
pub struct Tsm<F = OsFs> {
    root: PathBuf,
    fs: F,
    privilege: Option<u8>,
    pause: fn(Duration),
}

/// The kernel's output for one request, unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsmReport {
    /// `outblob`: the report or quote, padding included.
    pub out: Vec<u8>,
    /// `auxblob`: on SNP the host's certificate table; empty if there is none.
    pub aux: Vec<u8>,
}

impl Tsm {
    /// configfs-tsm of this kernel; `root` is normally [`DEFAULT_ROOT`].
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, fs: OsFs, privilege: None, pause: thread::sleep }
    }
}

impl<F: TsmFs> Tsm<F> {
    /// configfs-tsm through `fs`; `pause` is called between attempts.
    pub fn with_fs(root: PathBuf, fs: F, pause: fn(Duration)) -> Self {
        Self { root, fs, privilege: None, pause }
    }

    /// Requests a report at this privilege level (SNP: VMPL 0 to 3) instead of the kernel's default.
    #[must_use]
    pub fn at_privilege(mut self, level: u8) -> Self {
        self.privilege = Some(level);
        self
    }

    /// The driver that answers here, such as `sev_guest` or `tdx_guest`. No report is requested.
    ///
    /// # Errors
    /// [`TsmError::NoProvider`] when there is none, or the kernel's error.
    pub fn provider(&self) -> Result<String, TsmError> {
        let directory = Directory::make(&self.fs, &self.root)?;
        let found = directory.text("provider")?;
        directory.remove()?;
        Ok(found)
    }

    /// Checks that the provider is `expected`. No report is requested.
    pub(super) fn expect_provider(&self, expected: &'static str) -> Result<(), TsmError> {
        let found = self.provider()?;
        if found == expected { Ok(()) } else { Err(TsmError::Provider { expected, found }) }
    }

    /// One report from the provider `expected` that carries `data`. A busy device is tried three times in
    /// all, two seconds apart.
    ///
    /// # Errors
    /// [`TsmError`] names the file and the kernel's error.
    pub fn collect(&self, expected: &'static str, data: &[u8; 64]) -> Result<TsmReport, TsmError> {
        let mut attempt = 1;
        loop {
            match self.collect_once(expected, data) {
                Err(error) if error.is_busy() && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
            (self.pause)(PAUSE);
        }
    }

    fn collect_once(&self, expected: &'static str, data: &[u8; 64]) -> Result<TsmReport, TsmError> {
        let directory = Directory::make(&self.fs, &self.root)?;
        let found = directory.text("provider")?;
        if found != expected {
            return Err(TsmError::Provider { expected, found });
        }
        let mut generation = directory.number("generation")?;
        if let Some(level) = self.privilege {
            let floor = directory.optional_number("privlevel_floor")?.unwrap_or(0);
            if u64::from(level) < floor {
                return Err(TsmError::PrivilegeBelowFloor { asked: level, floor });
            }
            directory.write("privlevel", level.to_string().as_bytes())?;
            generation = generation.wrapping_add(1);
        }
        directory.write("inblob", data)?;
        generation = generation.wrapping_add(1);
        // configfs passes a binary attribute on when it is closed, where errors are lost: the count shows
        // them.
        directory.expect_generation(generation)?;
        let out = directory.read("outblob", MAX_OUT)?;
        let aux = directory.optional("auxblob", certificate_table::MAX_TABLE)?.unwrap_or_default();
        directory.expect_generation(generation)?;
        directory.remove()?;
        Ok(TsmReport { out, aux })
    }
}

/// SNP reports through configfs-tsm.
pub struct TsmSnp<F = OsFs> {
    tsm: Tsm<F>,
    asked: bool,
}

impl<F: TsmFs> TsmSnp<F> {
    /// Uses only the provider `sev_guest` of `tsm`; which one answers is checked with the first report.
    pub fn new(tsm: Tsm<F>) -> Self {
        Self { tsm, asked: false }
    }

    /// The same, but checks which provider answers. The directory also exists in other VMs: on TDX with
    /// another driver, elsewhere without one.
    ///
    /// # Errors
    /// [`TsmError::NoProvider`] and [`TsmError::Provider`] when this is not an SNP guest, or the kernel's error.
    pub fn open(tsm: Tsm<F>) -> Result<Self, TsmError> {
        tsm.expect_provider(SNP_PROVIDER)?;
        Ok(Self::new(tsm))
    }
}

impl<F: TsmFs> HardwareReporter for TsmSnp<F> {
    fn kind(&self) -> HardwareKind {
        HardwareKind::SevSnp
    }

    fn report(&mut self, report_data: &[u8; 64]) -> Result<HardwareReport, HardwareError> {
        if std::mem::replace(&mut self.asked, true) {
            (self.tsm.pause)(PAUSE);
        }
        let TsmReport { out, aux } = self.tsm.collect(SNP_PROVIDER, report_data)?;
        let report = snp_report(out, report_data)?;
        let certificates = match aux.as_slice() {
            [] => CertificateTable::default(),
            table => CertificateTable::parse(table)?,
        };
        Ok(HardwareReport::SevSnp(SnpReport { report, certificates }))
    }
}

#[cfg(test)]
mod tests;
