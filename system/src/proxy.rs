//! The header that a proxy in front sends before the bytes of its client: PROXY protocol, version 2.
//!
//! It is not authenticated: whoever can connect from the address of a proxy can name any client. Citations are of
//! the specification of HAProxy, "The PROXY protocol, versions 1 & 2", section 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes before the part of variable length.
pub const FIXED: usize = 16;
/// The longest header that is accepted. The specification (section 2) has receivers expect one of 536 bytes in a segment.
pub const LONGEST: usize = 536;

/// The connection that a proxy has passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy's own, such as a check of its target's health.
    Proxy,
    /// That of a client with this address.
    Client(IpAddr),
}

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The signature is missing: another version, or no header.
    #[error("there is no header of the PROXY protocol, version 2")]
    Signature,
    /// Another version than 2.
    #[error("the header has version {0}, not 2")]
    Version(u8),
    /// Neither LOCAL nor PROXY.
    #[error("the header has the unknown command {0}")]
    Command(u8),
    /// Neither TCP over IPv4 nor TCP over IPv6.
    #[error(
        "the header is about family and protocol {0:#04x}: only TCP over IPv4 (0x11) and IPv6 (0x21) are served"
    )]
    Family(u8),
    /// Longer than [`LONGEST`].
    #[error("the header has {0} bytes: at most {LONGEST} are accepted")]
    TooLong(usize),
    /// The addresses are not whole.
    #[error("the header is too short for its addresses")]
    TooShort,
}

/// The first part of a header, whose command, family and length are known and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    family: Family,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Local,
    Ipv4,
    Ipv6,
}

impl Fixed {
    /// Reads the first part.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub const fn parse(bytes: [u8; FIXED]) -> Result<Self, ProxyError> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, command, family, high, low] = bytes;
        // The 12 bytes of the signature.
        if u128::from_be_bytes([0, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l]) != SIGNATURE {
            return Err(ProxyError::Signature);
        }
        // The 13th byte: the version in its upper half, the command in its lower half.
        if command >> 4 != 2 {
            return Err(ProxyError::Version(command >> 4));
        }
        // The 15th and 16th byte: the length of the rest.
        let length = u16::from_be_bytes([high, low]) as usize;
        if FIXED + length > LONGEST {
            return Err(ProxyError::TooLong(FIXED + length));
        }
        let family = match (command & 0xf, family) {
            // LOCAL: the receiver uses the addresses of the connection, and skips the rest of the header.
            (0, _) => return Ok(Self { family: Family::Local, length }),
            // PROXY, and the 14th byte: the address family in its upper half, the protocol in its lower half.
            (1, 0x11) => Family::Ipv4,
            (1, 0x21) => Family::Ipv6,
            // With the family AF_UNSPEC the receiver may use the connection's own addresses or refuse it. A client without
            // an address would have the proxy's share of everything.
            (1, family) => return Err(ProxyError::Family(family)),
            (command, _) => return Err(ProxyError::Command(command)),
        };
        Ok(Self { family, length })
    }

    /// Bytes of the rest.
    #[must_use]
    pub const fn length(self) -> usize {
        self.length
    }

    /// The source, from the rest of the header. What follows the addresses is ignored.
    ///
    /// # Errors
    /// [`ProxyError::TooShort`].
    pub fn source(self, rest: &[u8]) -> Result<Source, ProxyError> {
        // Source address, destination address, source port, destination port.
        let client = match self.family {
            Family::Local => return Ok(Source::Proxy),
            Family::Ipv4 => {
                let [a, b, c, d, ..] = *rest.first_chunk::<12>().ok_or(ProxyError::TooShort)?;
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            Family::Ipv6 => {
                let all = rest.first_chunk::<36>().ok_or(ProxyError::TooShort)?;
                let source = all.first_chunk::<16>().ok_or(ProxyError::TooShort)?;
                IpAddr::V6(Ipv6Addr::from(*source))
            }
        };
        Ok(Source::Client(client.to_canonical()))
    }
}

/// `\r\n\r\n\0\r\nQUIT\n`
const SIGNATURE: u128 = 0x0d0a_0d0a_000d_0a51_5549_540a;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
    }

    fn read(header: &[u8]) -> Result<Source, ProxyError> {
        let (fixed, rest) = header.split_first_chunk::<FIXED>().unwrap();
        let fixed = Fixed::parse(*fixed)?;
        assert_eq!(fixed.length(), rest.len());
        fixed.source(rest)
    }

    fn v4() -> Vec<u8> {
        [[192, 0, 2, 7], [198, 51, 100, 1], [0x30, 0x39, 0x20, 0xfb]].concat()
    }

    fn v6(source: &str) -> Vec<u8> {
        let [source, target] = [source, "2001:db8::1"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
        [&source[..], &target, &[0x30, 0x39, 0x20, 0xfb]].concat()
    }

    fn client(address: &str) -> Result<Source, ProxyError> {
        Ok(Source::Client(address.parse().unwrap()))
    }

    #[test]
    fn the_address_of_the_client_is_read() {
        assert_eq!(read(&header(0x21, 0x11, &v4())), client("192.0.2.7"));
        assert_eq!(read(&header(0x21, 0x21, &v6("2001:db8::7"))), client("2001:db8::7"));
        // A proxy that listens for both families.
        assert_eq!(read(&header(0x21, 0x21, &v6("::ffff:192.0.2.7"))), client("192.0.2.7"));
        // Vectors after the addresses are ignored, up to the longest header.
        for (family, addresses, address) in
            [(0x11, v4(), "192.0.2.7"), (0x21, v6("2001:db8::7"), "2001:db8::7")]
        {
            let mut rest = addresses;
            rest.resize(LONGEST - FIXED, 0xee);
            assert_eq!(read(&header(0x21, family, &rest)), client(address));
        }
    }

    #[test]
    fn a_local_connection_is_the_proxys_own() {
        for (family, rest) in [(0, vec![]), (0, vec![1; 7]), (0x11, v4()), (0x31, vec![0; 216])] {
            assert_eq!(read(&header(0x20, family, &rest)), Ok(Source::Proxy));
        }
    }

    #[test]
    fn t54_any_other_header_is_refused() {
        let good = header(0x21, 0x11, &v4());
        for at in 0..12 {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), Err(ProxyError::Signature), "{at}");
        }
        for (bad, error) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 8443\r\n".to_vec(), ProxyError::Signature),
            (header(0x11, 0x11, &v4()), ProxyError::Version(1)),
            (header(0x31, 0x11, &v4()), ProxyError::Version(3)),
            (header(0x22, 0x11, &v4()), ProxyError::Command(2)),
            (header(0x2f, 0x11, &v4()), ProxyError::Command(15)),
            (header(0x21, 0x00, &v4()), ProxyError::Family(0)),
            (header(0x21, 0x12, &v4()), ProxyError::Family(0x12)),
            (header(0x21, 0x22, &v6("::1")), ProxyError::Family(0x22)),
            (header(0x21, 0x31, &[0; 216]), ProxyError::Family(0x31)),
            (header(0x21, 0x11, &v4()[..11]), ProxyError::TooShort),
            (header(0x21, 0x21, &v6("::1")[..35]), ProxyError::TooShort),
            (header(0x21, 0x11, &[0; LONGEST - FIXED + 1]), ProxyError::TooLong(LONGEST + 1)),
            (header(0x20, 0x00, &[0; LONGEST - FIXED + 1]), ProxyError::TooLong(LONGEST + 1)),
        ] {
            assert_eq!(read(&bad), Err(error), "{bad:?}");
        }
    }
}
