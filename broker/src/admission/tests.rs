use std::net::Ipv4Addr;

use super::*;
use crate::metrics::Metrics;

const SHARES: Shares = Shares {
    connections: 6,
    connections_of_network: 4,
    opened_by_network: 60,
    bodies: 100,
    bodies_of_network: 60,
};

fn admission() -> (Arc<Admission>, Metrics) {
    let metrics = Metrics::new().unwrap();
    (Admission::new("guests", SHARES, metrics.listeners.clone()), metrics)
}

fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

#[test]
fn t54_one_address_gets_its_share_of_connections_and_no_more() {
    let (admission, metrics) = admission();
    let now = Instant::now();
    let held: Vec<_> = (0..4).map(|_| admission.connect(v4(1), now).unwrap()).collect();
    assert_eq!(admission.connect(v4(1), now).unwrap_err(), TurnedAway::Address);
    // Others still get in, until all is taken.
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
fn t44_one_address_opens_its_share_at_once_and_so_many_a_minute_after_that() {
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
fn t54_one_address_gets_its_share_of_bodies_and_no_more() {
    let (admission, _metrics) = admission();
    let [one, other] = [v4(1), v4(2)].map(Network::from);
    let held = admission.body(one, 60).unwrap();
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
    // The same address on a socket for both families.
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
}

#[test]
fn t54_lines_about_a_full_listener_are_few() {
    let (mut notice, now) = (Notice::default(), Instant::now());
    assert_eq!(notice.due(now), Some(1));
    for _ in 0..99 {
        assert_eq!(notice.due(now + Duration::from_secs(9)), None);
    }
    assert_eq!(notice.due(now + BETWEEN_LINES), Some(100));
}

#[test]
fn new_shares_hold_from_now_on() {
    let (admission, _metrics) = admission();
    let now = Instant::now();
    let _held: Vec<_> = (0..4).map(|_| admission.connect(v4(1), now).unwrap()).collect();
    let now = now + Duration::from_secs(1);
    admission.set(Shares { connections_of_network: 5, ..SHARES });
    assert!(admission.connect(v4(1), now).is_ok());
    admission.set(Shares { connections_of_network: 1, ..SHARES });
    assert_eq!(admission.connect(v4(1), now).unwrap_err(), TurnedAway::Address);
}
