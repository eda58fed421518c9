//! Builder of `ATTESTATION_REPORT`: starts with a valid one; every field can be set.

use super::FakeAmd;
use super::VekSpec;
use crate::anchors::Product;
use crate::snp::Cpuid;
use crate::snp::FirmwareVersion;
use crate::snp::REPORT_LENGTH;
use crate::snp::SignerKind;
use crate::snp::Tcb;

/// A report to be signed by a fake chip.
#[derive(Clone, Debug)]
pub struct SnpReportBuilder {
    /// Layout of the TCBs.
    pub product: Product,
    /// `VERSION`.
    pub version: u32,
    /// `GUEST_SVN`.
    pub guest_svn: u32,
    /// `POLICY`.
    pub policy: u64,
    /// `FAMILY_ID`.
    pub family_id: [u8; 16],
    /// `IMAGE_ID`.
    pub image_id: [u8; 16],
    /// `VMPL`.
    pub vmpl: u32,
    /// `SIGNATURE_ALGO`.
    pub signature_algorithm: u32,
    /// `CURRENT_TCB`.
    pub current_tcb: Tcb,
    /// `PLATFORM_INFO`.
    pub platform_info: u64,
    /// Bytes 48h to 4Bh: `AUTHOR_KEY_EN`, `MASK_CHIP_KEY`, `SIGNING_KEY`.
    pub key_info: u32,
    /// `REPORT_DATA`.
    pub report_data: [u8; 64],
    /// `MEASUREMENT`.
    pub measurement: [u8; 48],
    /// `HOST_DATA`.
    pub host_data: [u8; 32],
    /// `ID_KEY_DIGEST`.
    pub id_key_digest: [u8; 48],
    /// `AUTHOR_KEY_DIGEST`.
    pub author_key_digest: [u8; 48],
    /// `REPORT_ID`.
    pub report_id: [u8; 32],
    /// `REPORT_ID_MA`.
    pub report_id_ma: [u8; 32],
    /// `REPORTED_TCB`.
    pub reported_tcb: Tcb,
    /// `CPUID_FAM_ID`, `CPUID_MOD_ID`, `CPUID_STEP`; written since version 3.
    pub cpuid: Cpuid,
    /// `CHIP_ID`.
    pub chip_id: [u8; 64],
    /// `COMMITTED_TCB`.
    pub committed_tcb: Tcb,
    /// Current firmware version.
    pub current_version: FirmwareVersion,
    /// Committed firmware version.
    pub committed_version: FirmwareVersion,
    /// `LAUNCH_TCB`.
    pub launch_tcb: Tcb,
    /// `LAUNCH_MIT_VECTOR`; written in version 5.
    pub launch_mitigations: u64,
    /// `CURRENT_MIT_VECTOR`; written in version 5.
    pub current_mitigations: u64,
    /// Bytes to write at offsets before signing.
    pub edits: Vec<(usize, Vec<u8>)>,
    /// Bytes to write at offsets after signing.
    pub edits_after_signing: Vec<(usize, Vec<u8>)>,
    /// The certificate; `None`: a valid one for the signing key in `key_info`.
    pub vek: Option<VekSpec>,
}

/// A signed report with its certificates.
#[derive(Clone, Debug)]
pub struct SignedReport {
    /// `ATTESTATION_REPORT`.
    pub report: Vec<u8>,
    /// VCEK or VLEK, DER.
    pub vek: Vec<u8>,
    /// ASK or ASVK, and ARK, DER.
    pub certificates: Vec<Vec<u8>>,
}

impl SnpReportBuilder {
    /// A valid report: newest version, nothing debuggable, firmware committed.
    #[must_use]
    pub fn new(product: Product) -> Self {
        let is_turin = product == Product::Turin;
        let tcb = Tcb { fmc: is_turin.then_some(1), boot_loader: 10, tee: 1, snp: 27, microcode: 200 };
        let mut chip_id = [0; 64];
        chip_id.iter_mut().take(if is_turin { 8 } else { 64 }).for_each(|byte| *byte = 0xc1);
        let (family, model) = match product {
            Product::Milan => (0x19, 0x01),
            Product::Genoa => (0x19, 0x11),
            Product::Turin => (0x1a, 0x02),
        };
        let version = FirmwareVersion { major: 1, minor: 58, build: 3 };
        Self {
            product,
            version: 5,
            guest_svn: 0,
            policy: 0x3_0000,
            family_id: [0; 16],
            image_id: [0; 16],
            vmpl: 0,
            signature_algorithm: 1,
            current_tcb: tcb,
            platform_info: 0b10_0101,
            key_info: 0,
            report_data: [0; 64],
            measurement: [0x3e; 48],
            host_data: [0; 32],
            id_key_digest: [0; 48],
            author_key_digest: [0; 48],
            report_id: [0x1d; 32],
            report_id_ma: [0xff; 32],
            reported_tcb: tcb,
            cpuid: Cpuid { family, model, stepping: 1 },
            chip_id,
            committed_tcb: tcb,
            current_version: version,
            committed_version: version,
            launch_tcb: tcb,
            launch_mitigations: 0x3f,
            current_mitigations: 0x3f,
            edits: Vec::new(),
            edits_after_signing: Vec::new(),
            vek: None,
        }
    }

    /// The same report signed by a VLEK, chip id masked.
    #[must_use]
    pub fn with_vlek(mut self) -> Self {
        self.key_info = 1 << 2;
        self.chip_id = [0; 64];
        self
    }

    /// The specification of the certificate that matches the report.
    #[must_use]
    pub fn fitting_vek(&self) -> VekSpec {
        match self.signer() {
            SignerKind::Vcek => VekSpec::vcek(self.product, self.reported_tcb, &self.chip_id),
            SignerKind::Vlek => VekSpec::vlek(self.product, self.reported_tcb),
        }
    }

    const fn signer(&self) -> SignerKind {
        if self.key_info >> 2 == 1 { SignerKind::Vlek } else { SignerKind::Vcek }
    }

    /// Writes and signs the report, and issues its certificate.
    #[must_use]
    pub fn sign(&self, amd: &FakeAmd) -> SignedReport {
        let vek = self.vek.clone().unwrap_or_else(|| self.fitting_vek());
        SignedReport {
            report: self.sign_report(amd),
            vek: amd.vek(&vek),
            certificates: amd.issuers(self.signer()),
        }
    }

    /// Writes and signs the report alone.
    #[must_use]
    pub fn sign_report(&self, amd: &FakeAmd) -> Vec<u8> {
        let mut report = self.unsigned();
        for (offset, bytes) in &self.edits {
            put(&mut report, *offset, bytes);
        }
        let signature = amd.sign(report.get(..0x2a0).expect("the signed part"));
        let (r, s) = signature.split_at(48);
        put(&mut report, 0x2a0, &r.iter().rev().copied().collect::<Vec<_>>());
        put(&mut report, 0x2a0 + 72, &s.iter().rev().copied().collect::<Vec<_>>());
        for (offset, bytes) in &self.edits_after_signing {
            put(&mut report, *offset, bytes);
        }
        report
    }

    fn unsigned(&self) -> Vec<u8> {
        let tcb = |tcb| tcb_bytes(self.product, tcb);
        let version = |version: FirmwareVersion| [version.build, version.minor, version.major];
        let mut report = vec![0; REPORT_LENGTH];
        let mut fields: Vec<(usize, Vec<u8>)> = vec![
            (0x000, self.version.to_le_bytes().to_vec()),
            (0x004, self.guest_svn.to_le_bytes().to_vec()),
            (0x008, self.policy.to_le_bytes().to_vec()),
            (0x010, self.family_id.to_vec()),
            (0x020, self.image_id.to_vec()),
            (0x030, self.vmpl.to_le_bytes().to_vec()),
            (0x034, self.signature_algorithm.to_le_bytes().to_vec()),
            (0x038, tcb(self.current_tcb)),
            (0x040, self.platform_info.to_le_bytes().to_vec()),
            (0x048, self.key_info.to_le_bytes().to_vec()),
            (0x050, self.report_data.to_vec()),
            (0x090, self.measurement.to_vec()),
            (0x0c0, self.host_data.to_vec()),
            (0x0e0, self.id_key_digest.to_vec()),
            (0x110, self.author_key_digest.to_vec()),
            (0x140, self.report_id.to_vec()),
            (0x160, self.report_id_ma.to_vec()),
            (0x180, tcb(self.reported_tcb)),
            (0x1a0, self.chip_id.to_vec()),
            (0x1e0, tcb(self.committed_tcb)),
            (0x1e8, version(self.current_version).to_vec()),
            (0x1ec, version(self.committed_version).to_vec()),
            (0x1f0, tcb(self.launch_tcb)),
        ];
        if self.version >= 3 {
            fields.push((0x188, vec![self.cpuid.family, self.cpuid.model, self.cpuid.stepping]));
        }
        if self.version >= 5 {
            fields.push((0x1f8, self.launch_mitigations.to_le_bytes().to_vec()));
            fields.push((0x200, self.current_mitigations.to_le_bytes().to_vec()));
        }
        for (offset, bytes) in fields {
            put(&mut report, offset, &bytes);
        }
        report
    }
}

/// `TCB_VERSION` in the layout of a product.
#[must_use]
pub fn tcb_bytes(product: Product, tcb: Tcb) -> Vec<u8> {
    let Tcb { fmc, boot_loader, tee, snp, microcode } = tcb;
    match product {
        Product::Milan | Product::Genoa => vec![boot_loader, tee, 0, 0, 0, 0, snp, microcode],
        Product::Turin => vec![fmc.unwrap_or(0), boot_loader, tee, snp, 0, 0, 0, microcode],
    }
}

fn put(report: &mut [u8], offset: usize, bytes: &[u8]) {
    let slot = report.get_mut(offset..offset + bytes.len()).expect("an edit stays inside the report");
    slot.copy_from_slice(bytes);
}
