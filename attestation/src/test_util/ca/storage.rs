//! Issuing CAs like Google's: many with one name below one root, distinguished by their keys, each published
//! at its own URL in Google's storage.

use vouchsafe_protocol::Digest32;

use super::AkCertificateSpec;
use super::FakeCa;
use super::FakeGoogle;
use super::Scheme;
use super::encode;

/// One of the issuing CAs of a fake Google.
#[derive(Debug)]
pub struct FakeIssuer {
    ca: FakeCa,
    der: Vec<u8>,
    key_id: Vec<u8>,
    /// The URL of its certificate.
    pub url: String,
    /// The CRL distribution point in its certificate.
    pub crl_url: String,
}

impl FakeIssuer {
    /// A CA with a new key, below the root of `google` and with the name of its intermediate. `number`
    /// determines its URL.
    #[must_use]
    pub fn new(google: &FakeGoogle, number: u32) -> Self {
        let ca = FakeCa::new(google.intermediate().name().to_vec(), Scheme::Pkcs1Sha256);
        let key_id = Digest32::of(&ca.spki()).as_bytes()[..20].to_vec();
        let bucket = format!(
            "http://privateca-content-{number:08x}-0000-4000-8000-{number:012x}.storage.googleapis.com/{number:020x}"
        );
        let (url, crl_url) = (format!("{bucket}/ca.crt"), format!("{bucket}/crl.crl"));
        let mut spec = google.root().ca_spec(&ca, u64::from(number) + 0x2000);
        spec.extensions.push(encode::subject_key_id(&key_id));
        spec.extensions.push(encode::distribution_point(&crl_url));
        Self { der: google.root().issue(&spec), ca, key_id, url, crl_url }
    }

    /// Its certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its key identifier.
    #[must_use]
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// The CA itself, to issue other certificates.
    #[must_use]
    pub const fn ca(&self) -> &FakeCa {
        &self.ca
    }

    /// An AK certificate that names its issuer like Google's: by key identifier and URL.
    #[must_use]
    pub fn issue_ak(&self, spki_der: &[u8], spec: &AkCertificateSpec) -> Vec<u8> {
        let mut spec = spec.clone();
        spec.issuer_key_id.get_or_insert_with(|| self.key_id.clone());
        spec.issuer_url.get_or_insert_with(|| self.url.clone());
        self.ca.issue(&spec.certificate(spki_der))
    }
}
