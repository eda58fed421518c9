//! The client network of a connection.

use std::net::{IpAddr, Ipv6Addr};

/// The client network of a connection: all addresses that one client gets at no cost are one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl Network {
    /// The /48 that the network belongs to; `None` for IPv4.
    pub(crate) const fn site(self) -> Option<Site> {
        match self.0 {
            IpAddr::V6(v6) => Some(Site(v6.to_bits() >> 80)),
            IpAddr::V4(_) => None,
        }
    }

    /// The site, or the network itself if it belongs to none.
    pub(crate) fn group(self) -> Group {
        self.site().map_or(Group::Network(self), Group::Site)
    }
}

/// What takes turns with others: a site, or a network that belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    Site(Site),
    Network(Network),
}

/// The /48 of IPv6 networks: its first 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site(u128);
