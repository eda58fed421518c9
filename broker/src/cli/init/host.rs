//! A name or address of the broker.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A DNS name in lower case, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A DNS name: RFC 1123, at most 253 characters, without a dot at its end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// The text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HostError {
    /// A URL, or a host with a port.
    #[error("give the host alone, without https:// and without a port")]
    NotAlone,
    /// 0.0.0.0 or ::, to which no client can connect.
    #[error("this address stands for every address: name one that clients can connect to")]
    Unspecified,
    /// Neither a name nor an address.
    #[error("neither a DNS name (a-z, 0-9, `-` and dots) nor an IP address")]
    Malformed,
}

impl Host {
    /// As in a URL: IPv6 addresses in brackets.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if let Some(address) = address(text) {
            if address.is_unspecified() {
                return Err(HostError::Unspecified);
            }
            return Ok(Self::Address(address));
        }
        if text.contains('/') || text.contains(':') {
            return Err(HostError::NotAlone);
        }
        let name = text.to_ascii_lowercase();
        if is_name(&name) { Ok(Self::Name(name)) } else { Err(HostError::Malformed) }
    }
}

/// IPv6 with or without its brackets.
fn address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// RFC 1123 §2.1: labels of 1 to 63 letters, digits and inner hyphens. The last one is not all digits, or it would be
/// a mistyped address.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for (text, shown, authority) in [
            ("broker.example.com", "broker.example.com", "broker.example.com"),
            ("Broker.Example.COM", "broker.example.com", "broker.example.com"),
            ("localhost", "localhost", "localhost"),
            ("a-1.b2", "a-1.b2", "a-1.b2"),
            ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
            ("fd00::5", "fd00::5", "[fd00::5]"),
            ("[fd00::5]", "fd00::5", "[fd00::5]"),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.authority().as_str()), (shown, authority), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, error) in [
            ("https://broker.example.com", HostError::NotAlone),
            ("broker.example.com:8443", HostError::NotAlone),
            ("10.0.0.5:8443", HostError::NotAlone),
            ("[fd00::5]:8443", HostError::NotAlone),
            ("[10.0.0.5]", HostError::Malformed),
            ("fe80::1%eth0", HostError::NotAlone),
            ("0.0.0.0", HostError::Unspecified),
            ("::", HostError::Unspecified),
            ("", HostError::Malformed),
            ("256.1.1.1", HostError::Malformed),
            ("10.0.0", HostError::Malformed),
            ("broker.example.com.", HostError::Malformed),
            ("-a.example", HostError::Malformed),
            ("a-.example", HostError::Malformed),
            ("a..b", HostError::Malformed),
            ("*.example.com", HostError::Malformed),
            ("a_b.example", HostError::Malformed),
            ("a b", HostError::Malformed),
            ("br\u{f6}ker.example", HostError::Malformed),
        ] {
            assert_eq!(text.parse::<Host>(), Err(error), "{text}");
        }
        assert_eq!("a".repeat(64).parse::<Host>(), Err(HostError::Malformed));
        assert_eq!(format!("{}a", "a.".repeat(127)).parse::<Host>(), Err(HostError::Malformed));
    }
}
