//! HTTP agents that ignore the environment's proxies and follow no redirects. Every status is an answer, not an error.
//!
//! The agents of both programs are made here, which a lint checks (`clippy.toml`): where a request goes is for the
//! configuration alone to say. The one exception is Google's library in the guest, which has a client of its own
//! and follows redirects, `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`.
//!
//! TLS is rustls over aws-lc, TLS 1.3 with X25519MLKEM768 preferred; 1.2 is accepted.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::http::HeaderMap;
use ureq::http::header::RETRY_AFTER;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::typestate::AgentScope;

/// An agent's configuration, without TLS.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes them")]
pub fn direct() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().proxy(None).max_redirects(0).http_status_as_error(false)
}

/// An agent's configuration for `https://` alone, to servers whose certificates chain to `roots` and to no others.
#[must_use]
pub fn pinned(roots: &[CertificateDer<'_>]) -> ConfigBuilder<AgentScope> {
    let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    with_roots(RootCerts::new_with_certs(&roots)).https_only(true)
}

/// An agent's configuration with TLS to servers whose certificates chain to `roots`.
#[must_use]
pub fn with_roots(roots: RootCerts) -> ConfigBuilder<AgentScope> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(roots)
        .build();
    direct().tls_config(tls)
}

/// What is wrong with the server's certificate, if that is why there is no connection.
#[must_use]
pub fn certificate_fault(error: &ureq::Error) -> Option<&rustls::CertificateError> {
    let tls = match error {
        ureq::Error::Io(error) => error.get_ref().and_then(|error| error.downcast_ref()),
        ureq::Error::Rustls(error) => Some(error),
        _ => None,
    };
    match tls {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(fault),
        _ => None,
    }
}

/// Whether a certificate has expired or is not valid yet, by this machine's clock.
#[must_use]
pub const fn is_validity_period(fault: &rustls::CertificateError) -> bool {
    use rustls::CertificateError as E;
    matches!(fault, E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. })
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); the form with a date is ignored.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_bytes(value).unwrap());
            retry_after(&headers)
        };
        assert_eq!(of(b"7"), Some(Duration::from_secs(7)));
        for text in [b"".as_slice(), b"-1", b"1.5", b"99999999999", b"Mon, 23 Nov 2026 12:00:00 GMT", b"\xff"]
        {
            assert_eq!(of(text), None);
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn nothing_leads_a_request_elsewhere() {
        for builder in [direct(), pinned(&[]), with_roots(RootCerts::new_with_certs(&[]))] {
            let config = builder.build();
            assert!(
                config.proxy().is_none() && config.max_redirects() == 0 && !config.http_status_as_error()
            );
        }
        assert!(pinned(&[]).build().https_only());
    }
}
