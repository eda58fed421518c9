//! Certificates in PEM.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

pub use rustls::pki_types::pem::Error;

/// The certificates in a PEM file, at least one. They are not parsed.
///
/// # Errors
/// [`Error::Io`], [`Error::NoItemsFound`], or a fault of the text.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    certificates(&std::fs::read(path).map_err(Error::Io)?)
}

/// The certificates in PEM, at least one. They are not parsed.
///
/// # Errors
/// [`Error::NoItemsFound`], or a fault of the text.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(Error::NoItemsFound) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    #[test]
    fn certificates_are_read_and_other_items_left_out() {
        let key = ONE.replace("CERTIFICATE", "PRIVATE KEY");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, format!("a comment\n{ONE}{key}{ONE}")).unwrap();
        let found = read_certificates(file.path()).unwrap();
        assert_eq!(found, [CertificateDer::from(vec![0x30, 0]), CertificateDer::from(vec![0x30, 0])]);
        for text in ["", "text", key.as_str()] {
            assert!(matches!(certificates(text.as_bytes()), Err(Error::NoItemsFound)), "{text}");
        }
        assert!(certificates(ONE.replace("MAA=", "!").as_bytes()).is_err());
        assert!(matches!(read_certificates(Path::new("/nowhere")), Err(Error::Io(_))));
    }
}
