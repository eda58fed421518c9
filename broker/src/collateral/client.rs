//! HTTP requests to vendors: limited in size and time, no redirects, no proxy, never conditional.
//!
//! TLS uses the system's roots. `http://` is accepted where the configuration or a vendor's own table has it:
//! what is fetched that way is signed, and verified by its signature. Requests are unconditional because an
//! ETag, a modification date and a 304 are not signed: a network attacker who set one once could pass off an
//! old CRL as current for good.

use std::time::Duration;

use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::tls::RootCerts;
use vouchsafe_system::http;

/// A vendor's answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200.
    Body { bytes: Vec<u8>, headers: HeaderMap },
    /// The source has no such item: 404; 410; 400, if it rejects the name; and 403, which Google's storage
    /// returns to clients that may not list objects.
    Missing,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The source could not be reached, or did not answer within the limits.
    #[error("{url}: {detail}")]
    Unreachable {
        /// Where it went.
        url: String,
        /// Details of the error.
        detail: String,
    },
    /// The response is larger than the limit for such an item.
    #[error("{url}: more than {limit} bytes")]
    TooLarge {
        /// Where it went.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// An unexpected status.
    #[error("{url}: HTTP status {status}")]
    Status {
        /// Where it went.
        url: String,
        /// The status.
        status: u16,
        /// When the source asks for the next request.
        retry_after: Option<Duration>,
    },
}

/// Fetches.
#[derive(Debug)]
pub(crate) struct Client(Agent);

impl Client {
    pub(crate) fn new(timeout: Duration) -> Self {
        let config = http::with_roots(RootCerts::PlatformVerifier)
            .timeout_global(Some(timeout))
            .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }

    /// Fetches `url`, reading at most `limit` bytes.
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
                let retry_after = http::retry_after(response.headers());
                Err(FetchError::Status { url: url.to_owned(), status, retry_after })
            }
        }
    }
}
