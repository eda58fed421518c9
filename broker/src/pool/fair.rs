//! A queue in which networks take turns, so that one that sends much delays itself and not the others.
//!
//! Each network has a line of its own. Sites take turns (an IPv4 address, or all networks of an IPv6 /48), and within a site its
//! networks do. When all lines together are full, the newest job of the longest line makes room for a network with a shorter one.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::admission::Network;
use crate::admission::network::Group;
use crate::admission::shares::SHARES_OF_SITE;

/// Jobs by network.
#[derive(Debug)]
pub(super) struct FairQueue<J> {
    groups: Ring<Group, Ring<Network, VecDeque<J>>>,
    length: usize,
}

impl<J> Default for FairQueue<J> {
    fn default() -> Self {
        Self { groups: Ring::default(), length: 0 }
    }
}

impl<J> FairQueue<J> {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Whether the network has less than its share in the queue, and its site less than its own.
    pub(super) fn has_share(&self, network: Network, share: usize) -> bool {
        self.of_network(network) < share && self.of_group(network) < share.saturating_mul(SHARES_OF_SITE)
    }

    /// Adds a job to the line of its network.
    pub(super) fn push(&mut self, network: Network, job: J) {
        self.groups.line(network.group()).line(network).push_back(job);
        self.length += 1;
    }

    /// The job whose turn it is.
    pub(super) fn pop(&mut self) -> Option<J> {
        let job = self.groups.next()?;
        self.length -= 1;
        Some(job)
    }

    /// Takes out the newest job of the longest line.
    pub(super) fn displace(&mut self) -> Option<J> {
        self.displace_if(|_, _, _| true)
    }

    /// The same, unless the line of `network` would then be the longer one with one job more.
    pub(super) fn displace_for(&mut self, network: Network) -> Option<J> {
        let (own, of_group, of_network) = (network.group(), self.of_group(network), self.of_network(network));
        self.displace_if(|group, in_group, in_line| match group == own {
            true => in_line > of_network + 1,
            false => in_group > of_group + 1,
        })
    }

    fn displace_if(&mut self, is_long: impl FnOnce(Group, usize, usize) -> bool) -> Option<J> {
        let (longest, in_group) = self.groups.longest()?;
        let group = self.groups.lines.get_mut(&longest)?;
        let (line, in_line) = group.longest()?;
        if !is_long(longest, in_group, in_line) {
            return None;
        }
        let job = group.lines.get_mut(&line)?.pop_back()?;
        group.forget_empty(line);
        self.groups.forget_empty(longest);
        self.length -= 1;
        Some(job)
    }

    /// The number of jobs that are served before another one of this network, if no others come.
    pub(super) fn before(&self, network: Network) -> usize {
        let rounds = self.of_group(network) + 1;
        self.groups.lines.values().map(|group| group.waiting().min(rounds)).sum()
    }

    fn of_group(&self, network: Network) -> usize {
        self.groups.lines.get(&network.group()).map_or(0, Line::waiting)
    }

    fn of_network(&self, network: Network) -> usize {
        let group = self.groups.lines.get(&network.group());
        group.and_then(|group| group.lines.get(&network)).map_or(0, VecDeque::len)
    }
}

/// Something that jobs wait in.
trait Line: Default {
    type Job;

    fn next(&mut self) -> Option<Self::Job>;

    fn waiting(&self) -> usize;
}

impl<J> Line for VecDeque<J> {
    type Job = J;

    fn next(&mut self) -> Option<J> {
        self.pop_front()
    }

    fn waiting(&self) -> usize {
        self.len()
    }
}

/// Lines that take turns. None of them is empty.
#[derive(Debug)]
struct Ring<K, L> {
    lines: HashMap<K, L>,
    turns: VecDeque<K>,
}

impl<K, L> Default for Ring<K, L> {
    fn default() -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, L: Line> Ring<K, L> {
    /// The line with this key, last in turn if it is new. Something must be added to it.
    fn line(&mut self, key: K) -> &mut L {
        self.lines.entry(key).or_insert_with(|| {
            self.turns.push_back(key);
            L::default()
        })
    }

    fn longest(&self) -> Option<(K, usize)> {
        let lengths = self.lines.iter().map(|(key, line)| (*key, line.waiting()));
        lengths.max_by_key(|(_, waiting)| *waiting)
    }

    fn forget_empty(&mut self, key: K) {
        if self.lines.get(&key).is_some_and(|line| line.waiting() == 0) {
            self.lines.remove(&key);
            self.turns.retain(|turn| *turn != key);
        }
    }
}

impl<K: Copy + Eq + Hash, L: Line> Line for Ring<K, L> {
    type Job = L::Job;

    fn next(&mut self) -> Option<L::Job> {
        let key = self.turns.pop_front()?;
        let line = self.lines.get_mut(&key)?;
        let job = line.next();
        if line.waiting() == 0 {
            self.lines.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        job
    }

    fn waiting(&self) -> usize {
        self.lines.values().map(Line::waiting).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(last: u8) -> Network {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn v6(site: u16, network: u16) -> Network {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1)).into()
    }

    fn queue(jobs: &[(Network, &'static str)]) -> FairQueue<&'static str> {
        let mut queue = FairQueue::default();
        jobs.iter().for_each(|(network, job)| queue.push(*network, *job));
        queue
    }

    fn rest(mut queue: FairQueue<&'static str>) -> Vec<&'static str> {
        let rest = std::iter::from_fn(|| queue.pop()).collect();
        assert!(queue.groups.lines.is_empty() && queue.groups.turns.is_empty() && queue.len() == 0);
        rest
    }

    #[test]
    fn t44_networks_take_turns() {
        let (flood, honest) = (v4(1), v4(2));
        let queue = queue(&[
            (flood, "a1"),
            (flood, "a2"),
            (flood, "a3"),
            (flood, "a4"),
            (honest, "b1"),
            (v4(3), "c1"),
        ]);
        assert_eq!([queue.before(honest), queue.before(flood), queue.before(v4(9))], [4, 6, 3]);
        assert_eq!(rest(queue), ["a1", "b1", "c1", "a2", "a3", "a4"]);
    }

    #[test]
    fn t44_all_networks_of_a_site_have_one_turn_and_share_it() {
        let queue = queue(&[
            (v6(1, 1), "a1"),
            (v6(1, 1), "a2"),
            (v6(1, 2), "b1"),
            (v6(1, 3), "c1"),
            (v6(2, 1), "d1"),
            (v4(1), "e1"),
        ]);
        assert_eq!(rest(queue), ["a1", "d1", "e1", "b1", "c1", "a2"]);
    }

    #[test]
    fn t44_a_network_has_a_share_of_the_queue_and_a_site_a_few() {
        let mut queue = queue(&[(v4(1), "a1"), (v4(1), "a2")]);
        assert!(!queue.has_share(v4(1), 2) && queue.has_share(v4(1), 3) && queue.has_share(v4(2), 1));
        for number in 0..8 {
            assert!(queue.has_share(v6(1, number), 2));
            queue.push(v6(1, number), "b");
        }
        assert!(!queue.has_share(v6(1, 9), 2) && queue.has_share(v6(2, 9), 2));
    }

    #[test]
    fn t44_the_longest_line_makes_room_for_a_shorter_one() {
        let mut queue = queue(&[(v4(1), "a1"), (v4(1), "a2"), (v4(1), "a3"), (v4(2), "b1"), (v4(2), "b2")]);
        assert_eq!(queue.displace_for(v4(1)), None, "not for itself");
        assert_eq!(queue.displace_for(v4(2)), None, "nor for one that would then be longer");
        assert_eq!(queue.displace_for(v4(3)), Some("a3"));
        assert_eq!(queue.len(), 4);
        queue.push(v4(3), "c1");
        assert!(matches!(queue.displace(), Some("a2" | "b2")), "one of the longest");
        assert_eq!(rest(queue).len(), 4);
    }

    #[test]
    fn t44_within_a_site_the_longest_line_makes_room() {
        let mut queue = queue(&[(v6(1, 1), "a1"), (v6(1, 1), "a2"), (v6(1, 2), "b1")]);
        assert_eq!(queue.displace_for(v6(1, 2)), None);
        assert_eq!(queue.displace_for(v6(1, 3)), Some("a2"));
        // Lines of one job each: nothing is longer than the one that comes.
        assert_eq!(queue.displace_for(v6(1, 3)), None);
        // Another site is not concerned by how this one divides its share.
        assert!(matches!(queue.displace_for(v4(1)), Some("a1" | "b1")));
        assert_eq!(rest(queue).len(), 1);
    }
}
