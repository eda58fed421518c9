//! Requests to vendors: bounded in size and time, no redirect, no proxy, never conditional.
//!
//! TLS by the system's roots. `http://` is taken where the configuration or a vendor's own table says so:
//! what comes that way is signed, and counts by its signature. Nothing signs an ETag or a date of change, nor the
//! answer that nothing changed: who gave one once could have an old list taken for the one of now.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::RETRY_AFTER;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

/// A vendor's answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200.
    Body { bytes: Vec<u8>, headers: HeaderMap },
    /// The source is there and has no such thing: 404, 410, 400 where it takes no such name for one, and 403, which
    /// Google's storage answers to those who may not list its objects.
    Missing,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The source could not be reached, or did not answer in time or within the limits.
    #[error("{url}: {detail}")]
    Unreachable {
        /// Where it went.
        url: String,
        /// What happened.
        detail: String,
    },
    /// More than is read of such an item.
    #[error("{url}: more than {limit} bytes")]
    TooLarge {
        /// Where it went.
        url: String,
        /// What is read.
        limit: usize,
    },
    /// Another status than those that are expected.
    #[error("{url}: HTTP status {status}")]
    Status {
        /// Where it went.
        url: String,
        /// The status.
        status: u16,
        /// When the source wants to be asked again.
        retry_after: Option<Duration>,
    },
}

/// Fetches.
#[derive(Debug)]
pub(crate) struct Client(Agent);

impl Client {
    pub(crate) fn new(timeout: Duration) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }

    /// Gets what is at `url`, at most `limit` bytes of it.
    pub(crate) fn get(&self, url: &str, limit: usize) -> Result<Answer, FetchError> {
        let unreachable =
            |error: &ureq::Error| FetchError::Unreachable { url: url.to_owned(), detail: error.to_string() };
        let mut response = self.0.get(url).call().map_err(|error| unreachable(&error))?;
        match response.status().as_u16() {
            200 => {
                let most = u64::try_from(limit).unwrap_or(u64::MAX);
                let bytes = response.body_mut().with_config().limit(most).read_to_vec();
                let bytes = bytes.map_err(|error| match error {
                    ureq::Error::BodyExceedsLimit(_) => FetchError::TooLarge { url: url.to_owned(), limit },
                    error => unreachable(&error),
                })?;
                Ok(Answer::Body { bytes, headers: response.headers().clone() })
            }
            400 | 403 | 404 | 410 => Ok(Answer::Missing),
            status => {
                let retry_after = retry_after(&response);
                Err(FetchError::Status { url: url.to_owned(), status, retry_after })
            }
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); one with a date counts as none.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let seconds: u32 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}
