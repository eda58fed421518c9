//! Builder of quotes: starts with a valid one; every field can be set.

use aws_lc_rs::digest;

use super::FakeIntel;
use super::PckSpec;
use super::point;
use super::sign;
use crate::test_util::ca::encode;

/// A quote to be signed by a fake platform.
#[derive(Clone, Debug)]
pub struct TdxQuoteBuilder {
    /// Version, 4 or 5.
    pub version: u16,
    /// Type of the attestation key.
    pub key_type: u16,
    /// Type of the TEE.
    pub tee_type: u32,
    /// Vendor of the quoting enclave.
    pub vendor: [u8; 16],
    /// Type of a version 5 body: 2 is TDX 1.0, 3 is TDX 1.5.
    pub body_type: u16,
    /// Size of a version 5 body, if it is to be wrong.
    pub body_size: Option<u32>,
    /// `TEE_TCB_SVN`.
    pub tee_tcb_svn: [u8; 16],
    /// `MRSEAM`.
    pub mr_seam: [u8; 48],
    /// `MRSIGNERSEAM`.
    pub mr_signer_seam: [u8; 48],
    /// `SEAMATTRIBUTES`.
    pub seam_attributes: u64,
    /// `ATTRIBUTES`.
    pub attributes: u64,
    /// `XFAM`.
    pub xfam: u64,
    /// `MRTD`.
    pub mr_td: [u8; 48],
    /// `MRCONFIGID`.
    pub mr_config_id: [u8; 48],
    /// `MROWNER`.
    pub mr_owner: [u8; 48],
    /// `MROWNERCONFIG`.
    pub mr_owner_config: [u8; 48],
    /// RTMR 0 to 3.
    pub rtmrs: [[u8; 48]; 4],
    /// `REPORTDATA`.
    pub report_data: [u8; 64],
    /// `TEE_TCB_SVN_2`; written in TDX 1.5 bodies.
    pub tee_tcb_svn2: [u8; 16],
    /// `MRSERVICETD`; written in TDX 1.5 bodies.
    pub mr_service_td: [u8; 48],
    /// First byte of the quoting enclave's attributes.
    pub qe_attributes: u8,
    /// The quoting enclave's signer.
    pub qe_mr_signer: [u8; 32],
    /// The quoting enclave's product id.
    pub qe_isv_prod_id: u16,
    /// The quoting enclave's security version.
    pub qe_isv_svn: u16,
    /// The quoting enclave's report data; `None`: the required value.
    pub qe_report_data: Option<[u8; 64]>,
    /// Authentication data of the quoting enclave.
    pub qe_authentication: Vec<u8>,
    /// Types of the outer and the inner certification data.
    pub certification_types: [u16; 2],
    /// The platform's certificate.
    pub pck: PckSpec,
    /// Certificates instead of PCK certificate, PCK CA and root.
    pub chain: Option<Vec<Vec<u8>>>,
    /// Bytes to write at offsets before signing.
    pub edits: Vec<(usize, Vec<u8>)>,
    /// Bytes to write at offsets after signing.
    pub edits_after_signing: Vec<(usize, Vec<u8>)>,
    /// Bytes after the quote.
    pub padding: Vec<u8>,
}

impl TdxQuoteBuilder {
    /// A quote like a GCE VM's.
    #[must_use]
    pub fn new() -> Self {
        Self {
            version: 4,
            key_type: 2,
            tee_type: 0x81,
            // Intel's, 939a7233-f79c-4ca9-940a-0db3957f0607.
            vendor: 0x939a_7233_f79c_4ca9_940a_0db3_957f_0607_u128.to_be_bytes(),
            body_type: 3,
            body_size: None,
            tee_tcb_svn: TEE_TCB_SVN,
            mr_seam: [0x5e; 48],
            mr_signer_seam: [0; 48],
            seam_attributes: 0,
            // SEPT_VE_DISABLE.
            attributes: 1 << 28,
            xfam: 0x600e7,
            mr_td: [0x3d; 48],
            mr_config_id: [0; 48],
            mr_owner: [0; 48],
            mr_owner_config: [0; 48],
            rtmrs: [[0xa0; 48], [0xa1; 48], [0xa2; 48], [0; 48]],
            report_data: [0; 64],
            tee_tcb_svn2: TEE_TCB_SVN,
            mr_service_td: [0; 48],
            qe_attributes: 0x11,
            qe_mr_signer: QE_MR_SIGNER,
            qe_isv_prod_id: 2,
            qe_isv_svn: QE_ISV_SVN,
            qe_report_data: None,
            qe_authentication: (0..32).collect(),
            certification_types: [6, 5],
            pck: PckSpec::default(),
            chain: None,
            edits: Vec::new(),
            edits_after_signing: Vec::new(),
            padding: vec![0; 64],
        }
    }

    /// The same in version 5 with a body of TDX 1.5.
    #[must_use]
    pub fn version_5() -> Self {
        Self { version: 5, ..Self::new() }
    }

    /// The quote, with the bytes after it.
    #[must_use]
    pub fn sign(&self, intel: &FakeIntel) -> Vec<u8> {
        let mut quote = self.signed_part();
        put(&mut quote, &self.edits);
        let signature = sign(&intel.attestation, &quote);
        let attestation_key = point(&intel.attestation);
        let qe = self.qe_certification(intel, &attestation_key);
        let [outer, _] = self.certification_types;
        let data = [signature, attestation_key, certification(outer, &qe)].concat();
        quote.extend(sized(&data));
        put(&mut quote, &self.edits_after_signing);
        quote.extend(&self.padding);
        quote
    }

    /// Header and body.
    fn signed_part(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.version.to_le_bytes());
        out.extend(self.key_type.to_le_bytes());
        out.extend(self.tee_type.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.vendor);
        out.extend([0; 20]);
        let is_1_5 = self.version == 5 && self.body_type == 3;
        if self.version == 5 {
            let size = if is_1_5 { 648 } else { 584 };
            out.extend(self.body_type.to_le_bytes());
            out.extend(self.body_size.unwrap_or(size).to_le_bytes());
        }
        out.extend(self.tee_tcb_svn);
        out.extend(self.mr_seam);
        out.extend(self.mr_signer_seam);
        for mask in [self.seam_attributes, self.attributes, self.xfam] {
            out.extend(mask.to_le_bytes());
        }
        for measurement in [self.mr_td, self.mr_config_id, self.mr_owner, self.mr_owner_config] {
            out.extend(measurement);
        }
        out.extend(self.rtmrs.as_flattened());
        out.extend(self.report_data);
        if is_1_5 {
            out.extend(self.tee_tcb_svn2);
            out.extend(self.mr_service_td);
        }
        out
    }

    fn qe_certification(&self, intel: &FakeIntel, attestation_key: &[u8]) -> Vec<u8> {
        let report = self.qe_report(attestation_key);
        let signature = sign(&intel.pck, &report);
        let length = u16::try_from(self.qe_authentication.len()).expect("a short field");
        let chain = self.chain.clone().unwrap_or_else(|| intel.chain(&self.pck));
        let pem: String = chain.iter().map(|certificate| encode::pem(certificate)).collect();
        let [_, inner] = self.certification_types;
        let mut out = [report, signature, length.to_le_bytes().to_vec()].concat();
        out.extend(&self.qe_authentication);
        out.extend(certification(inner, pem.as_bytes()));
        out
    }

    /// `sgx_report_body_t`.
    fn qe_report(&self, attestation_key: &[u8]) -> Vec<u8> {
        let bound = [attestation_key, &self.qe_authentication].concat();
        let bound = digest::digest(&digest::SHA256, &bound);
        let report_data = self
            .qe_report_data
            .map_or_else(|| [bound.as_ref(), &[0; 32]].concat(), |report_data| report_data.to_vec());
        let mut report = vec![0; 384];
        put(
            &mut report,
            &[
                (48, vec![self.qe_attributes]),
                (128, self.qe_mr_signer.to_vec()),
                (256, self.qe_isv_prod_id.to_le_bytes().to_vec()),
                (258, self.qe_isv_svn.to_le_bytes().to_vec()),
                (320, report_data),
            ],
        );
        report
    }
}

impl Default for TdxQuoteBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Type, length, content.
fn certification(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_le_bytes().to_vec(), sized(content)].concat()
}

fn sized(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a short field");
    [&length.to_le_bytes(), content].concat()
}

fn put(bytes: &mut [u8], edits: &[(usize, Vec<u8>)]) {
    for (offset, edit) in edits {
        let room = bytes.get_mut(*offset..offset + edit.len());
        room.expect("an edit inside the quote").copy_from_slice(edit);
    }
}

/// `TEE_TCB_SVN` of the default quote: TDX module 1.
pub(super) const TEE_TCB_SVN: [u8; 16] = [6, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The same with an older TDX module, which is out of date in the default collateral.
pub const TEE_TCB_SVN_OLD: [u8; 16] = [4, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Signer of the fake quoting enclave.
pub(super) const QE_MR_SIGNER: [u8; 32] = [0xd1; 32];
/// Security version of the fake quoting enclave.
pub(super) const QE_ISV_SVN: u16 = 4;
