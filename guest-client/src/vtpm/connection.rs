//! A connection to a TPM, through the system's library.

use std::fmt;
use std::str::FromStr as _;

use rustix::fs::{Access, access};
use tss_esapi::constants::Tss2ResponseCodeKind;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::tcti_ldr::{DeviceConfig, TctiInfo, TctiNameConf};
use tss_esapi::{Context, Error, WrapperErrorKind};

use super::address::TpmAddress;
use super::error::{Step, VtpmError};

/// An open connection to a TPM. Keys made through it are flushed when it is dropped.
pub struct Vtpm {
    context: Context,
    address: TpmAddress,
}

impl Vtpm {
    /// Connects to the TPM at `address`.
    ///
    /// # Errors
    /// [`VtpmError::Device`], [`VtpmError::NoTcti`] or [`VtpmError::Open`].
    pub fn open(address: &TpmAddress) -> Result<Self, VtpmError> {
        match address {
            // The TPM library has the same error code for all of these faults.
            TpmAddress::Device(path) => access(path, Access::READ_OK | Access::WRITE_OK)
                .map_err(|errno| VtpmError::Device { path: path.clone(), source: errno.into() })?,
            #[cfg(feature = "swtpm")]
            TpmAddress::Swtpm { .. } => {}
        }
        check_tcti(address)?;
        let failed = |source| VtpmError::Open { address: address.clone(), source };
        let name = name(address).map_err(failed)?;
        let context = Context::new(name).map_err(failed)?;
        Ok(Self { context, address: address.clone() })
    }

    /// Runs a command authorised with the empty password, which GCE leaves on every hierarchy.
    pub(super) fn authorised<T>(
        &mut self,
        step: Step,
        command: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, VtpmError> {
        let outcome = self.context.execute_with_session(Some(AuthSession::Password), command);
        outcome.map_err(|source| self.failed(step, source))
    }

    /// Runs a command that needs no authorisation.
    pub(super) fn plain<T>(
        &mut self,
        step: Step,
        command: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, VtpmError> {
        let outcome = self.context.execute_without_session(command);
        outcome.map_err(|source| self.failed(step, source))
    }

    fn failed(&self, step: Step, source: Error) -> VtpmError {
        match source {
            Error::Tss2Error(code) if code.kind() == Some(Tss2ResponseCodeKind::ObjectMemory) => {
                VtpmError::NoRoom { step, address: self.address.clone() }
            }
            source => VtpmError::Tpm { step, source },
        }
    }
}

/// The TPM library loads the module for this kind of TPM on first use; this checks whether it can.
///
/// # Errors
/// [`VtpmError::NoTcti`].
pub fn check_tcti(address: &TpmAddress) -> Result<(), VtpmError> {
    let missing = |_| VtpmError::NoTcti { tcti: address.tcti() };
    let name = name(address).map_err(missing)?;
    TctiInfo::get_info(name).map(drop).map_err(missing)
}

/// The address as the TPM library wants it. Its parser of whole addresses takes regular expressions.
fn name(address: &TpmAddress) -> tss_esapi::Result<TctiNameConf> {
    match address {
        TpmAddress::Device(path) => {
            let path = path.to_str().ok_or(Error::WrapperError(WrapperErrorKind::InvalidParam))?;
            DeviceConfig::from_str(path).map(TctiNameConf::Device)
        }
        #[cfg(feature = "swtpm")]
        TpmAddress::Swtpm { .. } => TctiNameConf::from_str(&address.to_string()),
    }
}

impl fmt::Debug for Vtpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vtpm").finish_non_exhaustive()
    }
}
