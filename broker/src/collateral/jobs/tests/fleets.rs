//! Many VMs behind one address, and strangers with forged evidence.

use std::net::{IpAddr, Ipv6Addr};

use super::*;
use crate::attested::retry_in;

/// A VM whose issuer the broker does not know yet.
struct Starting {
    issuer: Job,
    /// When it sends its first or next request.
    asks: Duration,
    retries: u32,
    has_its_secret: bool,
}

/// Runs all of them; returns the largest number of attempts of a VM, and what was fetched.
fn run(mut fleet: Vec<Starting>, network: Network, fetch: Duration) -> (u32, Vec<Job>) {
    let start = Instant::now();
    let mut jobs = Jobs::new(pace(), start);
    let (mut fetched, mut running): (Vec<Job>, Option<(Job, Duration)>) = (Vec::new(), None);
    for step in 0..3000 {
        let at = Duration::from_millis(step * 100);
        let now = start + at;
        if running.as_ref().is_some_and(|(_, until)| *until <= at) {
            let (job, _) = running.take().expect("it runs");
            jobs.ended(&job, Ended::Good(seconds(86_400)), now, 0);
            fetched.push(job);
        }
        for vm in fleet.iter_mut().filter(|vm| !vm.has_its_secret && vm.asks <= at) {
            if fetched.contains(&vm.issuer) {
                vm.has_its_secret = true;
                continue;
            }
            jobs.ask(vm.issuer.clone(), Asker::Unverified(network), now);
            let (Prospect::Soon(wait) | Prospect::Full(wait)) = jobs.prospect(&vm.issuer, now) else {
                panic!("it is there to be fetched");
            };
            vm.asks = at + seconds(retry_in(wait).into());
            vm.retries += 1;
        }
        if running.is_none()
            && let Next::Fetch(job) = jobs.next(Source::Issuers, now)
        {
            running = Some((job, at + fetch));
        }
    }
    assert!(fleet.iter().all(|vm| vm.has_its_secret), "in five minutes");
    (fleet.iter().map(|vm| vm.retries).max().unwrap_or_default(), fetched)
}

#[test]
fn t57_a_fleet_behind_one_address_gets_its_secrets_within_two_retries() {
    for (fetch, apart) in [(200, 0), (1000, 0), (1000, 10), (200, 10)] {
        let starting = |number: u32| Starting {
            issuer: ca(number % 10),
            asks: Duration::from_millis(u64::from(number) * apart),
            retries: 0,
            has_its_secret: false,
        };
        let fleet = (0..1000).map(starting).collect();
        let (retries, fetched) = run(fleet, network(1), Duration::from_millis(fetch));
        assert!((1..=2).contains(&retries), "{fetch} ms, {apart} ms apart: {retries}");
        assert_eq!(fetched.len(), 10, "each of them once: {fetched:?}");
    }
}

#[test]
fn t57_a_stranger_has_few_addresses_fetched_in_a_minute() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let flood = |jobs: &mut Jobs, numbers: std::ops::Range<u32>, network_of: fn(u32) -> Network| {
        let asked = numbers.map(|number| jobs.ask(ca(number), Asker::Unverified(network_of(number)), now));
        asked.filter(|asked| *asked == Asked::Queued).count()
    };
    assert_eq!(flood(&mut jobs, 0..5000, |_| network(1)), 12);
    // An attacker with all networks of an IPv6 site leaves room for others.
    let of_site = |number: u32| {
        let segment = u16::try_from(number % 5000).expect("small");
        Network::from(IpAddr::from(Ipv6Addr::from([0x2001, 0xdb8, 7, segment, 0, 0, 0, 1])))
    };
    assert_eq!(flood(&mut jobs, 5000..10_000, of_site), 24);
    assert_eq!(flood(&mut jobs, 10_000..10_010, |_| network(2)), 10);
    // Requests for items that are already queued use no budget.
    for _ in 0..1000 {
        assert_eq!(jobs.ask(ca(10_000), Asker::Unverified(network(2)), now), Asked::Known);
    }
    assert_eq!(flood(&mut jobs, 20_000..20_010, |_| network(2)), 2);
}
