//! A fake of Google's launch endorsement signer, and endorsements signed by it.
//!
//! No real endorsement is part of the tests. These have Google's format and the names of its development
//! keys; their root must be configured as an extra anchor, so what it signs only ever has the root `extra`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use vouchsafe_protocol::Digest48;

use super::ca::CertificateSpec;
use super::ca::CrlSpec;
use super::ca::FakeCa;
use super::ca::Scheme;
use super::ca::encode;
use crate::launch::message::Timestamp;
use crate::launch::message::VmGoldenMeasurement;
use crate::launch::message::VmLaunchEndorsement;
use crate::launch::message::VmSevSnp;
use crate::launch::message::VmTdx;
use crate::launch::message::VmTdxMeasurement;

/// Root and signer, modelled on `GCE-cc-tcb-root` and `GCE-uefi-signer`.
#[derive(Debug)]
pub struct FakeTcbSigner {
    root: FakeCa,
    signer: FakeCa,
    root_der: Vec<u8>,
}

impl FakeTcbSigner {
    /// New keys; a signer has RSA-4096, which takes a second. [`Self::shared`] makes one per process.
    #[must_use]
    pub fn new() -> Self {
        let root = FakeCa::new(name("GCE-cc-tcb-root_dev"), Scheme::PssSha256);
        let signer = FakeCa::new_4096(name("GCE-uefi-signer_dev"), Scheme::PssSha256);
        Self { root_der: root.self_signed(1), root, signer }
    }

    /// The signer that all tests of a process share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<FakeTcbSigner> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Root certificate, DER: the extra anchor of a test.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// The root CA, to issue other certificates.
    #[must_use]
    pub const fn root(&self) -> &FakeCa {
        &self.root
    }

    /// The key that signs endorsements.
    #[must_use]
    pub const fn signer(&self) -> &FakeCa {
        &self.signer
    }

    /// A CRL of the root.
    #[must_use]
    pub fn root_crl(&self, spec: &CrlSpec) -> Vec<u8> {
        self.root.crl(spec)
    }

    /// The signer's certificate as Google's tool makes it: for signatures, not a CA.
    #[must_use]
    pub fn signer_spec(&self) -> CertificateSpec {
        let mut spec = self.root.ca_spec(&self.signer, 2);
        spec.extensions = vec![encode::basic_constraints(false, None), encode::key_usage(0x80)];
        spec
    }

    /// An endorsement of an SEV-SNP measurement for two vCPUs, among others.
    #[must_use]
    pub fn endorse_snp(&self, measurement: &Digest48) -> Vec<u8> {
        EndorsementSpec::default().with_snp(2, measurement).sign(self)
    }

    /// An endorsement of an MRTD for any size of memory, among others.
    #[must_use]
    pub fn endorse_tdx(&self, mrtd: &Digest48) -> Vec<u8> {
        EndorsementSpec::default().with_tdx(0, mrtd).sign(self)
    }
}

impl Default for FakeTcbSigner {
    fn default() -> Self {
        Self::new()
    }
}

/// Measurements, each with the GiB of memory that it is for.
pub type TdxMeasurements = Vec<(u32, Vec<u8>)>;

/// The content of an endorsement; the default is valid and endorses only made-up measurements.
#[derive(Clone, Debug)]
pub struct EndorsementSpec {
    /// Seconds since 1970; `None` omits the time.
    pub timestamp: Option<i64>,
    /// `cl_spec`.
    pub cl_spec: u64,
    /// `commit`.
    pub commit: Vec<u8>,
    /// Digest of the firmware.
    pub digest: Vec<u8>,
    /// The signer's certificate, DER, instead of the valid one.
    pub certificate: Option<Vec<u8>>,
    /// Certificates of the CA bundle, DER, instead of the root.
    pub bundle: Option<Vec<Vec<u8>>>,
    /// The CA bundle as text, instead of those certificates.
    pub bundle_text: Option<Vec<u8>>,
    /// Security version and measurements by number of vCPUs; `None` omits SEV-SNP.
    pub sev_snp: Option<(u32, BTreeMap<u32, Vec<u8>>)>,
    /// Security version and measurements by GiB of memory; `None` omits TDX.
    pub tdx: Option<(u32, TdxMeasurements)>,
    /// How it is signed.
    pub scheme: Scheme,
    /// Bytes after the fields of the signed message, for unknown fields.
    pub unknown_fields: Vec<u8>,
}

impl Default for EndorsementSpec {
    fn default() -> Self {
        Self {
            // 2025-10-01.
            timestamp: Some(1_759_276_800),
            cl_spec: 700_000_001,
            commit: vec![0xc0; 20],
            digest: vec![0xf1; 48],
            certificate: None,
            bundle: None,
            bundle_text: None,
            sev_snp: Some((7, BTreeMap::from([(1, vec![0x51; 48]), (4, vec![0x54; 48])]))),
            tdx: Some((3, vec![(0, vec![0x70; 48]), (88, vec![0x78; 48])])),
            scheme: Scheme::PssSha256,
            unknown_fields: Vec::new(),
        }
    }
}

impl EndorsementSpec {
    /// Adds a measurement of SEV-SNP.
    #[must_use]
    pub fn with_snp(mut self, vcpus: u32, measurement: &Digest48) -> Self {
        let (_, measurements) = self.sev_snp.get_or_insert_default();
        measurements.insert(vcpus, measurement.as_bytes().to_vec());
        self
    }

    /// Adds a measurement of TDX.
    #[must_use]
    pub fn with_tdx(mut self, ram_gib: u32, mrtd: &Digest48) -> Self {
        let (_, measurements) = self.tdx.get_or_insert_default();
        measurements.push((ram_gib, mrtd.as_bytes().to_vec()));
        self
    }

    /// The signed message.
    #[must_use]
    pub fn golden(&self, signer: &FakeTcbSigner) -> Vec<u8> {
        let certificate = || signer.root.issue(&signer.signer_spec());
        let bundle = self.bundle.clone().unwrap_or_else(|| vec![signer.root_der.clone()]);
        let tdx = |(svn, measurements): &(u32, TdxMeasurements)| {
            let entry = |(ram_gib, mrtd): &(u32, Vec<u8>)| VmTdxMeasurement {
                ram_gib: *ram_gib,
                early_accept: false,
                mrtd: mrtd.clone(),
            };
            VmTdx { svn: *svn, measurements: measurements.iter().map(entry).collect() }
        };
        let golden = VmGoldenMeasurement {
            timestamp: self.timestamp.map(|seconds| Timestamp { seconds, nanos: 0 }),
            cl_spec: self.cl_spec,
            commit: self.commit.clone(),
            cert: self.certificate.clone().unwrap_or_else(certificate),
            digest: self.digest.clone(),
            ca_bundle: self.bundle_text.clone().unwrap_or_else(|| pem(&bundle).into_bytes()),
            sev_snp: self.sev_snp.clone().map(|(svn, measurements)| VmSevSnp { svn, measurements }),
            tdx: self.tdx.as_ref().map(tdx),
        };
        [golden.encode_to_vec(), self.unknown_fields.clone()].concat()
    }

    /// The endorsement, signed by the fake signer's key.
    #[must_use]
    pub fn sign(&self, signer: &FakeTcbSigner) -> Vec<u8> {
        self.sign_with(signer, &signer.signer)
    }

    /// The same signed by any key.
    #[must_use]
    pub fn sign_with(&self, signer: &FakeTcbSigner, key: &FakeCa) -> Vec<u8> {
        let golden = self.golden(signer);
        let signature = key.sign(&golden, self.scheme);
        envelope(golden, signature)
    }
}

/// `VMLaunchEndorsement` of any two fields.
#[must_use]
pub fn envelope(serialized_uefi_golden: Vec<u8>, signature: Vec<u8>) -> Vec<u8> {
    VmLaunchEndorsement { serialized_uefi_golden, signature }.encode_to_vec()
}

/// Certificates in PEM, RFC 7468.
#[must_use]
pub fn pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text += "-----BEGIN CERTIFICATE-----\n";
        let mut rest = STANDARD.encode(certificate);
        while !rest.is_empty() {
            let after = rest.split_off(rest.len().min(64));
            text += &rest;
            text.push('\n');
            rest = after;
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text
}

fn name(common_name: &str) -> Vec<u8> {
    encode::name(&[("2.5.4.6", "US"), ("2.5.4.10", "Not Google"), ("2.5.4.3", common_name)])
}
