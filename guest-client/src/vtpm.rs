//! The vTPM of a GCE instance: its attestation key, its quote, its PCRs, its firmware log.
//!
//! GCE keeps the AK's certificate and template in NV; the key itself is made anew from the template each
//! time and is the same each time. Guaranteed here: the key is the one in the certificate, the quote
//! carries the nonce asked for, and the PCR values are the ones it covers. Not checked: signatures and
//! certificates; that is the broker's part.

mod address;
mod event_log;
mod key;
mod nv;
mod quote;
mod spki;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr as _;

pub use address::{AddressError, TpmAddress};
pub use event_log::{DEFAULT_EVENT_LOG, DEFAULT_USERSPACE_LOG, read_event_log, read_userspace_log};
pub use key::{AkAlgorithm, AkChoice, AttestationKey};
pub use quote::{BankQuote, PCRS, Quote};
use rustix::fs::{Access, access};
pub use spki::{SpkiError, subject_public_key_info};
use tss_esapi::Context;
use tss_esapi::constants::Tss2ResponseCodeKind;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::tcti_ldr::{TctiInfo, TctiNameConf};

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
        if let TpmAddress::Device(path) = address {
            // The TPM library has one and the same code for whatever goes wrong here.
            access(path, Access::READ_OK | Access::WRITE_OK)
                .map_err(|errno| VtpmError::Device { path: path.clone(), source: errno.into() })?;
        }
        check_tcti(address)?;
        let failed = |source| VtpmError::Open { address: address.clone(), source };
        let name = TctiNameConf::from_str(&address.to_string()).map_err(failed)?;
        let context = Context::new(name).map_err(failed)?;
        Ok(Self { context, address: address.clone() })
    }

    /// Runs a command that authorises with the empty password, as GCE leaves every hierarchy.
    fn authorised<T>(
        &mut self,
        step: Step,
        command: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, VtpmError> {
        let outcome = self.context.execute_with_session(Some(AuthSession::Password), command);
        outcome.map_err(|source| self.failed(step, source))
    }

    /// Runs a command that needs no authorisation.
    fn plain<T>(
        &mut self,
        step: Step,
        command: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, VtpmError> {
        let outcome = self.context.execute_without_session(command);
        outcome.map_err(|source| self.failed(step, source))
    }

    fn failed(&self, step: Step, source: tss_esapi::Error) -> VtpmError {
        match source {
            tss_esapi::Error::Tss2Error(code) if code.kind() == Some(Tss2ResponseCodeKind::ObjectMemory) => {
                VtpmError::NoRoom { step, address: self.address.clone() }
            }
            source => VtpmError::Tpm { step, source },
        }
    }
}

/// The TPM library loads the part that talks to this kind of TPM when it is first used; this finds out whether it can.
///
/// # Errors
/// [`VtpmError::NoTcti`].
pub fn check_tcti(address: &TpmAddress) -> Result<(), VtpmError> {
    let missing = |_| VtpmError::NoTcti { tcti: address.tcti() };
    let name = TctiNameConf::from_str(&address.to_string()).map_err(missing)?;
    TctiInfo::get_info(name).map(drop).map_err(missing)
}

impl fmt::Debug for Vtpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vtpm").finish_non_exhaustive()
    }
}

/// What the TPM was asked when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Listing NV indices.
    ListIndices,
    /// Reading the NV index.
    ReadIndex(u32),
    /// Making the AK from its template.
    CreateKey(AkAlgorithm),
    /// Quoting.
    Quote,
    /// Listing PCR banks.
    ListBanks,
    /// Reading PCRs.
    ReadPcrs,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListIndices => f.write_str("listing NV indices"),
            Self::ReadIndex(index) => write!(f, "reading NV index {index:#010x}"),
            Self::CreateKey(algorithm) => write!(f, "making the {algorithm} attestation key"),
            Self::Quote => f.write_str("quoting"),
            Self::ListBanks => f.write_str("listing PCR banks"),
            Self::ReadPcrs => f.write_str("reading PCRs"),
        }
    }
}

/// Why the vTPM gave no evidence.
#[derive(Debug, thiserror::Error)]
pub enum VtpmError {
    /// There is no TPM device.
    #[error("no TPM: neither /dev/tpmrm0 nor /dev/tpm0 exists")]
    NoDevice,
    /// The device cannot be used.
    #[error("{}: {source}", path.display())]
    Device {
        /// The device.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The library for this kind of TPM is not installed.
    #[error("the library libtss2-tcti-{tcti}.so.0 is missing: {}", tcti_package(tcti))]
    NoTcti {
        /// `device` or `swtpm`.
        tcti: &'static str,
    },
    /// The TPM has no room for another key.
    #[error("{step}: the TPM is out of memory for objects{}", room_hint(address))]
    NoRoom {
        /// What was asked.
        step: Step,
        /// Of which TPM.
        address: TpmAddress,
    },
    /// The TPM could not be reached.
    #[error("no TPM answers at {address}: not there, or held by another process ({source})")]
    Open {
        /// Where.
        address: TpmAddress,
        /// What the library said.
        source: tss_esapi::Error,
    },
    /// A command failed.
    #[error("{step}: {source}")]
    Tpm {
        /// Which one.
        step: Step,
        /// What the TPM said.
        source: tss_esapi::Error,
    },
    /// NV holds no AK of the kind asked for.
    #[error(
        "this TPM has no Google attestation key ({wanted}); is this a Confidential VM of Compute Engine?"
    )]
    NoAttestationKey {
        /// What was looked for.
        wanted: AkChoice,
    },
    /// NV holds the template of an AK, but no certificate: nobody says whose key it is.
    #[error(
        "this TPM has Google's template for an attestation key ({algorithm}) and no certificate for it, as a plain \
         Shielded VM; only Confidential VMs have one"
    )]
    NotCertified {
        /// Of which key.
        algorithm: AkAlgorithm,
    },
    /// An NV index is larger than what belongs there.
    #[error("NV index {index:#010x} has {size} bytes, at most {limit} are read")]
    IndexTooLarge {
        /// The index.
        index: u32,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The template in NV is not a key template, or would not be used byte for byte.
    #[error("the {algorithm} template in NV is malformed")]
    Template {
        /// Of which key.
        algorithm: AkAlgorithm,
    },
    /// The certificate in NV is not a certificate.
    #[error("the {algorithm} certificate in NV is malformed")]
    Certificate {
        /// Of which key.
        algorithm: AkAlgorithm,
    },
    /// The key is of a kind that has no SubjectPublicKeyInfo here.
    #[error(transparent)]
    Spki(#[from] SpkiError),
    /// The key made from the template is not the one that Google certified.
    #[error("the {algorithm} key made from the template in NV is not the key in the certificate")]
    KeyMismatch {
        /// Which key.
        algorithm: AkAlgorithm,
    },
    /// The TPM signed something other than the quote asked for.
    #[error("the TPM answered with another {part} than asked for")]
    UnexpectedQuote {
        /// What differs.
        part: QuotePart,
    },
    /// The TPM gives no SHA-256 value for a PCR.
    #[error("the TPM has no SHA-256 value for PCR {index}")]
    NoPcr {
        /// The PCR.
        index: u8,
    },
    /// PCRs changed between quote and reading, each time.
    #[error("PCRs changed during each of {attempts} quotes")]
    PcrsMoved {
        /// How often it was tried.
        attempts: u32,
    },
    /// The firmware log could not be read.
    #[error("{}: {source}", path.display())]
    EventLog {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The firmware log is larger than what the broker takes.
    #[error("{}: more than {limit} bytes", path.display())]
    EventLogTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

/// Where the library is packaged.
fn tcti_package(tcti: &str) -> String {
    format!(
        "install the package libtss2-tcti-{tcti}0 or libtss2-tcti-{tcti}0t64 (Debian, Ubuntu), or tpm2-tss (RHEL, Fedora)"
    )
}

fn room_hint(address: &TpmAddress) -> &'static str {
    match address {
        TpmAddress::Device(path) if !path.to_string_lossy().contains("tpmrm") => {
            "; use /dev/tpmrm0, which the kernel shares among programs (`device` under [vtpm])"
        }
        _ => "; another program has left keys in it",
    }
}

/// A part of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotePart {
    /// The type of the attestation.
    Type,
    /// The nonce.
    ExtraData,
    /// The selection of PCRs.
    Selection,
    /// The length of the digest over the PCRs.
    Digest,
}

impl fmt::Display for QuotePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "kind of statement",
            Self::ExtraData => "nonce",
            Self::Selection => "selection of PCRs",
            Self::Digest => "digest",
        })
    }
}
