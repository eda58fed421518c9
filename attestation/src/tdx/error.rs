//! The reasons to refuse TDX evidence.

use std::fmt;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::collateral::Platform;
use super::quote::QuoteError;
use crate::event_log::CcelError;
use crate::hex_bytes::Hex;
use crate::x509::ChainError;

/// A part of Intel's collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollateralPart {
    /// TCB levels of the platform and its TDX modules.
    TcbInfo,
    /// The required properties of the quoting enclave.
    QeIdentity,
    /// The root's CRL.
    RootCrl,
    /// The PCK CA's CRL.
    PckCrl,
    /// Certificate of the signer of the TCB info.
    TcbInfoSigner,
    /// Certificate of the signer of the QE identity.
    QeIdentitySigner,
}

impl fmt::Display for CollateralPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcbInfo => "TCB info",
            Self::QeIdentity => "QE identity",
            Self::RootCrl => "CRL of the root CA",
            Self::PckCrl => "CRL of the PCK CA",
            Self::TcbInfoSigner => "signing certificate of the TCB info",
            Self::QeIdentitySigner => "signing certificate of the QE identity",
        })
    }
}

/// A field of a PCK certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PckField {
    /// The certificate itself.
    Certificate,
    /// Its issuer is neither the Platform CA nor the Processor CA.
    Issuer,
    /// Its key is not a P-256 key.
    Key,
    /// The SGX extensions.
    SgxExtensions,
    /// Family, model, stepping, platform type, custom SKU.
    Fmspc,
    /// Platform provisioning id.
    Ppid,
}

impl fmt::Display for PckField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate itself",
            Self::Issuer => "its issuer",
            Self::Key => "its key",
            Self::SgxExtensions => "the SGX extensions",
            Self::Fmspc => "FMSPC",
            Self::Ppid => "PPID",
        })
    }
}

/// Why TDX evidence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TdxError {
    /// The bytes are not a quote.
    #[error(transparent)]
    Quote(#[from] QuoteError),

    /// The host can debug the trust domain.
    #[error("the trust domain is debuggable")]
    Debug,
    /// The host can profile the trust domain.
    #[error("the trust domain can be profiled")]
    Profiling,
    /// The host can cause a #VE on access to absent pages, and so control execution.
    #[error("SEPT_VE_DISABLE is not set")]
    SeptVeNotDisabled,
    /// A migration TD, whose measurement is unknown here, can move the trust domain.
    #[error("the trust domain can be migrated")]
    Migratable,
    /// A service trust domain is bound to it.
    #[error("a service trust domain is bound to it")]
    ServiceTd,
    /// Reserved attributes are set.
    #[error("reserved attributes in {attributes}")]
    AttributesReserved {
        /// All attributes.
        attributes: Hex<8>,
    },
    /// The TDX module is not signed by Intel.
    #[error("the TDX module is not Intel's")]
    ForeignModule,

    /// The chain does not have the three certificates of Intel's chains.
    #[error("{found} certificates in the platform's chain, expected 3")]
    PckChainLength {
        /// Number of certificates, counted up to 4.
        found: usize,
    },
    /// A field of the PCK certificate is missing, malformed or out of place.
    #[error("PCK certificate: {field} missing, malformed or out of place")]
    PckMalformed {
        /// The field.
        field: PckField,
    },
    /// The chain does not end at an anchor.
    #[error("the platform's chain ends at {root}, which is not an anchor")]
    UnknownRoot {
        /// SHA-256 of its last certificate.
        root: Digest32,
    },
    /// The platform's chain is refused.
    #[error("platform certificate chain: {0}")]
    Chain(#[from] ChainError),

    /// The report of the quoting enclave is not signed by the platform's key.
    #[error("the signature of the quoting enclave's report does not verify")]
    QeReportSignature,
    /// The quoting enclave is debuggable, so its keys are not secret.
    #[error("the quoting enclave is debuggable")]
    QeDebug,
    /// The quoting enclave certifies another attestation key.
    #[error("the quoting enclave's report is not for this attestation key")]
    QeBinding,
    /// The attestation key did not sign the quote.
    #[error("the quote's signature does not verify")]
    QuoteSignature,

    /// There is no collateral for the platform.
    #[error("no collateral for platform {platform}")]
    CollateralMissing {
        /// The platform.
        platform: Platform,
    },
    /// A part of the collateral cannot be read.
    #[error("collateral: {part} malformed")]
    CollateralMalformed {
        /// Which part.
        part: CollateralPart,
    },
    /// A part of the collateral is not of the kind for TDX quotes.
    #[error("collateral: {part} is not for TDX")]
    CollateralKind {
        /// Which part.
        part: CollateralPart,
    },
    /// A part of the collateral was issued in the future.
    #[error("collateral: {part} not valid before {from}")]
    CollateralNotYetValid {
        /// Which part.
        part: CollateralPart,
        /// When it becomes valid.
        from: UnixTime,
    },
    /// A part of the collateral has expired.
    #[error("collateral: {part} expired at {until}")]
    CollateralExpired {
        /// Which part.
        part: CollateralPart,
        /// Expiry time.
        until: UnixTime,
    },
    /// The TCB info is for another platform.
    #[error("TCB info for {collateral}, the platform is {platform}")]
    FmspcMismatch {
        /// The quote's.
        platform: Hex<6>,
        /// The collateral's.
        collateral: Hex<6>,
    },
    /// A CRL was not issued by the issuer.
    #[error("collateral: {part} is not the issuer's")]
    CrlMissing {
        /// The CRL that is missing.
        part: CollateralPart,
    },
    /// The signature of a part of the collateral does not verify.
    #[error("collateral: signature of {part} does not verify")]
    CollateralSignature {
        /// Which part.
        part: CollateralPart,
    },
    /// The issuer chain of a part is not exactly the PEM of its certificates.
    #[error("collateral: issuer chain of {part} is not plain PEM")]
    CollateralChain {
        /// Which part.
        part: CollateralPart,
    },
    /// The issuer chain of a part does not end at an anchor.
    #[error("collateral: issuer chain of {part} ends at {root}, which is not an anchor")]
    CollateralRoot {
        /// Which part.
        part: CollateralPart,
        /// SHA-256 of its last certificate.
        root: Digest32,
    },
    /// The signer of a part of the collateral has no certificate for that from the root.
    #[error("the collateral's signer has no certificate for that from the root")]
    SignerUntrusted,
    /// A certificate of the platform or of the collateral's signers is revoked.
    #[error("a certificate is revoked")]
    Revoked,

    /// The platform's security versions are below every level that Intel lists.
    #[error("no TCB level matches the platform")]
    TcbLevelUnknown,
    /// The TDX module's version is not listed, or below every level listed.
    #[error("no TCB level matches the TDX module")]
    ModuleLevelUnknown,
    /// Signer or attributes of the TDX module are not what Intel lists.
    #[error("the TDX module is not the one that Intel lists")]
    ModuleMismatch,
    /// The quoting enclave is not the one that Intel lists.
    #[error("the quoting enclave is not the one that Intel lists")]
    QeMismatch,
    /// The quoting enclave's version is below every level that Intel lists.
    #[error("no TCB level matches the quoting enclave")]
    QeLevelUnknown,
    /// The status of a TCB level is not one that it can have.
    #[error("a TCB level has a status that it cannot have")]
    StatusUnknown,
    /// Platform, module or quoting enclave is revoked.
    #[error("the TCB is revoked")]
    TcbRevoked,
    /// dcap-qvl refuses for any other reason.
    #[error("refused by dcap-qvl: {reason}")]
    Other {
        /// Its error text.
        reason: String,
    },

    /// The event log is refused, or does not match the quote's RTMRs.
    #[error(transparent)]
    EventLog(#[from] CcelError),

    /// The quote was made for another request.
    #[error("report data is not what was expected")]
    ReportDataMismatch,
}
