//! `[google_token]`: how to request tokens of Google Cloud Attestation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::error::ConfigError;
use super::limits::seconds;

/// `[google_token]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GoogleTokenConfig {
    /// The kind of token, which determines how it is verified.
    pub r#type: TokenType,
    /// The evidence to present to Google.
    pub show: Shown,
    /// Include the VM's service account in the token: its id token is sent along.
    pub service_account: bool,
    /// The requesting project; default: the VM's own.
    pub project: Option<String>,
    /// The region of the service; default: the VM's own.
    pub location: Option<String>,
    /// Where Google's API is.
    pub endpoint: ApiEndpoint,
    /// The metadata server. For credentials, Google's library prefers `GCE_METADATA_HOST` from the
    /// environment.
    pub metadata: MetadataServer,
    /// Timeout of all requests for one token together.
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
}

impl Default for GoogleTokenConfig {
    fn default() -> Self {
        Self {
            r#type: TokenType::Pki,
            show: Shown::Auto,
            service_account: false,
            project: None,
            location: None,
            endpoint: ApiEndpoint("https://confidentialcomputing.googleapis.com".to_owned()),
            metadata: MetadataServer("http://metadata.google.internal".to_owned()),
            timeout: Duration::from_secs(30),
        }
    }
}

impl GoogleTokenConfig {
    /// Rejects a timeout of zero.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        if self.timeout.is_zero() {
            return Err(ConfigError::ZeroLimit { name: "google_token.timeout" });
        }
        Ok(self)
    }
}

/// The kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Verified with Google's current keys, which change and must be fetched.
    Oidc,
    /// Verified with the root of Confidential Space; the certificates are in the token.
    Pki,
}

/// The evidence to present to Google for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// In a trust domain the TDX quote, otherwise the vTPM; also the vTPM if there is no quote or Google
    /// rejects it.
    Auto,
    /// Quotes of the vTPM and the firmware log.
    Vtpm,
    /// A TDX quote and the CCEL event log.
    Tdx,
}

/// Endpoint of Google's API: `https://HOST[:PORT]`, or plain HTTP on this machine. It receives the VM's
/// access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiEndpoint(String);

/// The metadata server: `http://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataServer(String);

/// The text is not an endpoint of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The URL is not that of the API.
    #[error("the endpoint of Google's API is https://HOST[:PORT], or http:// to a loopback address")]
    Api,
    /// The URL is not that of the metadata server.
    #[error("a metadata server is http://HOST[:PORT]")]
    Metadata,
}

impl ApiEndpoint {
    /// Without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MetadataServer {
    /// Without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, host) = address(text).ok_or(EndpointError::Api)?;
        let local = || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match scheme.as_str() {
            "https" => {}
            "http" if local() => {}
            _ => return Err(EndpointError::Api),
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl FromStr for MetadataServer {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match address(text) {
            Some((scheme, _)) if scheme == "http" => Ok(Self(text.trim_end_matches('/').to_owned())),
            _ => Err(EndpointError::Metadata),
        }
    }
}

/// Scheme and host of a URL that has only these and a port.
fn address(text: &str) -> Option<(String, String)> {
    let uri: ureq::http::Uri = text.parse().ok()?;
    let bare = !text.contains(['?', '#', '@']) && matches!(uri.path(), "" | "/");
    let host = uri.host().filter(|host| !host.is_empty() && bare)?;
    Some((uri.scheme_str()?.to_owned(), host.to_owned()))
}

impl fmt::Display for ApiEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MetadataServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ApiEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for MetadataServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_token_goes_nowhere_in_the_clear() {
        for text in ["https://a", "https://a:1/", "http://127.0.0.1:80", "http://[::1]:8080"] {
            let endpoint: ApiEndpoint = text.parse().unwrap();
            assert_eq!(endpoint.as_str(), text.trim_end_matches('/'));
        }
        for text in
            ["http://a", "http://10.0.0.1", "https://a/v1", "https://u@a", "https://a?b", "ftp://a", "a", ""]
        {
            assert_eq!(text.parse::<ApiEndpoint>(), Err(EndpointError::Api), "{text}");
        }
    }

    #[test]
    fn metadata_servers_speak_plain_http() {
        assert_eq!("http://a:8080/".parse::<MetadataServer>().unwrap().as_str(), "http://a:8080");
        for text in ["https://a", "http://", "http://a/x", "a:80", ""] {
            assert_eq!(text.parse::<MetadataServer>(), Err(EndpointError::Metadata), "{text}");
        }
    }
}
