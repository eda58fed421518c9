//! The claims of a verified TDX quote.

use std::sync::Arc;

use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use crate::anchors::Root;
use crate::event_log::BootLog;
use crate::hex_bytes::Hex;
use crate::launch::claims::LaunchEndorsement;
use crate::x509::Revocation;

/// Claims of a verified TDX quote.
///
/// TCB status and the attributes that verification accepts are claims, not conditions: policies evaluate
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TdxClaims {
    /// The root that the quote's chain ends at.
    pub root: Root,
    /// How current the revocation data was. Without collateral (inspection only): `absent`.
    pub revocation: Revocation,
    /// Intel's appraisal of the platform, its TDX module and its quoting enclave; absent without collateral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcb: Option<TdxTcb>,
    /// Version of the quote's format, 4 or 5.
    pub quote_version: u16,
    /// Family, model, stepping, platform type and custom SKU of the processor, 6 bytes.
    pub fmspc: Hex<6>,
    /// Which CA certified the platform: `platform` or `processor`.
    pub pck_ca: &'static str,
    /// Id of the platform in its PCK certificate, SHA-256 of the certificate's PPID: the same for every VM of one machine.
    pub platform_id: Digest32,
    /// `TEE_TCB_SVN`: security versions of the TDX module and microcode at launch.
    pub tee_tcb_svn: Hex<16>,
    /// `TEE_TCB_SVN_2` of TDX 1.5: the same, current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tee_tcb_svn2: Option<Hex<16>>,
    /// Measurement of the TDX module.
    pub mr_seam: Digest48,
    /// Signer of the TDX module, zeros for Intel's.
    pub mr_signer_seam: Digest48,
    /// Attributes of the trust domain.
    pub attributes: TdAttributes,
    /// Extended processor features that the trust domain may use.
    pub xfam: Hex<8>,
    /// Measurement of the initial content: the firmware.
    pub mr_td: Digest48,
    /// Configuration chosen by the host.
    pub mr_config_id: Digest48,
    /// Owner chosen by the host.
    pub mr_owner: Digest48,
    /// Configuration chosen by that owner.
    pub mr_owner_config: Digest48,
    /// Run-time measurement registers 0 to 3.
    pub rtmrs: [Digest48; 4],
    /// Measurement of a service trust domain, TDX 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mr_service_td: Option<Digest48>,
    /// The guest's own 64 bytes.
    pub report_data: Hex<64>,
    /// Google's verified endorsement that `mr_td` is its firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endorsement: Option<LaunchEndorsement>,
    /// The boot claims of the CCEL event log, checked against the RTMRs. Meaningful only under known
    /// firmware: an endorsed `mr_td`, or one in a baseline that the policy names. Absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed_boot: Option<Arc<BootLog>>,
}

/// Intel's appraisal of a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TdxTcb {
    /// The worst of platform, module and quoting enclave, at launch and now. `TDRelaunchAdvised` means that
    /// the TCB at launch was out of date, and is treated as that.
    pub status: TcbStatus,
    /// Platform and TDX module.
    pub platform_status: TcbStatus,
    /// The quoting enclave.
    pub qe_status: TcbStatus,
    /// Advisories that apply, sorted: `INTEL-SA-01010` and the like.
    pub advisory_ids: Vec<String>,
    /// `tcbEvaluationDataNumber`, the lower of TCB info and QE identity.
    pub evaluation_data_number: u32,
    /// Date of the platform's TCB level.
    pub tcb_date: UnixTime,
    /// Issue time of the oldest part of the collateral.
    pub collateral_issued: UnixTime,
    /// Earliest expiry of its parts.
    pub collateral_expires: UnixTime,
}

/// Attributes of a trust domain (Intel TDX module base specification, `ATTRIBUTES`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TdAttributes {
    /// All bits, as in the quote.
    pub raw: Hex<8>,
    /// The host may debug the trust domain. Verification refuses it.
    pub debug: bool,
    /// Access to absent pages causes no #VE. Verification requires this.
    pub sept_ve_disable: bool,
    /// The trust domain can be migrated. Verification refuses it.
    pub migratable: bool,
    /// It may use supervisor protection keys.
    pub pks: bool,
    /// It may use key locker.
    pub key_locker: bool,
    /// It may use performance counters.
    pub perfmon: bool,
}

impl TdAttributes {
    /// TDX module ABI table 3.23.
    pub(super) const fn read(raw: [u8; 8]) -> Self {
        let bits = u64::from_le_bytes(raw);
        Self {
            raw: Hex(raw),
            debug: bits & 1 != 0,
            sept_ve_disable: bits & 1 << 28 != 0,
            migratable: bits & 1 << 29 != 0,
            pks: bits & 1 << 30 != 0,
            key_locker: bits & 1 << 31 != 0,
            perfmon: bits & 1 << 63 != 0,
        }
    }

    pub(super) const fn bits(self) -> u64 {
        u64::from_le_bytes(self.raw.0)
    }
}

/// Intel's TCB status, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcbStatus {
    /// No part is missing.
    UpToDate,
    /// A mitigation in software is needed.
    SwHardeningNeeded,
    /// A change of the platform's configuration is needed.
    ConfigurationNeeded,
    /// Both of the above.
    ConfigurationAndSwHardeningNeeded,
    /// Firmware or microcode is old.
    OutOfDate,
    /// Out of date, and the configuration needs a change.
    OutOfDateConfigurationNeeded,
    /// Not to be trusted. Verification refuses it.
    Revoked,
}

impl TcbStatus {
    /// Its name in claims and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::SwHardeningNeeded => "sw-hardening-needed",
            Self::ConfigurationNeeded => "configuration-needed",
            Self::ConfigurationAndSwHardeningNeeded => "configuration-and-sw-hardening-needed",
            Self::OutOfDate => "out-of-date",
            Self::OutOfDateConfigurationNeeded => "out-of-date-configuration-needed",
            Self::Revoked => "revoked",
        }
    }
}
