//! The reasons to refuse SNP evidence.

use std::fmt;

use super::claims::SignerKind;
use super::tcb::ChipTcb;
use super::tcb::TcbComponent;
use crate::anchors::Product;
use crate::x509::ChainError;

/// A field of a VCEK or VLEK certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VekField {
    /// Common name of the subject.
    Subject,
    /// Common name of the issuer.
    Issuer,
    /// `productName`.
    Product,
    /// `hwID`.
    HardwareId,
    /// `cspID`.
    CspId,
    /// A security patch level.
    Tcb(TcbComponent),
    /// A security patch level that is reserved.
    ReservedLevel,
}

impl fmt::Display for VekField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject => "the subject's common name",
            Self::Issuer => "the issuer's common name",
            Self::Product => "productName",
            Self::HardwareId => "hwID",
            Self::CspId => "cspID",
            Self::Tcb(component) => return write!(f, "the SPL of {component}"),
            Self::ReservedLevel => "a reserved SPL",
        })
    }
}

/// Why SNP evidence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnpError {
    /// The length is not that of a report.
    #[error("a report has 1184 bytes, not {found}")]
    ReportLength {
        /// Its length.
        found: usize,
    },
    /// A version whose fields are unknown.
    #[error("report version {version} is not supported")]
    UnsupportedVersion {
        /// The version.
        version: u32,
    },
    /// The signature algorithm is not ECDSA P-384 with SHA-384.
    #[error("signature algorithm {algorithm} is not supported")]
    UnsupportedSignatureAlgorithm {
        /// Its number.
        algorithm: u32,
    },
    /// A reserved byte of the report or its signature is not zero.
    #[error("reserved bytes at {offset:#x} are not zero")]
    ReservedNotZero {
        /// Start of the reserved range.
        offset: usize,
    },
    /// A reserved bit of the guest policy has the wrong value.
    #[error("reserved bits in guest policy {bits:#x}")]
    PolicyReserved {
        /// The policy.
        bits: u64,
    },
    /// A reserved bit or value in the key information.
    #[error("reserved bits in key information {bits:#x}")]
    KeyInfoReserved {
        /// The information.
        bits: u32,
    },
    /// The firmware did not sign the report.
    #[error("the report is not signed")]
    Unsigned,
    /// Not a privilege level of a guest: the host requested the report.
    #[error("privilege level {vmpl} is not a guest's")]
    VmplOutOfRange {
        /// The level.
        vmpl: u32,
    },
    /// The report contains a digest of an author key, but states that it has none.
    #[error("author key digest without an author key")]
    AuthorKeyContradiction,
    /// The endorsement chain is refused.
    #[error("endorsement chain: {0}")]
    Chain(#[from] ChainError),
    /// A field of the endorsement certificate is missing, malformed or out of place.
    #[error("endorsement certificate: {field} missing, malformed or out of place")]
    VekMalformed {
        /// The field.
        field: VekField,
    },
    /// The report names another kind of signing key than the certificate.
    #[error("the report is signed by a {report}, but the certificate is for a {certificate}")]
    SignerKindMismatch {
        /// The report's.
        report: SignerKind,
        /// The certificate's.
        certificate: SignerKind,
    },
    /// The certificate names another product line than its issuer.
    #[error("certificate of {certificate} under the chain of {chain}")]
    VekProductMismatch {
        /// The chain's.
        chain: Product,
        /// The certificate's.
        certificate: Product,
    },
    /// The processor does not belong to a supported product line.
    #[error("unknown processor, family {family:#x} model {model:#x}")]
    UnknownProcessor {
        /// CPUID family.
        family: u8,
        /// CPUID model.
        model: u8,
    },
    /// The report is from another product line than the certificate.
    #[error("report of {report}, certificate of {certificate}")]
    ProductMismatch {
        /// The certificate's.
        certificate: Product,
        /// The report's.
        report: Product,
    },
    /// A version 2 report does not name its processor, and the TCB layout of this product is different.
    #[error("a version 2 report cannot be of {product}")]
    ProductUnproven {
        /// The certificate's.
        product: Product,
    },
    /// The certified key is not a P-384 key.
    #[error("the endorsement key is not a P-384 key")]
    KeyNotP384,
    /// The signature does not verify.
    #[error("the report's signature does not verify")]
    SignatureInvalid,
    /// The signature does not verify, and the certificate is for another chip or TCB than the report names.
    #[error("the certificate is for {certificate}, the report is from {report}")]
    OtherVek {
        /// The chip and TCB that the certificate is for.
        certificate: ChipTcb,
        /// The chip and TCB that the report names.
        report: ChipTcb,
    },
    /// A TCB component differs between certificate and reported TCB.
    #[error("{component}: certified {certificate}, reported {report}")]
    TcbExtensionMismatch {
        /// The component.
        component: TcbComponent,
        /// The certificate's version.
        certificate: u8,
        /// The report's version.
        report: u8,
    },
    /// A reserved byte of a TCB is not zero, or the TCB has another product's layout.
    #[error("reserved bytes of a TCB are not zero")]
    TcbReserved,
    /// The reported TCB is above the current one: no firmware reports that.
    #[error("{component}: reported TCB above the current one")]
    ReportedAboveCurrent {
        /// The component.
        component: TcbComponent,
    },
    /// The committed TCB is above the current one: no firmware reports that.
    #[error("{component}: committed TCB above the current one")]
    CommittedAboveCurrent {
        /// The component.
        component: TcbComponent,
    },
    /// The certificate is for another chip.
    #[error("the certificate is for another chip")]
    HardwareIdMismatch,
    /// The report was made for another request.
    #[error("report data is not what was expected")]
    ReportDataMismatch,
}

impl SnpError {
    /// Whether the certificate is at fault rather than the report: the report may verify with another
    /// certificate.
    pub(crate) const fn is_of_certificate(&self) -> bool {
        matches!(
            self,
            Self::Chain(_)
                | Self::VekMalformed { .. }
                | Self::SignerKindMismatch { .. }
                | Self::VekProductMismatch { .. }
                | Self::ProductMismatch { .. }
                | Self::ProductUnproven { .. }
                | Self::KeyNotP384
                | Self::OtherVek { .. }
                | Self::TcbExtensionMismatch { .. }
                | Self::HardwareIdMismatch
        )
    }
}
