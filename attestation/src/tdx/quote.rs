//! Parser of quotes, without copying (DCAP API A.3 and `sgx_quote_4.h`; A.4 and `sgx_quote_5.h`).
//!
//! Strict: every field fills its container exactly, and only zeros may follow the quote, since the kernel and
//! the host return quotes in larger buffers. Parsing does not verify who signed.

use std::fmt;

use vouchsafe_protocol::Digest48;

use super::claims::TdAttributes;
use super::qe_report::QeReport;
use crate::field::bytes_at;
use crate::hex_bytes::Hex;

/// Why bytes are not a TDX quote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// They end inside a field.
    #[error("the quote ends inside its {field}")]
    Truncated {
        /// The field.
        field: QuotePart,
    },
    /// A TDREPORT: only the machine that made it can verify its MAC.
    #[error("a TDREPORT, not a quote")]
    TdReport,
    /// A quote of an SGX enclave.
    #[error("a quote of an SGX enclave")]
    SgxQuote,
    /// A version whose fields are unknown.
    #[error("quote version {version} is not supported")]
    UnsupportedVersion {
        /// The version.
        version: u16,
    },
    /// The key type is not ECDSA P-256.
    #[error("attestation key type {kind} is not supported")]
    UnsupportedKeyType {
        /// Its number.
        kind: u16,
    },
    /// A kind of TEE that is neither SGX nor TDX.
    #[error("TEE type {kind:#x} is not TDX")]
    UnknownTee {
        /// Its number.
        kind: u32,
    },
    /// The quoting enclave's vendor is not Intel.
    #[error("a quoting enclave of an unknown vendor")]
    UnknownVendor,
    /// A version 5 body whose fields are unknown.
    #[error("body type {kind} is not supported")]
    UnsupportedBody {
        /// Its number.
        kind: u16,
    },
    /// A version 5 body whose size is not that of its type.
    #[error("a body of type {kind} has {found} bytes")]
    BodySize {
        /// Its type.
        kind: u16,
        /// The size that the quote states.
        found: u32,
    },
    /// Unexpected type of certification data.
    #[error("certification data of type {found}, expected {expected}")]
    CertificationType {
        /// Expected type.
        expected: u16,
        /// The quote's.
        found: u16,
    },
    /// A field is shorter than its container.
    #[error("bytes are left over inside the {field}")]
    LeftOver {
        /// The container.
        field: QuotePart,
    },
    /// Bytes other than zero after the quote.
    #[error("bytes other than zero after the quote's {length} bytes")]
    TrailingBytes {
        /// Its own length.
        length: usize,
    },
}

/// A part of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotePart {
    /// Version, key type, TEE type, vendor.
    Header,
    /// Type and size of a version 5 body.
    BodyDescriptor,
    /// The trust domain's report.
    Body,
    /// Everything after the body.
    SignatureData,
    /// The quoting enclave's report and the data after it.
    QeCertification,
    /// The authentication data of the quoting enclave.
    QeAuthentication,
    /// The certificate chain of the platform.
    PckChain,
}

impl fmt::Display for QuotePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::BodyDescriptor => "body descriptor",
            Self::Body => "body",
            Self::SignatureData => "signature data",
            Self::QeCertification => "QE certification data",
            Self::QeAuthentication => "QE authentication data",
            Self::PckChain => "PCK certificate chain",
        })
    }
}

/// A well-formed quote. Nothing in it has been verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quote<'a> {
    /// The quote without its padding.
    pub(crate) encoded: &'a [u8],
    pub(crate) version: u16,
    pub(crate) body: Body<'a>,
    /// The signed bytes: header and body.
    pub(crate) signed: &'a [u8],
    /// R then S.
    pub(crate) signature: &'a [u8; 64],
    /// X then Y.
    pub(crate) attestation_key: &'a [u8; 64],
    pub(crate) qe_report: QeReport<'a>,
    pub(crate) qe_report_signature: &'a [u8; 64],
    pub(crate) qe_authentication: &'a [u8],
    /// Three certificates in PEM.
    pub(crate) pck_chain: &'a [u8],
}

impl<'a> Quote<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, QuoteError> {
        // A quote is longer than the 1024 bytes of `TDREPORT_STRUCT`.
        if bytes.len() == TD_REPORT_LENGTH {
            return Err(QuoteError::TdReport);
        }
        let mut rest = bytes;
        let version = header(&mut rest)?;
        let is_1_5 = match version {
            4 => false,
            _ => descriptor(&mut rest)?,
        };
        let body = Body::take(&mut rest, is_1_5)?;
        let signed = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();

        let mut data = sized(&mut rest, QuotePart::SignatureData)?;
        let encoded = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
        if rest.iter().any(|byte| *byte != 0) {
            return Err(QuoteError::TrailingBytes { length: encoded.len() });
        }
        let signature = take(&mut data, QuotePart::SignatureData)?;
        let attestation_key = take(&mut data, QuotePart::SignatureData)?;
        let mut qe = certification(&mut data, QE_REPORT_CERTIFICATION, QuotePart::QeCertification)?;
        filled(data, QuotePart::SignatureData)?;

        let qe_report = QeReport(take(&mut qe, QuotePart::QeCertification)?);
        let qe_report_signature = take(&mut qe, QuotePart::QeCertification)?;
        let length = u16::from_le_bytes(*take(&mut qe, QuotePart::QeAuthentication)?);
        let qe_authentication = slice(&mut qe, usize::from(length), QuotePart::QeAuthentication)?;
        let pck_chain = certification(&mut qe, PCK_CERTIFICATE_CHAIN, QuotePart::PckChain)?;
        filled(qe, QuotePart::QeCertification)?;
        Ok(Self {
            encoded,
            version,
            body,
            signed,
            signature,
            attestation_key,
            qe_report,
            qe_report_signature,
            qe_authentication,
            pck_chain,
        })
    }
}

/// The trust domain's report without its MAC (DCAP API A.3.2, A.4.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    base: &'a [u8; BODY_1_0],
    extension: Option<&'a [u8; BODY_1_5 - BODY_1_0]>,
}

impl<'a> Body<'a> {
    fn take(rest: &mut &'a [u8], is_1_5: bool) -> Result<Self, QuoteError> {
        let base = take(rest, QuotePart::Body)?;
        let extension = if is_1_5 { Some(take(rest, QuotePart::Body)?) } else { None };
        Ok(Self { base, extension })
    }

    pub(crate) const fn tee_tcb_svn(&self) -> [u8; 16] {
        bytes_at::<0, 16, BODY_1_0>(self.base)
    }

    pub(crate) const fn mr_seam(&self) -> Digest48 {
        Digest48(bytes_at::<16, 48, BODY_1_0>(self.base))
    }

    pub(crate) const fn mr_signer_seam(&self) -> Digest48 {
        Digest48(bytes_at::<64, 48, BODY_1_0>(self.base))
    }

    pub(crate) const fn seam_attributes(&self) -> [u8; 8] {
        bytes_at::<112, 8, BODY_1_0>(self.base)
    }

    pub(crate) const fn attributes(&self) -> TdAttributes {
        TdAttributes::read(bytes_at::<120, 8, BODY_1_0>(self.base))
    }

    pub(crate) const fn xfam(&self) -> Hex<8> {
        Hex(bytes_at::<128, 8, BODY_1_0>(self.base))
    }

    pub(crate) const fn mr_td(&self) -> Digest48 {
        Digest48(bytes_at::<136, 48, BODY_1_0>(self.base))
    }

    pub(crate) const fn mr_config_id(&self) -> Digest48 {
        Digest48(bytes_at::<184, 48, BODY_1_0>(self.base))
    }

    pub(crate) const fn mr_owner(&self) -> Digest48 {
        Digest48(bytes_at::<232, 48, BODY_1_0>(self.base))
    }

    pub(crate) const fn mr_owner_config(&self) -> Digest48 {
        Digest48(bytes_at::<280, 48, BODY_1_0>(self.base))
    }

    pub(crate) const fn rtmrs(&self) -> [Digest48; 4] {
        [
            Digest48(bytes_at::<328, 48, BODY_1_0>(self.base)),
            Digest48(bytes_at::<376, 48, BODY_1_0>(self.base)),
            Digest48(bytes_at::<424, 48, BODY_1_0>(self.base)),
            Digest48(bytes_at::<472, 48, BODY_1_0>(self.base)),
        ]
    }

    pub(crate) const fn report_data(&self) -> [u8; 64] {
        bytes_at::<520, 64, BODY_1_0>(self.base)
    }

    pub(crate) fn tee_tcb_svn2(&self) -> Option<Hex<16>> {
        self.extension.map(|extension| Hex(bytes_at::<0, 16, 64>(extension)))
    }

    pub(crate) fn mr_service_td(&self) -> Option<Digest48> {
        self.extension.map(|extension| Digest48(bytes_at::<16, 48, 64>(extension)))
    }
}

/// Version of the quote; the rest of the header is checked (DCAP API A.3.1).
fn header(rest: &mut &[u8]) -> Result<u16, QuoteError> {
    let header: &[u8; HEADER_LENGTH] = take(rest, QuotePart::Header)?;
    let version = u16::from_le_bytes(bytes_at::<0, 2, HEADER_LENGTH>(header));
    let tee = u32::from_le_bytes(bytes_at::<4, 4, HEADER_LENGTH>(header));
    match (version, tee) {
        // Version 3 is used only for SGX.
        (3, _) | (4 | 5, TEE_SGX) => return Err(QuoteError::SgxQuote),
        (4 | 5, TEE_TDX) => {}
        (4 | 5, kind) => return Err(QuoteError::UnknownTee { kind }),
        (version, _) => return Err(QuoteError::UnsupportedVersion { version }),
    }
    let kind = u16::from_le_bytes(bytes_at::<2, 2, HEADER_LENGTH>(header));
    if kind != ECDSA_P256 {
        return Err(QuoteError::UnsupportedKeyType { kind });
    }
    if bytes_at::<12, 16, HEADER_LENGTH>(header) != INTEL {
        return Err(QuoteError::UnknownVendor);
    }
    Ok(version)
}

/// Whether a version 5 body is one of TDX 1.5 (DCAP API A.4.2).
fn descriptor(rest: &mut &[u8]) -> Result<bool, QuoteError> {
    let kind = u16::from_le_bytes(*take(rest, QuotePart::BodyDescriptor)?);
    let found = u32::from_le_bytes(*take(rest, QuotePart::BodyDescriptor)?);
    let (is_1_5, size) = match kind {
        2 => (false, BODY_1_0),
        3 => (true, BODY_1_5),
        kind => return Err(QuoteError::UnsupportedBody { kind }),
    };
    let fits = usize::try_from(found).is_ok_and(|found| found == size);
    if fits { Ok(is_1_5) } else { Err(QuoteError::BodySize { kind, found }) }
}

/// Certification data of this type (DCAP API A.3.9): 6 holds 5.
fn certification<'a>(rest: &mut &'a [u8], expected: u16, field: QuotePart) -> Result<&'a [u8], QuoteError> {
    let found = u16::from_le_bytes(*take(rest, field)?);
    if found != expected {
        return Err(QuoteError::CertificationType { expected, found });
    }
    sized(rest, field)
}

/// A field with its length in front.
fn sized<'a>(rest: &mut &'a [u8], field: QuotePart) -> Result<&'a [u8], QuoteError> {
    let length = u32::from_le_bytes(*take(rest, field)?);
    slice(rest, usize::try_from(length).unwrap_or(usize::MAX), field)
}

fn slice<'a>(rest: &mut &'a [u8], length: usize, field: QuotePart) -> Result<&'a [u8], QuoteError> {
    let (taken, after) = rest.split_at_checked(length).ok_or(QuoteError::Truncated { field })?;
    *rest = after;
    Ok(taken)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8], field: QuotePart) -> Result<&'a [u8; N], QuoteError> {
    let (taken, after) = rest.split_first_chunk().ok_or(QuoteError::Truncated { field })?;
    *rest = after;
    Ok(taken)
}

const fn filled(rest: &[u8], field: QuotePart) -> Result<(), QuoteError> {
    if rest.is_empty() { Ok(()) } else { Err(QuoteError::LeftOver { field }) }
}

/// `TDREPORT_STRUCT`.
const TD_REPORT_LENGTH: usize = 1024;
const HEADER_LENGTH: usize = 48;
/// `sgx_report2_body_t`.
const BODY_1_0: usize = 584;
/// `sgx_report2_body_v1_5_t`.
const BODY_1_5: usize = 648;
const TEE_SGX: u32 = 0;
const TEE_TDX: u32 = 0x81;
/// `SGX_QL_ALG_ECDSA_P256`.
const ECDSA_P256: u16 = 2;
const PCK_CERTIFICATE_CHAIN: u16 = 5;
const QE_REPORT_CERTIFICATION: u16 = 6;
/// Intel's QE vendor id (DCAP API A.3.1), 939a7233-f79c-4ca9-940a-0db3957f0607.
const INTEL: [u8; 16] =
    [0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07];
