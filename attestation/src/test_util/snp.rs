//! A fake AMD: product hierarchies, endorsement certificates, and reports signed under them.
//!
//! Names and layouts are AMD's, so that the verifier's own code path is tested; the keys are throw-away, so
//! only a verifier with the fake ARK as an extra anchor accepts them.

mod report;

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair;
use serde::Deserialize;
use serde::Serialize;
use vouchsafe_protocol::UnixTime;

pub use self::report::SignedReport;
pub use self::report::SnpReportBuilder;
pub use self::report::tcb_bytes;
use super::ca::CertificateSpec;
use super::ca::CrlSpec;
use super::ca::FakeCa;
use super::ca::Scheme;
use super::ca::encode;
use crate::anchors::Product;
use crate::snp::SignerKind;
use crate::snp::Tcb;

/// The hierarchy of one product line: ARK, ASK and ASVK, and the key of one chip.
#[derive(Debug)]
pub struct FakeAmd {
    product: Product,
    ark: FakeCa,
    ask: FakeCa,
    asvk: FakeCa,
    ark_der: Vec<u8>,
    ask_der: Vec<u8>,
    asvk_der: Vec<u8>,
    chip: EcdsaKeyPair,
}

/// The private keys and CA certificates of a [`FakeAmd`], to save it for another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedAmd {
    keys: [Vec<u8>; 4],
    certificates: [Vec<u8>; 3],
}

/// The content of a fake VCEK or VLEK; [`VekSpec::vcek`] and [`VekSpec::vlek`] make a valid one.
#[derive(Clone, Debug)]
pub struct VekSpec {
    /// Common name of the subject.
    pub subject: String,
    /// Whether the ASVK issues it; otherwise the ASK.
    pub from_asvk: bool,
    /// `productName`; `None` omits it.
    pub product_name: Option<String>,
    /// TCB that the certificate endorses.
    pub tcb: Tcb,
    /// OIDs of extensions to omit.
    pub omitted: Vec<String>,
    /// Value of the reserved security patch levels.
    pub reserved_level: u64,
    /// `hwID`.
    pub hardware_id: Option<Vec<u8>>,
    /// `cspID`.
    pub csp_id: Option<String>,
    /// Encoded `SubjectPublicKeyInfo` instead of the chip's.
    pub spki: Option<Vec<u8>>,
    /// Signature scheme.
    pub scheme: Scheme,
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: UnixTime,
    /// End of validity.
    pub not_after: UnixTime,
}

impl VekSpec {
    /// A VCEK for a chip.
    #[must_use]
    pub fn vcek(product: Product, tcb: Tcb, chip_id: &[u8; 64]) -> Self {
        let length = if product == Product::Turin { 8 } else { 64 };
        Self {
            subject: "SEV-VCEK".to_owned(),
            from_asvk: false,
            product_name: Some(product.name().to_owned()),
            tcb,
            omitted: Vec::new(),
            reserved_level: 0,
            hardware_id: Some(chip_id.iter().copied().take(length).collect()),
            csp_id: None,
            spki: None,
            scheme: Scheme::PssSha384ShortForm,
            serial: vec![0],
            // 2024-01-01 to 2031-01-01.
            not_before: UnixTime(1_704_067_200),
            not_after: UnixTime(1_924_992_000),
        }
    }

    /// A VLEK for a provider.
    #[must_use]
    pub fn vlek(product: Product, tcb: Tcb) -> Self {
        Self {
            subject: "SEV-VLEK".to_owned(),
            from_asvk: true,
            hardware_id: None,
            csp_id: Some("CN=cloud.invalid".to_owned()),
            ..Self::vcek(product, tcb, &[0; 64])
        }
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let level = |level: u8| encode::integer(u64::from(level));
        let mut all = vec![
            ("1.3.6.1.4.1.3704.1.1", encode::integer(u64::from(self.tcb.fmc.is_some()))),
            ("1.3.6.1.4.1.3704.1.3.1", level(self.tcb.boot_loader)),
            ("1.3.6.1.4.1.3704.1.3.2", level(self.tcb.tee)),
            ("1.3.6.1.4.1.3704.1.3.3", level(self.tcb.snp)),
            ("1.3.6.1.4.1.3704.1.3.5", encode::integer(self.reserved_level)),
            ("1.3.6.1.4.1.3704.1.3.8", level(self.tcb.microcode)),
        ];
        let optional = [
            ("1.3.6.1.4.1.3704.1.2", self.product_name.as_deref().map(encode::ia5)),
            ("1.3.6.1.4.1.3704.1.3.9", self.tcb.fmc.map(level)),
            ("1.3.6.1.4.1.3704.1.4", self.hardware_id.clone()),
            ("1.3.6.1.4.1.3704.1.5", self.csp_id.as_deref().map(encode::ia5)),
        ];
        all.extend(optional.into_iter().filter_map(|(oid, value)| Some((oid, value?))));
        let kept = all.into_iter().filter(|(oid, _)| !self.omitted.iter().any(|omitted| omitted == oid));
        kept.map(|(oid, value)| encode::extension(oid, false, &value)).collect()
    }
}

impl FakeAmd {
    /// A hierarchy with new keys. This is slow: [`FakeAmd::shared`] makes one per process.
    #[must_use]
    pub fn new(product: Product) -> Self {
        let [ark, ask, asvk] = names(product).map(|name| FakeCa::new(name, Scheme::PssSha384));
        let intermediate = |ca: &FakeCa, serial: u64, path: &str| {
            let mut spec = ark.ca_spec(ca, serial);
            spec.extensions = vec![
                encode::basic_constraints(true, Some(0)),
                encode::key_usage(0x04),
                encode::distribution_point(&crl_url(product, path)),
            ];
            ark.issue(&spec)
        };
        let chip = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("aws-lc makes P-384 keys");
        Self {
            product,
            ark_der: ark.self_signed(0x1_0000),
            ask_der: intermediate(&ask, ASK_SERIAL, "vcek"),
            asvk_der: intermediate(&asvk, ASVK_SERIAL, "vlek"),
            ark,
            ask,
            asvk,
            chip,
        }
    }

    /// The hierarchy of this product that all tests of a process share.
    #[must_use]
    pub fn shared(product: Product) -> &'static Self {
        static SHARED: [OnceLock<FakeAmd>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        let [milan, genoa, turin] = &SHARED;
        let slot = match product {
            Product::Milan => milan,
            Product::Genoa => genoa,
            Product::Turin => turin,
        };
        slot.get_or_init(|| Self::new(product))
    }

    /// Keys and certificates, to be saved.
    #[must_use]
    pub fn save(&self) -> SavedAmd {
        let chip = self.chip.to_pkcs8v1().expect("a P-384 key encodes");
        SavedAmd {
            keys: [self.ark.to_pkcs8(), self.ask.to_pkcs8(), self.asvk.to_pkcs8(), chip.as_ref().to_vec()],
            certificates: [self.ark_der.clone(), self.ask_der.clone(), self.asvk_der.clone()],
        }
    }

    /// A saved hierarchy.
    ///
    /// # Panics
    /// When a key cannot be read.
    #[must_use]
    pub fn load(product: Product, saved: &SavedAmd) -> Self {
        let [ark_key, ask_key, asvk_key, chip_key] = &saved.keys;
        let [ark_name, ask_name, asvk_name] = names(product);
        let [ark_der, ask_der, asvk_der] = saved.certificates.clone();
        Self {
            product,
            ark: FakeCa::from_pkcs8(ark_name, Scheme::PssSha384, ark_key),
            ask: FakeCa::from_pkcs8(ask_name, Scheme::PssSha384, ask_key),
            asvk: FakeCa::from_pkcs8(asvk_name, Scheme::PssSha384, asvk_key),
            ark_der,
            ask_der,
            asvk_der,
            chip: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, chip_key).expect("a saved key"),
        }
    }

    /// Product line.
    #[must_use]
    pub const fn product(&self) -> Product {
        self.product
    }

    /// ARK certificate, DER: the extra anchor of a test.
    #[must_use]
    pub fn ark_der(&self) -> &[u8] {
        &self.ark_der
    }

    /// ASK certificate, DER.
    #[must_use]
    pub fn ask_der(&self) -> &[u8] {
        &self.ask_der
    }

    /// ASVK certificate, DER.
    #[must_use]
    pub fn asvk_der(&self) -> &[u8] {
        &self.asvk_der
    }

    /// The ARK's CA, to issue other certificates.
    #[must_use]
    pub const fn ark(&self) -> &FakeCa {
        &self.ark
    }

    /// The ASK's CA, to issue other certificates.
    #[must_use]
    pub const fn ask(&self) -> &FakeCa {
        &self.ask
    }

    /// An endorsement certificate for the chip's key.
    #[must_use]
    pub fn vek(&self, spec: &VekSpec) -> Vec<u8> {
        let issuer = if spec.from_asvk { &self.asvk } else { &self.ask };
        issuer.issue(&CertificateSpec {
            serial: spec.serial.clone(),
            subject: name(&spec.subject),
            not_before: spec.not_before,
            not_after: spec.not_after,
            spki: spec.spki.clone().unwrap_or_else(|| self.chip_spki()),
            extensions: spec.extensions(),
            scheme: spec.scheme,
        })
    }

    /// A valid VCEK.
    #[must_use]
    pub fn vcek(&self, tcb: Tcb, chip_id: &[u8; 64]) -> Vec<u8> {
        self.vek(&VekSpec::vcek(self.product, tcb, chip_id))
    }

    /// A CRL of the ARK.
    #[must_use]
    pub fn crl(&self, spec: &CrlSpec) -> Vec<u8> {
        self.ark.crl(spec)
    }

    /// The chip's key, an encoded `SubjectPublicKeyInfo`.
    fn chip_spki(&self) -> Vec<u8> {
        let public: PublicKeyX509Der<'_> = self.chip.public_key().as_der().expect("a P-384 key encodes");
        public.as_ref().to_vec()
    }

    /// R then S, big-endian.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.chip.sign(&SystemRandom::new(), message).expect("a P-384 key signs");
        signature.as_ref().to_vec()
    }

    /// The issuer's certificate and the root, as they are sent with a report.
    fn issuers(&self, kind: SignerKind) -> Vec<Vec<u8>> {
        let issuer = match kind {
            SignerKind::Vcek => &self.ask_der,
            SignerKind::Vlek => &self.asvk_der,
        };
        vec![issuer.clone(), self.ark_der.clone()]
    }
}

/// Serial number of every fake ASK.
pub const ASK_SERIAL: u64 = 0x1_0001;
/// Serial number of every fake ASVK.
pub const ASVK_SERIAL: u64 = 0x1_0101;

/// CRL distribution point of a fake ASK (`vcek`) or ASVK (`vlek`).
#[must_use]
pub fn crl_url(product: Product, path: &str) -> String {
    format!("https://kds.invalid/{path}/v1/{}/crl", product.name())
}

/// Names of ARK, ASK and ASVK.
fn names(product: Product) -> [Vec<u8>; 3] {
    ["ARK-", "SEV-", "SEV-VLEK-"].map(|prefix| name(&format!("{prefix}{}", product.name())))
}

fn name(common_name: &str) -> Vec<u8> {
    encode::name(&[
        ("2.5.4.11", "Engineering"),
        ("2.5.4.10", "Not Advanced Micro Devices"),
        ("2.5.4.3", common_name),
    ])
}
