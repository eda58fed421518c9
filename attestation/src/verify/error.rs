//! The reasons to refuse evidence, each with its code for the guest and its name for operators.

use std::fmt;
use std::fmt::Write as _;

use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::evidence::EvidenceSizeError;

use crate::event_log::CcelError;
use crate::event_log::EventLogError;
use crate::go_tpm_tools::GoTpmToolsError;
use crate::google_token::TokenError;
use crate::launch::LaunchError;
use crate::snp::SnpError;
use crate::tdx::TdxError;
use crate::technology::Technology;
use crate::vtpm::VtpmError;
use crate::withheld::Withheld;
use crate::x509::ChainError;

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// The vTPM's quote.
    Vtpm,
    /// The SEV-SNP report.
    SevSnp,
    /// The TDX quote.
    Tdx,
    /// The token of Google Cloud Attestation.
    GoogleToken,
}

impl EvidenceKind {
    /// Its name in the JSON of evidence, with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vtpm => "vtpm",
            Self::SevSnp => "sev-snp",
            Self::Tdx => "tdx",
            Self::GoogleToken => "google-token",
        }
    }
}

/// Why evidence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no piece of evidence.
    #[error("no evidence")]
    NoEvidence,
    /// A part is larger than any genuine one.
    #[error(transparent)]
    TooLarge(#[from] EvidenceSizeError),
    /// A file is neither our JSON nor an attestation of go-tpm-tools.
    #[error("neither evidence in JSON nor an attestation of go-tpm-tools")]
    NotEvidence,
    /// An attestation of go-tpm-tools cannot be used.
    #[error(transparent)]
    GoTpmTools(#[from] GoTpmToolsError),
    /// Reports of two vendors.
    #[error("an SEV-SNP report and a TDX quote: no VM has both")]
    TwoHardwareReports,
    /// A piece is bound to the request but not to the other piece, or cannot be bound to it: a token and a
    /// hardware report have no link without a vTPM.
    #[error("the {} piece is not linked to the other one", kind.name())]
    Unlinked {
        /// Which.
        kind: EvidenceKind,
    },
    /// The report came without its certificate, and the store has none for this chip and TCB.
    #[error("no endorsement certificate for chip {chip_id} with TCB {reported_tcb}")]
    CollateralMissing {
        /// 64 bytes as reported, hex.
        chip_id: String,
        /// `REPORTED_TCB`, 8 bytes as reported, hex.
        reported_tcb: String,
    },
    /// The report came without its certificate, and it cannot be fetched: the host masks the chip, or the
    /// signer is not a VCEK.
    #[error("no endorsement certificate with the report, and its chip is unknown or its key is not a VCEK")]
    NoVekCertificate,
    /// The firmware log names another technology than the hardware report.
    #[error("a report of {hardware}, and a log that names {}", named_technology(*logged))]
    TechnologyMismatch {
        /// The report's.
        hardware: Technology,
        /// The log's.
        logged: Option<Technology>,
    },
    /// A token names another technology than the log or the hardware.
    #[error("a token of a {token} VM, and other evidence of {}", named_technology(*other))]
    TokenTechnologyMismatch {
        /// The token's.
        token: Technology,
        /// The technology of the log or the hardware.
        other: Option<Technology>,
    },
    /// The AK certificate and the token do not name the same instance. Project number and instance id of each.
    #[error("the AK certificate names {}, the token {}", named_instance(*certified), named_instance(*stated))]
    InstanceMismatch {
        /// The certificate's.
        certified: Option<(u64, u64)>,
        /// The token's.
        stated: Option<(u64, u64)>,
    },
    /// The vTPM piece is refused.
    #[error("vTPM: {0}")]
    Vtpm(#[from] VtpmError),
    /// The SEV-SNP piece is refused.
    #[error("SEV-SNP: {0}")]
    Snp(#[from] SnpError),
    /// The TDX piece is refused.
    #[error("TDX: {0}")]
    Tdx(#[from] TdxError),
    /// The token is refused.
    #[error("Google token: {0}")]
    GoogleToken(#[from] TokenError),
    /// The launch endorsement that came with a report is refused.
    #[error("launch endorsement: {0}")]
    Launch(#[from] LaunchError),
}

impl Withheld {
    /// Withholds `claim` because its part of the evidence would be refused with this error.
    #[must_use]
    pub fn because(claim: &'static str, error: &VerifyError) -> Self {
        Self { claim, reason: error.name(), detail: error.to_string() }
    }
}

impl VerifyError {
    /// The guest's code.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::NoEvidence | Self::TooLarge(_) | Self::NotEvidence | Self::GoTpmTools(_) => {
                ReasonCode::EvidenceMalformed
            }
            Self::Unlinked { .. } | Self::InstanceMismatch { .. } => ReasonCode::UnlinkedEvidence,
            Self::CollateralMissing { .. } | Self::Tdx(TdxError::CollateralMissing { .. }) => {
                ReasonCode::CollateralPending
            }
            Self::Vtpm(VtpmError::UnknownIssuer(issuer)) if issuer.address.is_some() => {
                ReasonCode::CollateralPending
            }
            Self::TwoHardwareReports
            | Self::NoVekCertificate
            | Self::TechnologyMismatch { .. }
            | Self::TokenTechnologyMismatch { .. } => ReasonCode::EvidenceRefused,
            Self::Vtpm(VtpmError::EventLog(EventLogError::OsSeparatorIncomplete { .. })) => {
                ReasonCode::EvidenceUnsettled
            }
            Self::Vtpm(error) if is_malformed_vtpm(error) => ReasonCode::EvidenceMalformed,
            Self::Snp(error) if is_malformed_snp(error) => ReasonCode::EvidenceMalformed,
            Self::Tdx(error) if is_malformed_tdx(error) => ReasonCode::EvidenceMalformed,
            Self::GoogleToken(error) if error.is_malformed() => ReasonCode::EvidenceMalformed,
            Self::GoogleToken(error) if error.is_pending() => ReasonCode::CollateralPending,
            Self::Launch(error) if error.is_malformed() => ReasonCode::EvidenceMalformed,
            Self::Vtpm(_) | Self::Snp(_) | Self::Tdx(_) | Self::GoogleToken(_) | Self::Launch(_) => {
                ReasonCode::EvidenceRefused
            }
        }
    }

    /// The exact refusal in kebab-case, for records, explanations and programs: `vtpm-nonce-mismatch`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Vtpm(VtpmError::Chain(error)) => named("ak-chain", error),
            Self::Vtpm(VtpmError::UnknownIssuer(_)) => named("ak-chain", &ChainError::UnknownIssuer),
            Self::Vtpm(VtpmError::Attest(error)) => named("quote", error),
            Self::Vtpm(VtpmError::Signature(error)) => named("quote-signature", error),
            Self::Vtpm(VtpmError::InstanceInfo(error)) => named("instance-info", error),
            Self::Vtpm(VtpmError::EventLog(error)) => named("event-log", error),
            Self::Vtpm(error) => named("vtpm", error),
            Self::Snp(SnpError::Chain(error)) => named("vek-chain", error),
            Self::Snp(error) => named("snp", error),
            Self::Tdx(TdxError::Quote(error)) => named("tdx-quote", error),
            Self::Tdx(TdxError::Chain(error)) => named("pck-chain", error),
            Self::Tdx(TdxError::EventLog(CcelError::Log(error))) => named("ccel", error),
            Self::Tdx(TdxError::EventLog(error)) => named("ccel", error),
            Self::Tdx(error) => named("tdx", error),
            Self::GoogleToken(TokenError::Chain(error)) => named("google-token-chain", error),
            Self::GoogleToken(error) => named("google-token", error),
            Self::Launch(LaunchError::Chain(error)) => named("launch-signer-chain", error),
            Self::Launch(error) => named("launch", error),
            Self::GoTpmTools(error) => named("go-tpm-tools", error),
            Self::Unlinked { kind } => format!("unlinked-{}", kind.name()),
            Self::TooLarge(_) => "evidence-too-large".to_owned(),
            Self::NoEvidence
            | Self::NotEvidence
            | Self::TwoHardwareReports
            | Self::CollateralMissing { .. }
            | Self::NoVekCertificate
            | Self::TechnologyMismatch { .. }
            | Self::TokenTechnologyMismatch { .. }
            | Self::InstanceMismatch { .. } => variant(self),
        }
    }
}

const fn is_malformed_vtpm(error: &VtpmError) -> bool {
    match error {
        VtpmError::Attest(_) | VtpmError::Signature(_) | VtpmError::InstanceInfo(_) => true,
        VtpmError::Chain(error) => is_malformed_chain(error),
        VtpmError::EventLog(error) => is_malformed_log(error),
        _ => false,
    }
}

const fn is_malformed_snp(error: &SnpError) -> bool {
    match error {
        SnpError::ReportLength { .. } | SnpError::VekMalformed { .. } => true,
        SnpError::Chain(error) => is_malformed_chain(error),
        _ => false,
    }
}

const fn is_malformed_tdx(error: &TdxError) -> bool {
    match error {
        TdxError::Quote(_) | TdxError::PckChainLength { .. } | TdxError::PckMalformed { .. } => true,
        TdxError::Chain(error) => is_malformed_chain(error),
        TdxError::EventLog(CcelError::Log(error)) => is_malformed_log(error),
        _ => false,
    }
}

const fn is_malformed_chain(error: &ChainError) -> bool {
    matches!(
        error,
        ChainError::Malformed
            | ChainError::TooManyCertificates { .. }
            | ChainError::CertificateTooLarge { .. }
    )
}

/// Whether the error concerns the log's form, not its content.
const fn is_malformed_log(error: &EventLogError) -> bool {
    use EventLogError as E;
    matches!(
        error,
        E::Empty
            | E::TooLarge { .. }
            | E::NotAnEventLog
            | E::MalformedSpecId
            | E::SpecIdVersion { .. }
            | E::AlgorithmCount { .. }
            | E::AlgorithmSize { .. }
            | E::DuplicateAlgorithm { .. }
            | E::TooManyEvents
            | E::Truncated { .. }
            | E::TrailingBytes { .. }
            | E::PcrIndex { .. }
            | E::DigestCount { .. }
            | E::UndeclaredAlgorithm { .. }
            | E::DuplicateDigest { .. }
            | E::EventDataSize { .. }
    )
}

fn named_technology(technology: Option<Technology>) -> &'static str {
    technology.map_or("no technology", Technology::name)
}

fn named_instance(instance: Option<(u64, u64)>) -> String {
    instance.map_or_else(
        || "no instance".to_owned(),
        |(project, instance)| format!("instance {instance} of project {project}"),
    )
}

fn named(prefix: &str, error: &dyn fmt::Debug) -> String {
    format!("{prefix}-{}", variant(error))
}

/// Name of the error's variant in kebab-case. The names of variants are stable, since records contain them.
fn variant(error: &dyn fmt::Debug) -> String {
    let mut name = VariantName(String::new());
    // Writing stops with an error at the end of the name, so the rest is not formatted.
    let _ = write!(name, "{error:?}");
    name.0
}

struct VariantName(String);

impl fmt::Write for VariantName {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if !character.is_ascii_alphanumeric() {
                return Err(fmt::Error);
            }
            if character.is_ascii_uppercase() && !self.0.is_empty() {
                self.0.push('-');
            }
            self.0.push(character.to_ascii_lowercase());
        }
        Ok(())
    }
}
