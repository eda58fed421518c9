//! A fake of Google's EK/AK hierarchy: root, intermediate, and AK certificates for given keys.

use vouchsafe_protocol::UnixTime;

use super::CertificateSpec;
use super::CrlSpec;
use super::FakeCa;
use super::Scheme;
use super::encode;

/// Root and intermediate, modelled on `EK/AK CA Root` and `EK/AK CA Intermediate`.
///
/// The certificates are derived from the two keys, so a CA loaded in another process is the same CA.
#[derive(Debug)]
pub struct FakeGoogle {
    root: FakeCa,
    intermediate: FakeCa,
    root_der: Vec<u8>,
    intermediate_der: Vec<u8>,
}

impl FakeGoogle {
    /// A hierarchy with new keys.
    #[must_use]
    pub fn new() -> Self {
        Self::build(
            FakeCa::new(ca_name("Fake EK/AK CA Root"), Scheme::Pkcs1Sha256),
            FakeCa::new(ca_name("Fake EK/AK CA Intermediate"), Scheme::Pkcs1Sha256),
        )
    }

    /// A hierarchy with keys saved from [`Self::root_pkcs8`] and [`Self::intermediate_pkcs8`].
    ///
    /// # Panics
    /// When one is not an RSA key.
    #[must_use]
    pub fn load(root_pkcs8: &[u8], intermediate_pkcs8: &[u8]) -> Self {
        let name = ca_name("Fake EK/AK CA Root");
        let root = FakeCa::from_pkcs8(name, Scheme::Pkcs1Sha256, root_pkcs8);
        let name = ca_name("Fake EK/AK CA Intermediate");
        let intermediate = FakeCa::from_pkcs8(name, Scheme::Pkcs1Sha256, intermediate_pkcs8);
        Self::build(root, intermediate)
    }

    fn build(root: FakeCa, intermediate: FakeCa) -> Self {
        let root_der = root.self_signed(1);
        let mut spec = root.ca_spec(&intermediate, INTERMEDIATE_SERIAL);
        spec.extensions.push(eku(TCG_KP_EK_CERTIFICATE));
        spec.extensions.push(encode::distribution_point(ROOT_CRL_URI));
        let intermediate_der = root.issue(&spec);
        Self { root, intermediate, root_der, intermediate_der }
    }

    /// Root certificate, DER: the extra anchor of a test.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// Intermediate certificate, DER; sent with the evidence.
    #[must_use]
    pub fn intermediate_der(&self) -> &[u8] {
        &self.intermediate_der
    }

    /// Private key of the root, PKCS #8.
    #[must_use]
    pub fn root_pkcs8(&self) -> Vec<u8> {
        self.root.to_pkcs8()
    }

    /// Private key of the intermediate, PKCS #8.
    #[must_use]
    pub fn intermediate_pkcs8(&self) -> Vec<u8> {
        self.intermediate.to_pkcs8()
    }

    /// The root CA, to issue other certificates.
    #[must_use]
    pub const fn root(&self) -> &FakeCa {
        &self.root
    }

    /// The intermediate CA, to issue other certificates.
    #[must_use]
    pub const fn intermediate(&self) -> &FakeCa {
        &self.intermediate
    }

    /// A CRL of the root.
    #[must_use]
    pub fn root_crl(&self, spec: &CrlSpec) -> Vec<u8> {
        self.root.crl(spec)
    }

    /// A CRL of the intermediate.
    #[must_use]
    pub fn intermediate_crl(&self, spec: &CrlSpec) -> Vec<u8> {
        self.intermediate.crl(spec)
    }

    /// An AK certificate for the key `spki_der` (encoded `SubjectPublicKeyInfo`).
    #[must_use]
    pub fn issue_ak(&self, spki_der: &[u8], spec: &AkCertificateSpec) -> Vec<u8> {
        self.intermediate.issue(&spec.certificate(spki_der))
    }
}

impl Default for FakeGoogle {
    fn default() -> Self {
        Self::new()
    }
}

/// Serial number of the fake intermediate.
pub const INTERMEDIATE_SERIAL: u64 = 0x1002;
/// CRL distribution point of the fake intermediate's certificate.
pub const ROOT_CRL_URI: &str = "http://pki.invalid/fake-ek-ak-root.crl";

/// The instance-info extension of a fake AK certificate.
#[derive(Clone, Debug)]
pub enum InstanceInfo {
    /// Made from the fields of the specification.
    FromFields,
    /// The extension is omitted.
    Omitted,
    /// These bytes as the extension's value.
    Raw(Vec<u8>),
}

/// The content of a fake AK certificate; the default is valid.
#[derive(Clone, Debug)]
pub struct AkCertificateSpec {
    /// Zone of the instance.
    pub zone: String,
    /// Project id.
    pub project_id: String,
    /// Project number.
    pub project_number: u64,
    /// Instance id.
    pub instance_id: u64,
    /// Instance name.
    pub instance_name: String,
    /// `isProduction` of the extension; `None` omits it.
    pub is_production: Option<bool>,
    /// The instance-info extension as a whole.
    pub instance_info: InstanceInfo,
    /// First byte of the key usage bits: 0x80 digitalSignature, 0x20 keyEncipherment, 0x08 keyAgreement.
    /// `None` omits the extension.
    pub key_usage: Option<u8>,
    /// Dotted OID of an extended key usage.
    pub extended_key_usage: Option<String>,
    /// `cA` of the basic constraints.
    pub is_ca: bool,
    /// Empty subject and a critical directory name as alternative name, as in Google's older hierarchy.
    pub critical_san: bool,
    /// URI of a CRL distribution point.
    pub crl_dp: Option<String>,
    /// Key identifier of the issuer.
    pub issuer_key_id: Option<Vec<u8>>,
    /// URL of the issuer's certificate.
    pub issuer_url: Option<String>,
    /// Add an unknown extension, marked critical.
    pub unknown_critical_extension: bool,
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: UnixTime,
    /// End of validity.
    pub not_after: UnixTime,
}

impl Default for AkCertificateSpec {
    fn default() -> Self {
        Self {
            zone: "us-central1-a".to_owned(),
            project_id: "vouchsafe-test".to_owned(),
            project_number: 620_438_545_889,
            instance_id: 3_560_342_035_431_930_290,
            instance_name: "test-vm".to_owned(),
            is_production: Some(true),
            instance_info: InstanceInfo::FromFields,
            key_usage: Some(0x80),
            extended_key_usage: None,
            is_ca: false,
            critical_san: false,
            crl_dp: None,
            issuer_key_id: None,
            issuer_url: None,
            unknown_critical_extension: false,
            serial: vec![0x4a, 0x4b],
            // 2024-01-01 to 2054-01-01.
            not_before: UnixTime(1_704_067_200),
            not_after: UnixTime(2_650_838_400),
        }
    }
}

impl AkCertificateSpec {
    /// The certificate for a key, to be issued.
    pub(super) fn certificate(&self, spki_der: &[u8]) -> CertificateSpec {
        CertificateSpec {
            serial: self.serial.clone(),
            subject: self.subject(),
            not_before: self.not_before,
            not_after: self.not_after,
            spki: spki_der.to_vec(),
            extensions: self.extensions(),
            scheme: Scheme::Pkcs1Sha256,
        }
    }

    fn subject(&self) -> Vec<u8> {
        if self.critical_san {
            return encode::sequence(&[]);
        }
        encode::name(&[
            ("2.5.4.7", &self.zone),
            ("2.5.4.10", "Google Compute Engine"),
            ("2.5.4.11", &self.project_id),
            ("2.5.4.3", &self.instance_id.to_string()),
        ])
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let mut extensions = vec![encode::basic_constraints(self.is_ca, None)];
        extensions.extend(self.key_usage.map(encode::key_usage));
        extensions.extend(self.extended_key_usage.as_deref().map(eku));
        extensions.extend(self.crl_dp.as_deref().map(encode::distribution_point));
        extensions.extend(self.issuer_key_id.as_deref().map(encode::authority_key_id));
        extensions.extend(self.issuer_url.as_deref().map(encode::issuer_address));
        if self.critical_san {
            extensions.push(directory_name_san());
        }
        if self.unknown_critical_extension {
            extensions.push(encode::extension("1.3.6.1.4.1.99999.1", true, &[5, 0]));
        }
        let value = match &self.instance_info {
            InstanceInfo::FromFields => Some(self.encode_instance_info()),
            InstanceInfo::Omitted => None,
            InstanceInfo::Raw(value) => Some(value.clone()),
        };
        extensions.extend(value.map(|value| encode::extension(INSTANCE_INFO, false, &value)));
        extensions
    }

    /// Value of the instance-info extension, made from the fields.
    #[must_use]
    pub fn encode_instance_info(&self) -> Vec<u8> {
        let mut security = vec![encode::tlv(0xa0, &encode::integer(0))];
        if let Some(is_production) = self.is_production {
            security.push(encode::tlv(0xa1, &encode::boolean(is_production)));
        }
        encode::sequence(&[
            encode::utf8(&self.zone),
            encode::integer(self.project_number),
            encode::utf8(&self.project_id),
            encode::integer(self.instance_id),
            encode::utf8(&self.instance_name),
            encode::tlv(0xa0, &encode::sequence(&security)),
        ])
    }
}

/// Name of a fake Google CA.
fn ca_name(common_name: &str) -> Vec<u8> {
    encode::name(&[("2.5.4.6", "US"), ("2.5.4.10", "Not Google LLC"), ("2.5.4.3", common_name)])
}

/// Extended key usage extension.
fn eku(kind: &str) -> Vec<u8> {
    encode::extension("2.5.29.37", false, &encode::sequence(&[encode::oid(kind)]))
}

/// Critical alternative name with TCG attributes, as in Google's older hierarchy.
fn directory_name_san() -> Vec<u8> {
    let name = encode::name(&[
        ("2.23.133.2.1", "id:474F4F47"),
        ("2.23.133.2.2", "vTPM"),
        ("2.23.133.2.3", "id:20160511"),
    ]);
    encode::extension("2.5.29.17", true, &encode::sequence(&[encode::tlv(0xa4, &name)]))
}

const INSTANCE_INFO: &str = "1.3.6.1.4.1.11129.2.1.21";
const TCG_KP_EK_CERTIFICATE: &str = "2.23.133.8.1";
