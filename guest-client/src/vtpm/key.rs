//! The attestation key of a GCE instance: created from the template in NV, certified by Google.

use rustls::pki_types::CertificateDer;
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::structures::Public;
use tss_esapi::traits::{Marshall as _, UnMarshall as _};
use webpki::EndEntityCert;

use super::algorithm::{AkAlgorithm, AkChoice};
use super::connection::Vtpm;
use super::error::{Step, VtpmError};
use super::spki::subject_public_key_info;

/// An AK loaded in the TPM, with its certificate, which is not verified here.
#[derive(Clone, Debug)]
pub struct AttestationKey {
    pub(super) handle: KeyHandle,
    algorithm: AkAlgorithm,
    certificate: Vec<u8>,
    spki: Vec<u8>,
}

impl AttestationKey {
    /// RSA or ECC.
    #[must_use]
    pub const fn algorithm(&self) -> AkAlgorithm {
        self.algorithm
    }

    /// The certificate in NV, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The key as DER `SubjectPublicKeyInfo`, equal to the certificate's.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

impl Vtpm {
    /// Creates the AK that Google certified for this instance.
    ///
    /// # Errors
    /// [`VtpmError::NoAttestationKey`] when NV has none, [`VtpmError::NotCertified`] when it has a template only,
    /// [`VtpmError::KeyMismatch`] when the certificate belongs to another key, or the TPM's error.
    pub fn attestation_key(&mut self, choice: AkChoice) -> Result<AttestationKey, VtpmError> {
        let mut absent = VtpmError::NoAttestationKey { wanted: choice };
        for algorithm in choice.candidates().iter().copied() {
            if !self.has_index(algorithm.template_index())? {
                continue;
            }
            if self.has_index(algorithm.certificate_index())? {
                return self.make_key(algorithm);
            }
            absent = VtpmError::NotCertified { algorithm };
        }
        Err(absent)
    }

    fn make_key(&mut self, algorithm: AkAlgorithm) -> Result<AttestationKey, VtpmError> {
        let template = self.read_index(algorithm.template_index())?;
        let template = parse_template(&template).ok_or(VtpmError::Template { algorithm })?;
        let area = self.read_index(algorithm.certificate_index())?;
        let certificate = certificate_in(&area).ok_or(VtpmError::Certificate { algorithm })?;
        let certified = certified_key(certificate).ok_or(VtpmError::Certificate { algorithm })?;
        let made = self.authorised(Step::CreateKey(algorithm), |context| {
            context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
        })?;
        let spki = subject_public_key_info(&made.out_public)?;
        if spki != certified {
            return Err(VtpmError::KeyMismatch { algorithm });
        }
        Ok(AttestationKey { handle: made.key_handle, algorithm, certificate: certificate.to_vec(), spki })
    }
}

/// The template, if the TPM will receive exactly the bytes in NV. Padding after it is not part of it.
fn parse_template(area: &[u8]) -> Option<Public> {
    let template = Public::unmarshall(area).ok()?;
    let bytes = template.marshall().ok()?;
    area.starts_with(&bytes).then_some(template)
}

/// The DER value at the start of the NV area; the area may be larger than its certificate.
fn certificate_in(area: &[u8]) -> Option<&[u8]> {
    let (header, length) = match *area {
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        [0x30, 0x81, length, ..] => (3, usize::from(length)),
        _ => return None,
    };
    area.get(..header + length)
}

fn certified_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let certificate = CertificateDer::from(certificate);
    let certificate = EndEntityCert::try_from(&certificate).ok()?;
    Some(certificate.subject_public_key_info().to_vec())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn a_certificate_is_cut_out_of_its_area() {
        let long = [vec![0x30, 0x82, 1, 0], vec![5; 256], vec![0xff; 100]].concat();
        assert_eq!(certificate_in(&long).unwrap().len(), 260);
        assert_eq!(certificate_in(&[0x30, 0x81, 1, 7, 0]), Some([0x30, 0x81, 1, 7].as_slice()));
        assert_eq!(certificate_in(&long[..259]), None);
        assert_eq!(certificate_in(&[]), None);
        assert_eq!(certificate_in(&[0x31, 0x81, 0]), None);
    }

    #[test]
    fn a_truncated_template_is_refused() {
        assert!(parse_template(&[]).is_none());
        assert!(parse_template(&[0, 1, 0, 0x0b]).is_none());
    }

    /// Certificates of real instances, including older ones with a critical subject name.
    #[test]
    fn the_key_of_real_google_certificates_is_found() {
        let Some(folder) = vouchsafe_captured::folder() else { return };
        let folder = folder.join("gce/vtpm/certs-leaf");
        let files = std::fs::read_dir(&folder).unwrap();
        let mut seen = 0;
        for file in files.map(|file| file.unwrap().path()) {
            let bytes = CertificateDer::from_pem_file(&file).unwrap().to_vec();
            let area = [bytes.as_slice(), &[0; 9]].concat();
            assert_eq!(certificate_in(&area), Some(bytes.as_slice()), "{}", file.display());
            let key = certified_key(&bytes).unwrap_or_else(|| panic!("{}", file.display()));
            assert!(bytes.windows(key.len()).any(|part| part == key));
            seen += 1;
        }
        assert!(seen > 0, "no certificate in {}", folder.display());
    }
}
