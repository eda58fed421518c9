//! Where a broker is.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `https://HOST[:PORT]`, optionally followed by a path prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(String);

/// The text is not a broker's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a broker's URL is https://HOST[:PORT], without user, query or fragment")]
pub struct BrokerUrlError;

impl BrokerUrl {
    /// The URL of a route, such as `/v1/release`.
    #[must_use]
    pub fn route(&self, route: &str) -> String {
        format!("{}{route}", self.0)
    }

    /// Scheme, host and port as configured: the audience of tokens for this broker.
    #[must_use]
    pub fn origin(&self) -> &str {
        let authority = SCHEME.len()..;
        let path = self.0.get(authority).and_then(|rest| rest.find('/'));
        path.and_then(|path| self.0.get(..SCHEME.len() + path)).unwrap_or(&self.0)
    }
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, BrokerUrlError> {
        let uri: ureq::http::Uri = text.parse().map_err(|_| BrokerUrlError)?;
        let host = uri.host().unwrap_or_default();
        let plain = !text.contains(['?', '#', '@']);
        if uri.scheme_str() != Some("https") || host.is_empty() || !plain {
            return Err(BrokerUrlError);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

const SCHEME: &str = "https://";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_the_origin_of_the_broker() {
        for (text, origin) in [
            ("https://a.example:8443/base/", "https://a.example:8443"),
            ("https://a.example", "https://a.example"),
            ("https://[::1]:1/x/y", "https://[::1]:1"),
        ] {
            assert_eq!(text.parse::<BrokerUrl>().unwrap().origin(), origin);
        }
    }

    #[test]
    fn only_https_addresses_are_accepted() {
        for text in ["https://a", "https://a:1/", "https://[::1]:8443/base/"] {
            let url: BrokerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
        for text in ["http://a", "a", "https://", "https://u@a", "https://a?x", "https://a/#x", "/a", ""] {
            assert_eq!(text.parse::<BrokerUrl>(), Err(BrokerUrlError), "{text}");
        }
    }
}
