//! Whose verified chains may ask vendors for collateral first.
//!
//! What is missing is named by evidence that is not verified yet, beside an AK certificate that is. Certificates are public, so that anyone
//! can send that of another instance: an instance has a few items per minute, and one network may use only
//! some of them. An instance whose share strangers have used up from several networks is served like evidence without a certificate.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use vouchsafe_protocol::UnixTime;

use crate::admission::Network;

/// Items asked for in this minute.
#[derive(Debug, Default)]
pub(crate) struct Wants(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    minute: u64,
    instances: HashMap<String, Asked>,
    networks: usize,
}

#[derive(Debug, Default)]
struct Asked {
    all: u32,
    networks: HashMap<Network, u32>,
}

impl Wants {
    /// Counts an item for this instance, if its share and that of the network allow it.
    pub(crate) fn take(&self, instance: &str, network: Network, now: UnixTime) -> bool {
        // A panic could at most leave a count that is off by one.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.0 / 60;
        if table.minute != minute {
            *table = Table { minute, ..Table::default() };
        }
        // Each entry costs a certificate of Google's or a network.
        if table.networks >= MOST_NETWORKS {
            return false;
        }
        let asked = match table.instances.get_mut(instance) {
            Some(asked) => asked,
            None => table.instances.entry(instance.to_owned()).or_default(),
        };
        let of_network = asked.networks.get(&network).copied().unwrap_or_default();
        if asked.all >= OF_INSTANCE || of_network >= OF_NETWORK {
            return false;
        }
        asked.all += 1;
        let is_new = asked.networks.insert(network, of_network + 1).is_none();
        table.networks += usize::from(is_new);
        true
    }
}

/// Items per minute for an instance.
const OF_INSTANCE: u32 = 6;
/// Of these, for requests from one network: a VM lacks one or two.
const OF_NETWORK: u32 = 2;
/// Pairs of an instance and a network with an entry.
const MOST_NETWORKS: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn v4(bits: u32) -> Network {
        IpAddr::V4(Ipv4Addr::from_bits(bits)).into()
    }

    #[test]
    fn t56_a_stranger_with_the_certificate_of_another_instance_leaves_it_its_share() {
        let (wants, now) = (Wants::default(), UnixTime(600));
        let take = |network| wants.take("1/2", v4(network), now);
        assert_eq!([take(1), take(1), take(1)], [true, true, false]);
        assert_eq!([take(2), take(2), take(2)], [true, true, false], "the instance itself, elsewhere");
        assert_eq!([take(3), take(3), take(4)], [true, true, false], "six for all");
        assert!(wants.take("1/3", v4(1), now), "another instance");
        assert!(wants.take("1/2", v4(1), now.plus(60)));
    }

    #[test]
    fn t56_what_is_counted_for_instances_is_bounded() {
        let (wants, now) = (Wants::default(), UnixTime(600));
        for number in 0..MOST_NETWORKS {
            assert!(wants.take(&number.to_string(), v4(1), now));
        }
        assert!(!wants.take("another", v4(1), now), "served like evidence without a certificate");
        assert!(wants.take("another", v4(1), now.plus(60)));
    }
}
