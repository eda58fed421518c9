//! Strict parser of `ATTESTATION_REPORT`: AMD 56860 §7.3, versions 2 to 5.
//!
//! Nothing in a [`Report`] has been verified. Reserved bytes, and reserved bits of policy and key
//! information, must be zero: other values have a meaning that this version does not support.

use sev::firmware::guest::GuestPolicy as PolicyBits;
use sev::firmware::guest::KeyInfo;
use sev::firmware::guest::PlatformInfo as PlatformBits;

use super::claims::Cpuid;
use super::claims::FirmwareVersion;
use super::claims::GuestPolicy;
use super::claims::PlatformInfo;
use super::claims::SignerKind;
use super::error::SnpError;
use super::fields::REPORT_LENGTH;
use super::fields::ReportFields;

/// Length of the signed part: SIGNATURE covers bytes 0 to 29Fh.
const SIGNED_LENGTH: usize = 0x2a0;

/// A report as received. It is well-formed; nothing has been verified.
#[derive(Clone, Debug)]
pub(super) struct Report<'a> {
    raw: &'a [u8; REPORT_LENGTH],
    pub(super) version: u32,
    pub(super) policy: GuestPolicy,
    pub(super) vmpl: u32,
    pub(super) platform: PlatformInfo,
    pub(super) signer: SignerKind,
    pub(super) author_key_enabled: bool,
    pub(super) cpuid: Option<Cpuid>,
    pub(super) current_tcb: [u8; 8],
    pub(super) reported_tcb: [u8; 8],
    pub(super) committed_tcb: [u8; 8],
    pub(super) launch_tcb: [u8; 8],
    pub(super) signature: [u8; 96],
}

impl<'a> Report<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, SnpError> {
        let fields = ReportFields::of(bytes)?;
        let ReportFields(raw) = fields;
        let version = fields.version();
        if !(2..=5).contains(&version) {
            return Err(SnpError::UnsupportedVersion { version });
        }
        let algorithm = u32_at::<0x034>(raw);
        if algorithm != ECDSA_P384_SHA384 {
            return Err(SnpError::UnsupportedSignatureAlgorithm { algorithm });
        }
        reserved_are_zero(raw, version)?;
        let vmpl = u32_at::<0x030>(raw);
        // FFFFFFFFh: the host requested the report, not the guest.
        if vmpl > 3 {
            return Err(SnpError::VmplOutOfRange { vmpl });
        }
        let (signer, author_key_enabled) = key_info(fields.key_info())?;
        let report = Self {
            raw,
            version,
            policy: policy(u64_at::<0x008>(raw))?,
            vmpl,
            platform: platform(u64_at::<0x040>(raw), version),
            signer,
            author_key_enabled,
            cpuid: fields.cpuid(),
            current_tcb: at::<0x038, 8>(raw),
            reported_tcb: fields.reported_tcb(),
            committed_tcb: at::<0x1e0, 8>(raw),
            launch_tcb: at::<0x1f0, 8>(raw),
            signature: signature(raw)?,
        };
        if !author_key_enabled && report.author_key_digest() != [0; 48] {
            return Err(SnpError::AuthorKeyContradiction);
        }
        Ok(report)
    }

    /// The signed bytes, as received.
    pub(super) fn signed(&self) -> &'a [u8] {
        self.raw.first_chunk::<SIGNED_LENGTH>().map_or(&[], |signed| signed.as_slice())
    }

    pub(super) const fn guest_svn(&self) -> u32 {
        u32_at::<0x004>(self.raw)
    }

    pub(super) const fn family_id(&self) -> [u8; 16] {
        at::<0x010, 16>(self.raw)
    }

    pub(super) const fn image_id(&self) -> [u8; 16] {
        at::<0x020, 16>(self.raw)
    }

    pub(super) const fn report_data(&self) -> [u8; 64] {
        ReportFields(self.raw).report_data()
    }

    pub(super) const fn measurement(&self) -> [u8; 48] {
        at::<0x090, 48>(self.raw)
    }

    pub(super) const fn host_data(&self) -> [u8; 32] {
        at::<0x0c0, 32>(self.raw)
    }

    pub(super) const fn id_key_digest(&self) -> [u8; 48] {
        at::<0x0e0, 48>(self.raw)
    }

    pub(super) const fn author_key_digest(&self) -> [u8; 48] {
        at::<0x110, 48>(self.raw)
    }

    pub(super) const fn report_id(&self) -> [u8; 32] {
        at::<0x140, 32>(self.raw)
    }

    pub(super) const fn report_id_ma(&self) -> [u8; 32] {
        at::<0x160, 32>(self.raw)
    }

    pub(super) const fn chip_id(&self) -> [u8; 64] {
        ReportFields(self.raw).chip_id()
    }

    pub(super) const fn current_version(&self) -> FirmwareVersion {
        firmware_version(at::<0x1e8, 3>(self.raw))
    }

    pub(super) const fn committed_version(&self) -> FirmwareVersion {
        firmware_version(at::<0x1ec, 3>(self.raw))
    }

    /// `LAUNCH_MIT_VECTOR`, since version 5.
    pub(super) fn launch_mitigations(&self) -> Option<u64> {
        (self.version >= 5).then(|| u64_at::<0x1f8>(self.raw))
    }

    /// `CURRENT_MIT_VECTOR`, since version 5.
    pub(super) fn current_mitigations(&self) -> Option<u64> {
        (self.version >= 5).then(|| u64_at::<0x200>(self.raw))
    }
}

/// AMD 56860 §7.3, table "ATTESTATION_REPORT Structure": bytes outside of the fields of this version.
fn reserved_are_zero(raw: &[u8; REPORT_LENGTH], version: u32) -> Result<(), SnpError> {
    // CPUID was added in version 3, mitigation vectors in version 5.
    let after_reported_tcb = if version >= 3 { 0x18b..0x1a0 } else { 0x188..0x1a0 };
    let before_signature = if version >= 5 { 0x208..0x2a0 } else { 0x1f8..0x2a0 };
    let ranges = [
        0x04c..0x050,
        after_reported_tcb,
        0x1eb..0x1ec,
        0x1ef..0x1f0,
        before_signature,
        // AMD 56860 §7.3.1: R and S have 72 bytes each, of which P-384 uses 48; the rest of SIGNATURE follows.
        0x2a0 + 48..0x2a0 + 72,
        0x2a0 + 72 + 48..REPORT_LENGTH,
    ];
    for range in ranges {
        let offset = range.start;
        let zero = raw.get(range).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
        if !zero {
            return Err(SnpError::ReservedNotZero { offset });
        }
    }
    Ok(())
}

/// AMD 56860 §4.3, table "Guest Policy Structure": bit 17 is always one.
fn policy(bits: u64) -> Result<GuestPolicy, SnpError> {
    const KNOWN: u64 = (1 << 26) - 1;
    const ALWAYS_ONE: u64 = 1 << 17;
    if bits & !KNOWN != 0 || bits & ALWAYS_ONE == 0 {
        return Err(SnpError::PolicyReserved { bits });
    }
    let policy = PolicyBits::from(bits);
    let [abi_minor, abi_major, ..] = bits.to_le_bytes();
    Ok(GuestPolicy {
        abi_minor,
        abi_major,
        smt: policy.smt_allowed(),
        migration_agent: policy.migrate_ma_allowed(),
        debug: policy.debug_allowed(),
        single_socket: policy.single_socket_required(),
        cxl_allow: policy.cxl_allowed(),
        mem_aes_256_xts: policy.mem_aes_256_xts(),
        rapl_dis: policy.rapl_dis(),
        ciphertext_hiding: policy.ciphertext_hiding(),
        page_swap_disable: policy.page_swap_disabled(),
    })
}

/// AMD 56860 §7.3, table "PLATFORM_INFO Field". Genuine Turin firmware sets bit 6, which the table reserves:
/// unknown bits become a claim instead of a refusal.
fn platform(bits: u64, version: u32) -> PlatformInfo {
    const KNOWN: u64 = 0b1011_1111;
    let platform = PlatformBits::from(bits);
    let aliases_checked = platform.alias_check_complete();
    PlatformInfo {
        smt: platform.smt_enabled(),
        tsme: platform.tsme_enabled(),
        ecc: platform.ecc_enabled(),
        rapl_dis: platform.rapl_disabled(),
        ciphertext_hiding: platform.ciphertext_hiding_enabled(),
        alias_check_complete: (version >= 3 || aliases_checked).then_some(aliases_checked),
        tio: platform.tio_enabled(),
        unknown_bits: bits & !KNOWN,
    }
}

/// AMD 56860 §7.3, bytes 48h to 4Bh: `AUTHOR_KEY_EN`, `MASK_CHIP_KEY`, `SIGNING_KEY`.
fn key_info(bits: u32) -> Result<(SignerKind, bool), SnpError> {
    if bits >> 5 != 0 {
        return Err(SnpError::KeyInfoReserved { bits });
    }
    let info = KeyInfo::from(bits);
    // With MASK_CHIP_KEY the firmware writes zeros instead of a signature.
    if info.mask_chip_key() {
        return Err(SnpError::Unsigned);
    }
    match info.signing_key() {
        0 => Ok((SignerKind::Vcek, info.author_key_en())),
        1 => Ok((SignerKind::Vlek, info.author_key_en())),
        7 => Err(SnpError::Unsigned),
        _ => Err(SnpError::KeyInfoReserved { bits }),
    }
}

/// AMD 56860 §7.3.1: R and S are little-endian; the fixed form of aws-lc is R then S, big-endian.
fn signature(raw: &[u8; REPORT_LENGTH]) -> Result<[u8; 96], SnpError> {
    let (mut r, mut s) = (at::<0x2a0, 48>(raw), at::<{ 0x2a0 + 72 }, 48>(raw));
    if r == [0; 48] || s == [0; 48] {
        return Err(SnpError::Unsigned);
    }
    r.reverse();
    s.reverse();
    let mut out = [0; 96];
    for (to, from) in out.iter_mut().zip(r.into_iter().chain(s)) {
        *to = from;
    }
    Ok(out)
}

const fn firmware_version([build, minor, major]: [u8; 3]) -> FirmwareVersion {
    FirmwareVersion { major, minor, build }
}

const fn at<const OFFSET: usize, const N: usize>(raw: &[u8; REPORT_LENGTH]) -> [u8; N] {
    ReportFields(raw).at::<OFFSET, N>()
}

const fn u32_at<const OFFSET: usize>(raw: &[u8; REPORT_LENGTH]) -> u32 {
    u32::from_le_bytes(at::<OFFSET, 4>(raw))
}

const fn u64_at<const OFFSET: usize>(raw: &[u8; REPORT_LENGTH]) -> u64 {
    u64::from_le_bytes(at::<OFFSET, 8>(raw))
}

/// AMD 56860 §9.1, table "Signature algorithms": ECDSA P-384 with SHA-384.
const ECDSA_P384_SHA384: u32 = 1;
