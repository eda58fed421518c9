//! Why the vTPM gave no evidence.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::address::TpmAddress;
use super::algorithm::{AkAlgorithm, AkChoice};
use super::spki::SpkiError;

/// The operation of the TPM that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Listing NV indices.
    ListIndices,
    /// Reading the NV index.
    ReadIndex(u32),
    /// Creating the AK from its template.
    CreateKey(AkAlgorithm),
    /// Quoting.
    Quote,
    /// Listing PCR banks.
    ListBanks,
    /// Reading PCRs.
    ReadPcrs,
    /// Extending the PCR.
    Extend(u8),
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
            Self::Extend(index) => write!(f, "extending PCR {index}"),
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
        /// The kernel's error.
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
        /// The operation.
        step: Step,
        /// The TPM.
        address: TpmAddress,
    },
    /// The TPM could not be reached.
    #[error("no TPM answers at {address}: not there, or held by another process ({source})")]
    Open {
        /// The path.
        address: TpmAddress,
        /// The library's error.
        source: tss_esapi::Error,
    },
    /// A command failed.
    #[error("{step}: {source}")]
    Tpm {
        /// The index.
        step: Step,
        /// The TPM's error.
        source: tss_esapi::Error,
    },
    /// NV has no AK of the requested kind.
    #[error(
        "this TPM has no Google attestation key ({wanted}); is this a Confidential VM of Compute Engine?"
    )]
    NoAttestationKey {
        /// The requested kind.
        wanted: AkChoice,
    },
    /// NV has the template of an AK, but no certificate, so its key is not certified.
    #[error(
        "this TPM has Google's template for an attestation key ({algorithm}) but no certificate for it, as in a plain Shielded VM; only Confidential VMs have one"
    )]
    NotCertified {
        /// The key.
        algorithm: AkAlgorithm,
    },
    /// An NV index is larger than its content can be.
    #[error("NV index {index:#010x} has {size} bytes, at most {limit} are read")]
    IndexTooLarge {
        /// The index.
        index: u32,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The template in NV is not a key template, or would not be passed to the TPM byte for byte.
    #[error("the {algorithm} template in NV is malformed")]
    Template {
        /// The key.
        algorithm: AkAlgorithm,
    },
    /// The certificate in NV is not a certificate.
    #[error("the {algorithm} certificate in NV is malformed")]
    Certificate {
        /// The key.
        algorithm: AkAlgorithm,
    },
    /// The key cannot be encoded as SubjectPublicKeyInfo.
    #[error(transparent)]
    Spki(#[from] SpkiError),
    /// The key created from the template is not the certified one.
    #[error("the {algorithm} key made from the template in NV is not the key in the certificate")]
    KeyMismatch {
        /// The key.
        algorithm: AkAlgorithm,
    },
    /// The TPM signed something other than the requested quote.
    #[error("the TPM returned another {part} than requested")]
    UnexpectedQuote {
        /// The difference.
        part: QuotePart,
    },
    /// The TPM returns no SHA-256 value for a PCR.
    #[error("the TPM has no SHA-256 value for PCR {index}")]
    NoPcr {
        /// The PCR.
        index: u8,
    },
    /// PCRs changed between quoting and reading, in every attempt.
    #[error("PCRs changed during each of {attempts} quotes")]
    PcrsMoved {
        /// Number of attempts.
        attempts: u32,
    },
    /// The firmware log could not be read.
    #[error("{}: {source}", path.display())]
    EventLog {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The firmware log exceeds the broker's limit.
    #[error("{}: more than {limit} bytes", path.display())]
    EventLogTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

/// The package of the library.
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
