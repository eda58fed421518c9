//! Addresses of proxies in front of a listener.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

/// An address, or a network of addresses such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ProxyNetwork {
    address: IpAddr,
    /// Leading bits that all its addresses have in common; at least one.
    prefix: u32,
}

/// The text names no network of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an IP address, or a network such as 10.0.0.0/8 whose address ends with zeros; /0 would let every client name its own address"
)]
pub struct ProxyNetworkError;

impl ProxyNetwork {
    /// Whether this address, in canonical form, is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, width) = bits(self.address);
        let (other, other_width) = bits(address);
        width == other_width && (own ^ other).checked_shr(width.saturating_sub(self.prefix)) == Some(0)
    }
}

impl FromStr for ProxyNetwork {
    type Err = ProxyNetworkError;

    fn from_str(text: &str) -> Result<Self, ProxyNetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(it, prefix)| (it, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| ProxyNetworkError)?;
        let (bits, width) = bits(address);
        let prefix: u32 = prefix.map_or(Ok(width), str::parse).map_err(|_| ProxyNetworkError)?;
        if !(1..=width).contains(&prefix) || address != address.to_canonical() {
            return Err(ProxyNetworkError);
        }
        // The bits after the prefix; there are none where the shift is by all 128.
        let rest = u128::MAX.checked_shr(128 - width + prefix).unwrap_or(0) & bits;
        (rest == 0).then_some(Self { address, prefix }).ok_or(ProxyNetworkError)
    }
}

impl TryFrom<String> for ProxyNetwork {
    type Error = ProxyNetworkError;

    fn try_from(text: String) -> Result<Self, ProxyNetworkError> {
        text.parse()
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (v4.to_bits().into(), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.7", &["10.0.0.7"][..], &["10.0.0.6", "::ffff:10.0.0.7", "::a00:7"][..]),
            ("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
            ("35.191.0.0/16", &["35.191.1.2"], &["35.190.255.255"]),
            ("128.0.0.0/1", &["255.0.0.0"], &["127.255.255.255"]),
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::", "1.2.3.4"]),
            ("2001:db8::1/128", &["2001:db8::1"], &["2001:db8::2"]),
        ] {
            let network: ProxyNetwork = network.parse().unwrap();
            assert!(inside.iter().all(|address| network.contains(address.parse().unwrap())), "{network:?}");
            assert!(!outside.iter().any(|address| network.contains(address.parse().unwrap())), "{network:?}");
        }
    }

    #[test]
    fn t54_what_names_no_network_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/0",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/129",
            "2001:db8::1/64",
            "10.0.0.0/-1",
            "10.0.0.0/4294967295",
            "10.0.0.0/8/8",
            "10.0.0.0/ 8",
            "balancer.example.com",
            "::ffff:10.0.0.0/104",
            "10.0.0.0:443",
        ] {
            assert_eq!(text.parse::<ProxyNetwork>(), Err(ProxyNetworkError), "{text}");
        }
    }
}
