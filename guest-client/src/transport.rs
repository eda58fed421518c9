//! Requests to a broker: HTTPS to the CAs of the configuration, TLS 1.3 with X25519MLKEM768 first.
//!
//! TLS only gives privacy; nothing else depends on it, so a proxy in front of the broker that has only TLS
//! 1.2, or no post-quantum key exchange, is accepted. Proxies, redirects and environment variables do not
//! change where a request goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::http::header::CONTENT_TYPE;
use vouchsafe_protocol::limits::MAX_ANSWER;
use vouchsafe_system::trusted_file::{self, Others, TrustedFileError};
use vouchsafe_system::{http, pem};

use crate::config::HttpsConfig;

/// A broker's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// When the broker may be tried again.
    pub retry_after: Option<Duration>,
    /// The body, at most [`MAX_ANSWER`] bytes.
    pub body: Vec<u8>,
}

/// Carries one request to a broker.
pub trait Transport {
    /// Posts JSON and returns the response, whatever its status.
    ///
    /// # Errors
    /// [`TransportError`] when no answer came; whether the request arrived is unknown then.
    fn post(&mut self, url: &str, body: &[u8], timeout: Duration) -> Result<Response, TransportError>;

    /// Gets a resource, with whatever status.
    ///
    /// # Errors
    /// [`TransportError`] when no answer came.
    fn get(&mut self, url: &str, timeout: Duration) -> Result<Response, TransportError>;
}

/// Why a request had no response.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {source}")]
pub struct TransportError {
    /// The URL.
    pub url: String,
    /// The error.
    pub source: Box<ureq::Error>,
}

/// Why a TLS connection to this URL fails permanently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate does not chain to a CA of the configuration.
    UnknownCa,
    /// The certificate is for other hosts.
    WrongHost,
    /// The certificate is not one of a TLS server, or is broken.
    Certificate,
    /// The server does not speak TLS.
    NotTls,
}

impl TransportError {
    /// Why retrying is useless. `None` also for a certificate that has expired or is not valid yet: it may be
    /// renewed, and early in a boot the guest's clock may be wrong.
    #[must_use]
    pub fn fault(&self) -> Option<TlsFault> {
        match self.tls()? {
            rustls::Error::InvalidCertificate(error) => certificate_fault(error),
            rustls::Error::InvalidMessage(_) => Some(TlsFault::NotTls),
            _ => None,
        }
    }

    /// Whether the certificate has expired or is not valid yet, by the guest's clock.
    #[must_use]
    pub fn is_validity_period(&self) -> bool {
        matches!(self.tls(), Some(rustls::Error::InvalidCertificate(error)) if certificate_fault(error).is_none())
    }

    fn tls(&self) -> Option<&rustls::Error> {
        match &*self.source {
            ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
            ureq::Error::Rustls(error) => Some(error),
            _ => None,
        }
    }
}

fn certificate_fault(error: &rustls::CertificateError) -> Option<TlsFault> {
    use rustls::CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. } => None,
        E::UnknownIssuer | E::BadSignature => Some(TlsFault::UnknownCa),
        E::NotValidForName | E::NotValidForNameContext { .. } => Some(TlsFault::WrongHost),
        _ => Some(TlsFault::Certificate),
    }
}

/// Why the configured CAs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The file could not be read, or other users may change it.
    #[error(transparent)]
    File(#[from] TrustedFileError),
    /// The file is not PEM.
    #[error("{}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: pem::Error,
    },
    /// PEM, but without a certificate.
    #[error("{}: no certificate in it (PEM, `BEGIN CERTIFICATE`)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// One of its certificates is malformed.
    #[error("{}: certificate {number} is malformed: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        number: usize,
        /// The fault.
        source: webpki::Error,
    },
}

/// The URL is not HTTPS.
pub struct Https {
    agent: Agent,
}

impl Https {
    /// Trusts the CAs in the configured PEM file, and no others.
    ///
    /// # Errors
    /// [`CaError`] when the file contains no certificate, or one that cannot be that of a CA.
    pub fn new(config: &HttpsConfig) -> Result<Self, CaError> {
        let roots = read_roots(&config.ca)?;
        let agent = http::pinned(&roots)
            .timeout_connect(Some(config.connect))
            .user_agent(concat!("vouchsafe-guest/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: agent.into() })
    }
}

impl Transport for Https {
    fn post(&mut self, url: &str, body: &[u8], timeout: Duration) -> Result<Response, TransportError> {
        let failed = |source| TransportError { url: url.to_owned(), source: Box::new(source) };
        let request = self.agent.post(url).config().timeout_global(Some(timeout)).build();
        let sent = request.header(CONTENT_TYPE, "application/json").send(body);
        sent.and_then(read).map_err(failed)
    }

    fn get(&mut self, url: &str, timeout: Duration) -> Result<Response, TransportError> {
        let failed = |source| TransportError { url: url.to_owned(), source: Box::new(source) };
        let request = self.agent.get(url).config().timeout_global(Some(timeout)).build();
        request.call().and_then(read).map_err(failed)
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Response, ureq::Error> {
    let status = response.status().as_u16();
    let retry_after = http::retry_after(response.headers());
    let limit = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
    let body = response.body_mut().with_config().limit(limit).read_to_vec()?;
    Ok(Response { status, retry_after, body })
}

/// The certificates in `ca`, each of them checked: TLS would silently ignore unusable ones.
fn read_roots(ca: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let text = trusted_file::read(ca, Others::MayRead)?;
    let roots = pem::certificates(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => CaError::Empty { path: ca.to_owned() },
        source => CaError::Pem { path: ca.to_owned(), source },
    })?;
    for (index, root) in roots.iter().enumerate() {
        let malformed = |source| CaError::Malformed { path: ca.to_owned(), number: index + 1, source };
        webpki::anchor_from_trusted_cert(root).map_err(malformed)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_ca_file_without_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = |path: &Path| {
            let config = HttpsConfig { ca: path.to_owned(), connect: Duration::from_secs(1) };
            Https::new(&config).err().unwrap()
        };
        assert!(matches!(error(file.path()), CaError::Empty { path } if path == file.path()));
        assert!(matches!(error(Path::new("/nowhere")), CaError::File(TrustedFileError::Io { .. })));
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(error(file.path()), CaError::Malformed { number: 1, .. }));
        file.as_file().set_permissions(Permissions::from_mode(0o602)).unwrap();
        assert!(matches!(error(file.path()), CaError::File(TrustedFileError::Mode { mode: 0o602, .. })));
    }
}
