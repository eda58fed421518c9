//! The claims of a verified SNP report.

use std::fmt;

use serde::Serialize;
use serde::Serializer;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use super::tcb::Tcb;
use crate::anchors::Product;
use crate::anchors::Root;
use crate::hex_bytes::Hex;
use crate::launch::claims::LaunchEndorsement;
use crate::x509::MissingCrl;
use crate::x509::Revocation;

/// Claims of a verified SNP report.
///
/// Debug, migration, privilege level and firmware are claims, not conditions: policies evaluate them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnpClaims {
    /// The root of the endorsement chain; absent while a built-in advisory withholds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// Why no root is claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_withheld: Option<RootWithheld>,
    /// How current the revocation data of the endorsement chain is.
    pub revocation: Revocation,
    /// The CRLs that are missing for `fresh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_crls: Vec<MissingCrl>,
    /// Issuers of the CRLs that this is based on, encoded Names.
    #[serde(skip)]
    pub crl_issuers: Vec<Vec<u8>>,
    /// Product line of the processor.
    pub product: Product,
    /// Version of the report format, 2 to 5.
    pub report_version: u32,
    /// Kind of key that signed the report.
    pub signer: SignerKind,
    /// Cloud provider that a VLEK was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csp_id: Option<String>,
    /// SHA-256 of the certificate of the key that signed the report.
    pub vek_digest: Digest32,
    /// End of validity of the endorsement chain.
    pub endorsement_not_after: UnixTime,
    /// Guest policy.
    pub policy: GuestPolicy,
    /// Privilege level that requested the report.
    pub vmpl: u32,
    /// Launch measurement.
    pub measurement: Digest48,
    /// Google's verified endorsement that `measurement` is its firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endorsement: Option<LaunchEndorsement>,
    /// The guest's own 64 bytes.
    pub report_data: Hex<64>,
    /// The host's 32 bytes.
    pub host_data: Hex<32>,
    /// Family id of the ID block.
    pub family_id: Hex<16>,
    /// Image id of the ID block.
    pub image_id: Hex<16>,
    /// Id of this guest instance, constant for its lifetime.
    pub report_id: Hex<32>,
    /// Report id of the migration agent, all ones if there is none.
    pub report_id_ma: Hex<32>,
    /// Whether a migration agent is bound to the guest.
    pub has_migration_agent: bool,
    /// SHA-384 of the key that signed the ID block, zeros if there was none.
    pub id_key_digest: Hex<48>,
    /// Whether an author key certified that key.
    pub author_key_enabled: bool,
    /// SHA-384 of the author key, zeros if there was none.
    pub author_key_digest: Hex<48>,
    /// Security version of the guest in its ID block.
    pub guest_svn: u32,
    /// Current firmware.
    pub current_tcb: Tcb,
    /// Firmware that the report is signed for.
    pub reported_tcb: Tcb,
    /// Firmware below which the host cannot roll back.
    pub committed_tcb: Tcb,
    /// Firmware at the guest's launch.
    pub launch_tcb: Tcb,
    /// Version of the current firmware.
    pub current_version: FirmwareVersion,
    /// Version of the committed firmware.
    pub committed_version: FirmwareVersion,
    /// Whether the current firmware is not committed, so that the host can roll back.
    pub provisional: bool,
    /// State of the platform.
    pub platform: PlatformInfo,
    /// Mitigations verified at launch; report version 5.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub launch_mitigations: Option<u64>,
    /// Current mitigations; report version 5.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub current_mitigations: Option<u64>,
    /// Chip id, 64 bytes (Turin: 8) in hex; absent if the host masks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chip_id: Option<String>,
    /// Chip id from its VCEK's `hwID`, in hex, also if the report masks it; absent for a VLEK, which is not
    /// for a particular chip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_id: Option<String>,
    /// Family, model and stepping; report version 3 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuid: Option<Cpuid>,
}

/// Sixteen hex digits, as policies see it: JSON numbers of this size are not exact.
fn mask<S: Serializer>(mask: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match mask {
        Some(mask) => serializer.collect_str(&format_args!("{mask:016x}")),
        None => serializer.serialize_none(),
    }
}

/// Why authentic claims have no root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootWithheld {
    /// The root seed of Milan processors can be extracted in software (arXiv 2605.12990): any Milan report
    /// can be forged, whatever root its chain has.
    MilanSeedExtraction,
}

/// Kind of key that signs reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignerKind {
    /// The key of one chip.
    Vcek,
    /// Loaded by a cloud provider.
    Vlek,
}

impl fmt::Display for SignerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vcek => "VCEK",
            Self::Vlek => "VLEK",
        })
    }
}

/// Guest policy, fixed at launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GuestPolicy {
    /// Minimum minor version of the firmware's interface.
    pub abi_minor: u8,
    /// Minimum major version of the firmware's interface.
    pub abi_major: u8,
    /// SMT is allowed.
    pub smt: bool,
    /// A migration agent is allowed.
    pub migration_agent: bool,
    /// The host may debug the guest, and so read its secrets.
    pub debug: bool,
    /// The guest may run on one socket only.
    pub single_socket: bool,
    /// CXL devices and memory are allowed.
    pub cxl_allow: bool,
    /// AES-256-XTS is required for memory.
    pub mem_aes_256_xts: bool,
    /// Power metering must be off.
    pub rapl_dis: bool,
    /// Ciphertext hiding is required.
    pub ciphertext_hiding: bool,
    /// Moving and swapping of guest pages by the host is disabled.
    pub page_swap_disable: bool,
}

/// State of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformInfo {
    /// SMT is on.
    pub smt: bool,
    /// Transparent memory encryption is on.
    pub tsme: bool,
    /// Memory has ECC.
    pub ecc: bool,
    /// Power metering is off.
    pub rapl_dis: bool,
    /// Ciphertext hiding is on.
    pub ciphertext_hiding: bool,
    /// Memory was checked for aliases since the last reset. Absent if a version 2 report has a zero bit:
    /// older firmware does not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_check_complete: Option<bool>,
    /// Trusted I/O is on.
    pub tio: bool,
    /// The bits with no meaning known here.
    pub unknown_bits: u64,
}

/// Version of the secure processor's firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FirmwareVersion {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Build.
    pub build: u8,
}

/// CPUID family, model and stepping, with their extended parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cpuid {
    /// Family.
    pub family: u8,
    /// Model.
    pub model: u8,
    /// Stepping.
    pub stepping: u8,
}

impl Cpuid {
    /// Product line of this processor; `None` if it is not supported.
    #[must_use]
    pub const fn product(self) -> Option<Product> {
        match (self.family, self.model) {
            (0x19, 0x00..=0x0f) => Some(Product::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Product::Genoa),
            (0x1a, 0x00..=0x11) => Some(Product::Turin),
            _ => None,
        }
    }
}
