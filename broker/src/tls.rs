//! TLS of both listeners: 1.3 only, X25519MLKEM768 first.
//!
//! TLS only adds privacy. No secret depends on it: secrets are wrapped to the guest's attested key and the
//! answer is signed by the broker's identity.

mod files;
mod own;
pub(crate) mod watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use vouchsafe_attestation::x509::Certificate;
use vouchsafe_protocol::UnixTime;
use vouchsafe_system::trusted_file::{self, Others};

use crate::config::{BrokerConfig, Listener};
pub(crate) use files::certificates_in;
pub use files::{TlsError, certificates};
pub(crate) use own::ca_beside;
pub use own::{RenewError, SelfSigned, renew};

/// The TLS of a listener.
#[derive(Debug)]
pub struct ListenerTls {
    /// For its connections.
    pub server: Arc<ServerConfig>,
    /// The end of its certificate; `None` if that cannot be read.
    pub ends_at: Option<UnixTime>,
}

/// The TLS of a listener, from its files.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn load(listener: &Listener) -> Result<ListenerTls, TlsError> {
    let Listener { certificate, key, .. } = listener;
    let chain = certificates(certificate)?;
    let ends_at = ends_at(&chain);
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::File { path: key.clone(), source })?;
    let pair = |source| TlsError::Pair { certificate: certificate.clone(), key: key.clone(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    // A guest makes two requests on one connection and never resumes a session; unacknowledged tickets would
    // delay its first answer.
    config.send_tls13_tickets = 0;
    Ok(ListenerTls { server: Arc::new(config), ends_at })
}

/// The last second in which all certificates of a chain are valid; `None` if one of them cannot be read.
fn ends_at(chain: &[CertificateDer<'_>]) -> Option<UnixTime> {
    let ends = chain.iter().map(|der| Certificate::parse(der).map(|parsed| parsed.not_after()));
    ends.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// Whether the certificate in a PEM file is valid for this host, a DNS name or an address.
///
/// # Errors
/// [`TlsError::File`] when it contains no certificate.
pub fn is_for(certificate: &Path, host: &str) -> Result<bool, TlsError> {
    let chain = certificates(certificate)?;
    let Some(leaf) = chain.first() else { return Ok(false) };
    let Ok(host) = ServerName::try_from(host) else { return Ok(false) };
    let parsed = ParsedCertificate::try_from(leaf);
    Ok(parsed.is_ok_and(|parsed| verify_server_name(&parsed, &host).is_ok()))
}

/// Warns in the log about keys that other users can read. They may be another service's, so they are used all the same.
pub(crate) fn warn_of_exposed_keys(config: &BrokerConfig) {
    let keys = BTreeSet::from([&config.guests.key, &config.operators.key]);
    for error in keys.into_iter().filter_map(|key| trusted_file::examine(key, Others::MayNothing).err()) {
        tracing::warn!(event = "broker.tls_key_exposed", %error, "a key of TLS is not the broker's alone");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::NamedGroup;

    use super::*;
    use crate::clock;

    #[test]
    fn post_quantum_key_exchange_comes_first() {
        let groups: Vec<_> = default_provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups.first(), Some(&NamedGroup::X25519MLKEM768));
    }

    #[test]
    fn a_generated_certificate_serves_without_tickets() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = SelfSigned::generate(&hosts, clock::now()).unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        fs::write(&certificate, &made.certificate).unwrap();
        fs::write(&key, made.key.as_bytes()).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let loaded =
            load(&Listener { listen, certificate: certificate.clone(), key, proxies: Vec::new() }).unwrap();
        assert_eq!(loaded.server.send_tls13_tickets, 0);
        let days = loaded.ends_at.unwrap().since(clock::now()) / 86_400;
        assert!((363..=365).contains(&days), "{days}");
        for (host, named) in
            [("localhost", true), ("127.0.0.1", true), ("::1", false), ("other.example", false)]
        {
            assert_eq!(is_for(&certificate, host).unwrap(), named, "{host}");
        }
        let listener =
            Listener { listen, certificate: certificate.clone(), key: certificate, proxies: Vec::new() };
        assert!(matches!(load(&listener), Err(TlsError::File { .. })));
        assert!(SelfSigned::generate(&["no name".to_owned(), "\u{e4}".to_owned()], clock::now()).is_err());
    }
}
