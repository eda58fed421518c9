//! SEV-SNP: an attestation report and the certificate of the key that signed it.
//!
//! Verification refuses a report that is unauthentic or ambiguous. What an authentic report states (debug,
//! privilege level, firmware, platform) becomes claims, for policies to evaluate. A report identifies neither
//! the VM's owner nor anything above the firmware.
//!
//! AMD 56860 is the SEV-SNP Firmware ABI specification, revision 1.58; AMD 57230 the VCEK certificate and KDS interface
//! specification, revision 1.00.
//!
//! Left out, and why:
//! - LAUNCH_TCB is not compared with other TCBs: migration can bring a guest from a host with newer firmware.
//! - COMMITTED_TCB against REPORTED_TCB: the host may report an older TCB than the committed one
//!   (SNP_CONFIG), so that a whole fleet reports the same.
//! - The ABI version in POLICY against CURRENT_VERSION: the firmware compares them at launch (AMD 56860 §4.3).
//! - The signature of the ID block: the firmware verified it at SNP_LAUNCH_FINISH; ID_KEY_DIGEST is the
//!   result.
//! - FAMILY_ID, IMAGE_ID, GUEST_SVN, HOST_DATA, REPORT_ID: chosen by the VM's owner and the host, so they are
//!   claims.
//! - CPUID_STEP against the stepping in `productName`: only some certificates name one, and a VLEK is for a whole line.
//! - Unknown bits of PLATFORM_INFO: Turin's firmware sets one that AMD 56860 §7.3 reserves. They become a
//!   claim.

pub(crate) mod claims;
mod error;
mod fields;
mod report;
mod tcb;
#[cfg(test)]
mod tests;
mod vek;
pub(crate) mod veks;

use subtle::ConstantTimeEq;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest48;

pub use self::claims::Cpuid;
pub use self::claims::FirmwareVersion;
pub use self::claims::GuestPolicy;
pub use self::claims::PlatformInfo;
pub use self::claims::RootWithheld;
pub use self::claims::SignerKind;
pub use self::claims::SnpClaims;
pub use self::error::SnpError;
pub use self::error::VekField;
pub use self::fields::REPORT_LENGTH;
pub use self::fields::ReportFields;
use self::report::Report;
pub use self::tcb::ChipTcb;
pub use self::tcb::Tcb;
pub use self::tcb::TcbComponent;
use self::vek::Vek;
pub use self::veks::MAX_VEKS_OF_CHIP;
pub use self::veks::VekStore;
use crate::anchors::Product;
use crate::anchors::Purpose;
pub use crate::hex_bytes::Hex;
use crate::inputs::VerifyInputs;
use crate::x509::VerifiedChain;

/// SNP evidence as received: nothing in it has been checked.
#[derive(Clone, Copy, Debug)]
pub struct SnpEvidence<'a> {
    /// The bytes of `ATTESTATION_REPORT`.
    pub report: &'a [u8],
    /// Certificate of the key that signed it, VCEK or VLEK, DER.
    pub vek: &'a [u8],
    /// Issuer certificates that came along, DER; unreadable ones are ignored.
    pub certificates: &'a [Bytes],
}

/// An authentic report. What it was made for has not been checked yet.
#[derive(Debug)]
#[must_use]
pub struct UnboundReport(SnpClaims);

impl UnboundReport {
    /// The claims, if the guest requested the report with exactly this data.
    ///
    /// # Errors
    /// [`SnpError::ReportDataMismatch`] otherwise.
    pub fn bind(self, expected: &[u8; 64]) -> Result<SnpClaims, SnpError> {
        if bool::from(self.0.report_data.0.ct_eq(expected)) {
            Ok(self.0)
        } else {
            Err(SnpError::ReportDataMismatch)
        }
    }

    /// The claims for inspection, whatever the report was made for.
    #[must_use]
    pub fn inspect(self) -> SnpClaims {
        self.0
    }
}

/// Verifies a report that was made with `expected` as its report data.
///
/// # Errors
/// One variant for each reason.
pub fn verify_report(
    evidence: &SnpEvidence<'_>,
    expected: &[u8; 64],
    inputs: &VerifyInputs<'_>,
) -> Result<SnpClaims, SnpError> {
    verify_unbound(evidence, inputs)?.bind(expected)
}

/// Verifies everything about a report except what it was made for.
///
/// # Errors
/// One variant for each reason.
pub fn verify_unbound(
    evidence: &SnpEvidence<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<UnboundReport, SnpError> {
    // 1. The report is well-formed, of a known version, signed, with no unknown fields (AMD 56860 §7.3).
    let report = Report::parse(evidence.report)?;

    // 2. The certificate chains to an anchor for the kind of key that the report names: SIGNING_KEY (AMD 56860 §7.3), a
    //    VCEK under the ASK or a VLEK under the ASVK (T16).
    let purpose = match report.signer {
        SignerKind::Vcek => Purpose::AmdVcek,
        SignerKind::Vlek => Purpose::AmdVlek,
    };
    let chain = inputs.received_chain(evidence.vek, evidence.certificates, purpose)?;

    // 3. Certificate and report agree on the kind of key (AMD 57230 §3.1, subject).
    let vek = Vek::parse(chain.leaf())?;
    if vek.kind != report.signer {
        return Err(SnpError::SignerKindMismatch { report: report.signer, certificate: vek.kind });
    }

    // 4. Chain, certificate and report agree on the product line (T08): it determines how a TCB_VERSION is
    //    read (AMD 56860 §2.2).
    let product = product(&report, &vek, chain.product())?;

    // 5. The signature, over bytes 0 to 29Fh as received (AMD 56860 §7.3).
    let key = chain.p384_key().ok_or(SnpError::KeyNotP384)?;
    let verified = key.verify_sig(report.signed(), &report.signature);
    verified.map_err(|_| unsigned(&report, &vek, product))?;

    // 6. The certificate endorses the reported TCB: each TCB has its own key, so a lower or higher one has
    //    another key (AMD 57230 §3.1). The TCBs (AMD 56860 §7.3) do not contradict each other: the current
    //    TCB is not below the reported or the committed one (T12).
    let tcbs = Tcbs::read(&report, product)?;
    tcbs.check(&vek)?;

    // 7. The certificate endorses this chip, `hwID` (AMD 57230 §3.1); a masked id is unknown, never a match (T16).
    let ids = ids(&report, &vek)?;

    Ok(UnboundReport(claims(&report, &vek, &chain, tcbs, ids)?))
}

/// A more precise error for an invalid signature: each chip has another key for each TCB.
fn unsigned(report: &Report<'_>, vek: &Vek<'_>, product: Product) -> SnpError {
    let named = || {
        let tcb = Tcb::parse(report.reported_tcb, product)?;
        let (id, length) = (report.chip_id(), if product == Product::Turin { 8 } else { 64 });
        let id = id.get(..length).filter(|id| id.iter().any(|byte| *byte != 0));
        Some(ChipTcb { chip: id.map(hex::encode), tcb })
    };
    let Some((certificate, report)) = vek.chip_tcb().zip(named()) else { return SnpError::SignatureInvalid };
    let is_other_chip =
        certificate.chip.as_ref().zip(report.chip.as_ref()).is_some_and(|(one, other)| one != other);
    if is_other_chip || certificate.tcb != report.tcb {
        return SnpError::OtherVek { certificate, report };
    }
    SnpError::SignatureInvalid
}

fn product(report: &Report<'_>, vek: &Vek<'_>, chain: Option<Product>) -> Result<Product, SnpError> {
    let certificate = vek.product;
    // An extra anchor names no product; then only the certificate does.
    if let Some(chain) = chain.filter(|chain| *chain != certificate) {
        return Err(SnpError::VekProductMismatch { chain, certificate });
    }
    let Some(cpuid) = report.cpuid else {
        // AMD 56860 §7.3: version 2 names no processor. Milan's and Genoa's TCB have the same layout, Turin's
        // differs.
        return match certificate {
            Product::Milan | Product::Genoa => Ok(certificate),
            product @ Product::Turin => Err(SnpError::ProductUnproven { product }),
        };
    };
    match cpuid.product() {
        Some(report) if report == certificate => Ok(report),
        Some(report) => Err(SnpError::ProductMismatch { certificate, report }),
        None => Err(SnpError::UnknownProcessor { family: cpuid.family, model: cpuid.model }),
    }
}

#[derive(Clone, Copy, Debug)]
struct Tcbs {
    current: Tcb,
    reported: Tcb,
    committed: Tcb,
    launch: Tcb,
}

impl Tcbs {
    fn read(report: &Report<'_>, product: Product) -> Result<Self, SnpError> {
        let read = |bytes| Tcb::parse(bytes, product).ok_or(SnpError::TcbReserved);
        Ok(Self {
            current: read(report.current_tcb)?,
            reported: read(report.reported_tcb)?,
            committed: read(report.committed_tcb)?,
            launch: read(report.launch_tcb)?,
        })
    }

    fn check(&self, vek: &Vek<'_>) -> Result<(), SnpError> {
        for (component, report) in self.reported.components() {
            let certificate = vek.level(component)?;
            if certificate != report {
                return Err(SnpError::TcbExtensionMismatch { component, certificate, report });
            }
        }
        vek.reserved_levels_are_zero()?;
        if let Some(component) = self.reported.exceeds(self.current) {
            return Err(SnpError::ReportedAboveCurrent { component });
        }
        if let Some(component) = self.committed.exceeds(self.current) {
            return Err(SnpError::CommittedAboveCurrent { component });
        }
        Ok(())
    }
}

/// The chip in hex.
struct Ids {
    /// The id in the report; `None` if the host masks it.
    reported: Option<String>,
    /// The report was signed with the VCEK.
    certified: Option<String>,
}

fn ids(report: &Report<'_>, vek: &Vek<'_>) -> Result<Ids, SnpError> {
    let certified = vek.hardware_id()?;
    let reported = chip_id(report, vek.product, certified)?;
    Ok(Ids { reported, certified: certified.map(hex::encode) })
}

fn chip_id(
    report: &Report<'_>,
    product: Product,
    certified: Option<&[u8]>,
) -> Result<Option<String>, SnpError> {
    let reported = report.chip_id();
    if reported == [0; 64] {
        return Ok(None);
    }
    // Turin's ids have 8 bytes, padded with zeros; a VLEK is not for a particular chip.
    let length = if product == Product::Turin { 8 } else { 64 };
    let (id, padding) = reported.split_at(length);
    let matches = certified.is_none_or(|certified| certified == id);
    if matches && padding.iter().all(|byte| *byte == 0) {
        Ok(Some(hex::encode(id)))
    } else {
        Err(SnpError::HardwareIdMismatch)
    }
}

fn claims(
    report: &Report<'_>,
    vek: &Vek<'_>,
    chain: &VerifiedChain,
    tcbs: Tcbs,
    ids: Ids,
) -> Result<SnpClaims, SnpError> {
    let root_withheld = advisory(vek.product);
    let report_id_ma = report.report_id_ma();
    let (current_version, committed_version) = (report.current_version(), report.committed_version());
    Ok(SnpClaims {
        root: root_withheld.is_none().then_some(chain.root()),
        root_withheld,
        revocation: chain.revocation(),
        missing_crls: chain.missing_crls().to_vec(),
        crl_issuers: chain.crl_issuers().to_vec(),
        product: vek.product,
        report_version: report.version,
        signer: vek.kind,
        csp_id: vek.csp_id()?.map(str::to_owned),
        vek_digest: chain.leaf_digest(),
        endorsement_not_after: chain.not_after(),
        policy: report.policy,
        vmpl: report.vmpl,
        measurement: Digest48(report.measurement()),
        endorsement: None,
        report_data: Hex(report.report_data()),
        host_data: Hex(report.host_data()),
        family_id: Hex(report.family_id()),
        image_id: Hex(report.image_id()),
        report_id: Hex(report.report_id()),
        report_id_ma: Hex(report_id_ma),
        // AMD 56860 §7.3: all ones if the guest has no migration agent.
        has_migration_agent: report_id_ma != [0xff; 32],
        id_key_digest: Hex(report.id_key_digest()),
        author_key_enabled: report.author_key_enabled,
        author_key_digest: Hex(report.author_key_digest()),
        guest_svn: report.guest_svn(),
        current_tcb: tcbs.current,
        reported_tcb: tcbs.reported,
        committed_tcb: tcbs.committed,
        launch_tcb: tcbs.launch,
        current_version,
        committed_version,
        provisional: tcbs.current != tcbs.committed || current_version != committed_version,
        platform: report.platform,
        launch_mitigations: report.launch_mitigations(),
        current_mitigations: report.current_mitigations(),
        chip_id: ids.reported,
        hardware_id: ids.certified,
        cpuid: report.cpuid,
    })
}

/// The advisory in force for a product line, if any. It concerns the processor, so it applies whatever anchor
/// the chain ends at (T11).
const fn advisory(product: Product) -> Option<RootWithheld> {
    match product {
        Product::Milan => Some(RootWithheld::MilanSeedExtraction),
        Product::Genoa | Product::Turin => None,
    }
}
