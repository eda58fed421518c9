use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::metrics::Metrics;

const SHARES: Shares = Shares {
    connections: 6,
    connections_of_network: 4,
    opened_by_network: 60,
    requests_of_network: None,
    bodies: 100,
    bodies_of_network: 60,
};

fn admission() -> (Arc<Admission>, Metrics) {
    let metrics = Metrics::new().unwrap();
    (Admission::new("guests", SHARES, metrics.listeners.clone()), metrics)
}

/// An address in a /64 of this site.
fn v6(site: u16, network: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1))
}

fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

#[test]
fn t54_one_address_cannot_exceed_its_share_of_connections() {
    let (admission, metrics) = admission();
    let now = Instant::now();
    let held: Vec<_> = (0..4).map(|_| admission.connect(v4(1), now).unwrap()).collect();
    assert_eq!(admission.connect(v4(1), now).unwrap_err(), TurnedAway::Address);
    // Others are still admitted, until the listener is full.
    let others: Vec<_> = (2..4).map(|last| admission.connect(v4(last), now).unwrap()).collect();
    assert_eq!(admission.connect(v4(9), now).unwrap_err(), TurnedAway::Full);
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    for line in [
        "vouchsafe_connections{listener=\"guests\"} 6",
        "vouchsafe_connections_turned_away_total{listener=\"guests\",reason=\"address\"} 1",
        "vouchsafe_connections_turned_away_total{listener=\"guests\",reason=\"full\"} 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    drop(held);
    assert!(admission.connect(v4(9), now).is_ok(), "what is dropped is free again");
    drop(others);
    assert_eq!(admission.table().connections, 0);
}

#[test]
fn t44_one_address_opens_a_burst_of_its_share_and_then_its_rate() {
    let (admission, _metrics) = admission();
    let now = Instant::now();
    let after = |seconds: u64| now + Duration::from_secs(seconds);
    // Each is closed again at once.
    for _ in 0..4 {
        assert!(admission.connect(v4(1), now).is_ok());
    }
    assert_eq!(admission.connect(v4(1), now).unwrap_err(), TurnedAway::Rate);
    assert!(admission.connect(v4(2), now).is_ok(), "others are not concerned");
    // One a second: 60 a minute.
    assert!(admission.connect(v4(1), after(1)).is_ok());
    assert_eq!(admission.connect(v4(1), after(1)).unwrap_err(), TurnedAway::Rate);
    assert!(admission.connect(v4(1), after(3)).is_ok());
    assert!(admission.connect(v4(1), after(3)).is_ok());
    assert_eq!(admission.connect(v4(1), after(3)).unwrap_err(), TurnedAway::Rate);
    assert!(admission.connect(v4(2), after(120)).is_ok());
    assert_eq!(admission.table().networks.len(), 1, "who holds nothing is forgotten");
}

#[test]
fn t54_one_address_cannot_exceed_its_share_of_bodies() {
    let (admission, _metrics) = admission();
    let [one, other] = [v4(1), v4(2)].map(Network::from);
    let held = admission.body(one, 60).unwrap();
    assert!(held.keep(), "it has been read");
    assert_eq!(admission.body(one, 1).unwrap_err(), TurnedAway::Address);
    let of_other = admission.body(other, 40).unwrap();
    assert_eq!(admission.body(other, 1).unwrap_err(), TurnedAway::Full);
    drop(held);
    assert!(admission.body(one, 60).is_ok());
    assert_eq!(admission.body(other, usize::MAX).unwrap_err(), TurnedAway::Address);
    drop(of_other);
    assert_eq!(admission.table().bodies, 0);
}

#[test]
fn t54_a_network_is_an_address_or_a_prefix_of_64_bits() {
    let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    // The same address, IPv4-mapped as on a dual-stack socket.
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
}

#[test]
fn t54_lines_about_a_full_listener_are_few() {
    let (mut notice, now) = (Notice::default(), Instant::now());
    assert_eq!(notice.due(BETWEEN_LINES, now), Some(1));
    for _ in 0..99 {
        assert_eq!(notice.due(BETWEEN_LINES, now + Duration::from_secs(9)), None);
    }
    assert_eq!(notice.due(BETWEEN_LINES, now + BETWEEN_LINES), Some(100));
}

#[test]
fn new_shares_take_effect_at_once() {
    let (admission, _metrics) = admission();
    let now = Instant::now();
    let _held: Vec<_> = (0..4).map(|_| admission.connect(v4(1), now).unwrap()).collect();
    let now = now + Duration::from_secs(1);
    admission.set(Shares { connections_of_network: 5, ..SHARES });
    assert!(admission.connect(v4(1), now).is_ok());
    admission.set(Shares { connections_of_network: 1, ..SHARES });
    assert_eq!(admission.connect(v4(1), now).unwrap_err(), TurnedAway::Address);
}

#[test]
fn t54_networks_that_have_disconnected_lock_no_other_out() {
    let (admission, _metrics) = admission();
    let now = Instant::now();
    for network in 0..=u16::MAX {
        assert!(admission.connect(v6(1, network), now).is_ok());
    }
    assert_eq!(admission.table().networks.len(), MAX_NETWORKS);
    // Each opened one connection just now, and one of them stays open: a moment later the others are dropped.
    assert_eq!(admission.connect(v4(1), now).unwrap_err(), TurnedAway::Full);
    let _held = admission.connect(v6(1, 7), now).unwrap();
    let later = now + Duration::from_secs(2);
    assert!(admission.connect(v4(1), later).is_ok());
    assert_eq!(admission.table().networks.len(), 2);
}

#[test]
fn t54_the_networks_of_a_site_get_a_few_shares_of_connections() {
    let (admission, _metrics) = admission();
    admission.set(Shares { connections: 100, connections_of_network: 2, ..SHARES });
    let now = Instant::now();
    let open = |site, network| admission.connect(v6(site, network), now);
    let mut held: Vec<_> = (0..8).map(|number| open(1, number / 2).unwrap()).collect();
    assert_eq!(open(1, 9).unwrap_err(), TurnedAway::Address);
    assert_eq!(admission.table().networks.len(), 4, "who is turned away for its site is not remembered");
    assert!(open(2, 9).is_ok(), "another site is not concerned");
    held.pop();
    assert!(open(1, 9).is_ok(), "what is dropped is free again");
    drop(held);
    assert!(admission.table().sites.is_empty());
}

#[test]
fn t54_the_networks_of_a_site_get_a_few_shares_of_bodies() {
    let (admission, _metrics) = admission();
    admission.set(Shares { bodies: 1000, bodies_of_network: 60, ..SHARES });
    let body = |site, network, bytes| admission.body(Network::from(v6(site, network)), bytes);
    let held: Vec<_> = (0..4).map(|network| body(1, network, 60).unwrap()).collect();
    assert_eq!(body(1, 4, 1).unwrap_err(), TurnedAway::Address);
    assert!(body(2, 4, 60).is_ok(), "another site is not concerned");
    // An IPv4 address belongs to no site.
    let others: Vec<_> = (0..5).map(|last| admission.body(Network::from(v4(last)), 60).unwrap()).collect();
    drop((held, others));
    assert!(body(1, 4, 60).is_ok());
    let table = admission.table();
    assert!(table.sites.is_empty() && table.bodies == 0);
}

#[tokio::test]
async fn t54_who_holds_the_most_of_the_bodies_makes_room_for_others() {
    let (admission, _metrics) = admission();
    admission.set(Shares { bodies_of_network: 100, ..SHARES });
    let body = |last, bytes| admission.body(Network::from(v4(last)), bytes);
    let kept = body(1, 40).unwrap();
    assert!(kept.keep());
    let (older, newer) = (body(1, 20).unwrap(), body(1, 20).unwrap());
    let other = body(2, 20).unwrap();
    assert_eq!(body(3, 90).unwrap_err(), TurnedAway::Full, "that is more than anyone holds");
    let third = body(3, 10).unwrap();
    newer.displaced().await;
    assert!(!newer.keep(), "its room is gone");
    assert_eq!(admission.table().bodies, 90);
    drop(newer);
    assert_eq!(admission.table().bodies, 90, "and is not given back twice");
    let fourth = body(4, 20).unwrap();
    older.displaced().await;
    // What has been read as a whole stays.
    assert_eq!(body(5, 30).unwrap_err(), TurnedAway::Full);
    drop((kept, older, other, third, fourth));
    let table = admission.table();
    assert!(table.bodies == 0 && table.reading.is_empty());
}

#[test]
fn t54_within_a_site_the_network_with_the_most_makes_room() {
    let (admission, _metrics) = admission();
    admission.set(Shares { bodies_of_network: 60, ..SHARES });
    let body = |site, network, bytes| admission.body(Network::from(v6(site, network)), bytes);
    let (large, small) = (body(1, 1, 60).unwrap(), body(1, 2, 40).unwrap());
    assert_eq!(body(1, 3, 60).unwrap_err(), TurnedAway::Full);
    let third = body(1, 3, 50).unwrap();
    assert!(!large.keep() && small.keep() && third.keep());
}
