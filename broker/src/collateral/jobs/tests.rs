use vouchsafe_attestation::anchors::{IssuerAddress, Purpose};
use vouchsafe_protocol::Digest48;

use super::*;
use crate::admission::network::Network;
use vouchsafe_attestation::collateral::{Chip, Issuer, Measured, Missing};

mod fleets;

fn pace() -> Pace {
    Pace::new([Duration::from_secs(60), Duration::from_secs(86_400)])
}

fn chip(number: u16) -> Job {
    let mut id = [1; 64];
    id[..2].copy_from_slice(&number.to_be_bytes());
    Job::Item(Missing::Vek(Chip { id, tcb: [0; 8], product: None }))
}

fn launch() -> Job {
    Job::Item(Missing::Launch(Measured::Tdx(Digest48([1; 48]))))
}

fn network(number: u32) -> Network {
    Network::from(std::net::IpAddr::from(number.to_be_bytes()))
}

fn ca(number: u32) -> Job {
    let url = format!(
        "http://privateca-content-{number:08x}-0000-4000-8000-000000000000.storage.googleapis.com/{number:020x}/ca.crt"
    );
    let address = IssuerAddress::parse(Purpose::GoogleAk, &url).expect("an address of the table");
    Job::Item(Missing::Issuer(Issuer { address, key_id: Some(vec![7; 20]) }))
}

fn refused() -> Ended {
    Ended::Refused("no".to_owned())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn down(retry_after: Option<Duration>) -> Ended {
    Ended::Down { error: "down".to_owned(), retry_after }
}

#[test]
fn t44_however_many_ask_one_fetch_is_made() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    assert_eq!(jobs.ask(chip(1), Asker::Verified, now), Asked::Queued);
    assert_eq!(jobs.ask(chip(1), Asker::Verified, now), Asked::Known);
    assert_eq!(jobs.next(Source::Amd, now), Next::Fetch(chip(1)));
    // Also while it runs.
    assert_eq!(jobs.ask(chip(1), Asker::Verified, now), Asked::Known);
    assert_eq!(jobs.next(Source::Amd, now), Next::Wait(IDLE));
    assert_eq!(jobs.waiting(), 1);
    jobs.ended(&chip(1), Ended::Good(seconds(1000)), now, 0);
    assert_eq!((jobs.waiting(), jobs.ask(chip(1), Asker::Verified, now)), (0, Asked::Known));
    // An item that never changes is dropped in the end, not fetched again.
    assert_eq!(jobs.next(Source::Amd, now + seconds(1001)), Next::Wait(IDLE));
    assert_eq!(jobs.ask(chip(1), Asker::Verified, now + seconds(1001)), Asked::Queued);
}

#[test]
fn t44_fetches_for_forged_chips_are_bounded() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let asked: Vec<_> = (0..200).map(|number| jobs.ask(chip(number), Asker::Verified, now)).collect();
    assert_eq!(asked.iter().filter(|asked| **asked == Asked::Queued).count(), 120);
    assert_eq!(asked[120], Asked::Full);
    // Other sources have their own budget, and each minute has a new one, up to the limit.
    assert_eq!(jobs.ask(launch(), Asker::Verified, now), Asked::Queued);
    let mut number = 200;
    for minute in 1..100 {
        for _ in 0..120 {
            jobs.ask(chip(number), Asker::Verified, now + seconds(60 * minute));
            number += 1;
        }
    }
    assert_eq!(jobs.entries.len(), MAX_ITEMS + 1);
}

#[test]
fn a_source_that_is_down_is_left_alone_for_longer_and_longer() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    jobs.ask(chip(1), Asker::Verified, now);
    jobs.ask(chip(2), Asker::Verified, now);
    jobs.ask(launch(), Asker::Verified, now);
    let mut at = now;
    for wait in [5, 10, 20, 40] {
        let Next::Fetch(job) = jobs.next(Source::Amd, at) else { panic!("due") };
        jobs.ended(&job, down(None), at, 255);
        // Meanwhile no other item of the source is fetched, and no other source is delayed.
        assert_eq!(jobs.next(Source::Amd, at), Next::Wait(seconds(wait)));
        at += seconds(wait);
    }
    assert_eq!(jobs.next(Source::GoogleEndorsements, now), Next::Fetch(launch()));
    // The source says when to retry.
    let Next::Fetch(job) = jobs.next(Source::Amd, at) else { panic!("due") };
    jobs.ended(&job, down(Some(seconds(500))), at, 0);
    assert_eq!(jobs.next(Source::Amd, at), Next::Wait(seconds(500)));
    // Once it answers, everything is as before.
    at += seconds(500);
    let Next::Fetch(job) = jobs.next(Source::Amd, at) else { panic!("due") };
    jobs.ended(&job, Ended::Good(seconds(1000)), at, 0);
    assert!(matches!(jobs.next(Source::Amd, at), Next::Fetch(_)));
}

#[test]
fn a_missing_item_is_not_requested_again_for_a_while() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    jobs.ask(launch(), Asker::Verified, now);
    jobs.next(Source::GoogleEndorsements, now);
    jobs.ended(&launch(), Ended::Missing, now, 0);
    assert_eq!(jobs.ask(launch(), Asker::Verified, now + seconds(3599)), Asked::Known);
    assert!(matches!(jobs.next(Source::GoogleEndorsements, now + seconds(3599)), Next::Wait(_)));
    assert_eq!(jobs.troubles().next().and_then(|trouble| trouble.error), Some("the source does not have it"));
    // No longer requested: dropped.
    assert!(matches!(jobs.next(Source::GoogleEndorsements, now + seconds(3600)), Next::Wait(_)));
    assert_eq!(jobs.troubles().count(), 0);
    assert_eq!(jobs.ask(launch(), Asker::Verified, now + seconds(3600)), Asked::Queued);
}

#[test]
fn t40_a_token_with_an_unknown_key_fetches_the_keys_at_most_once_a_minute() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let keys = Job::Item(Missing::TokenKeys);
    jobs.keep(keys.clone(), None, now);
    assert_eq!(jobs.next(Source::GoogleKeys, now), Next::Fetch(keys.clone()));
    jobs.ended(&keys, Ended::Good(seconds(3600)), now, 0);
    assert_eq!(jobs.ask(keys.clone(), Asker::Verified, now + seconds(1)), Asked::Queued);
    assert_eq!(jobs.ask(keys.clone(), Asker::Verified, now + seconds(2)), Asked::Known);
    assert_eq!(jobs.next(Source::GoogleKeys, now + seconds(2)), Next::Wait(seconds(58)));
    assert_eq!(jobs.next(Source::GoogleKeys, now + seconds(60)), Next::Fetch(keys.clone()));
    // They are retried however long they are unavailable.
    for minute in 1..40 {
        let ended = if minute % 2 == 0 { down(None) } else { Ended::Missing };
        jobs.ended(&keys, ended, now + seconds(3600 * minute), 0);
        assert_eq!(
            jobs.next(Source::GoogleKeys, now + seconds(3600 * (minute + 1))),
            Next::Fetch(keys.clone())
        );
    }
}

#[test]
fn an_operator_has_everything_fetched_at_once() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    jobs.ask(launch(), Asker::Verified, now);
    jobs.next(Source::GoogleEndorsements, now);
    jobs.ended(&launch(), down(None), now, 255);
    jobs.keep(Job::crl("https://kdsintf.amd.com/u".to_owned(), None), Some(seconds(500)), now);
    jobs.refresh(now);
    assert_eq!(jobs.next(Source::GoogleEndorsements, now), Next::Fetch(launch()));
    assert!(matches!(jobs.next(Source::Amd, now), Next::Fetch(Job::Crl { .. })));
}

#[test]
fn t56_vendors_are_asked_for_verified_chains_first_and_a_small_share_is_left_for_the_rest() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let of_one: Vec<_> =
        (2000..3000).map(|number| jobs.ask(chip(number), Asker::Unverified(network(2000)), now)).collect();
    assert_eq!(of_one.iter().filter(|asked| **asked == Asked::Queued).count(), 15);
    let mut jobs = Jobs::new(pace(), now);
    let unverified = |number: u16| Asker::Unverified(network(number.into()));
    let made_up: Vec<_> = (0..1000).map(|number| jobs.ask(chip(number), unverified(number), now)).collect();
    assert_eq!(made_up.iter().filter(|asked| **asked == Asked::Queued).count(), 30);
    // A flood of forged reports neither uses the budget of verified chains nor comes before them.
    let later = now + seconds(1);
    assert_eq!(jobs.ask(chip(5000), Asker::Verified, later), Asked::Queued);
    assert_eq!(jobs.next(Source::Amd, later), Next::Fetch(chip(5000)));
    // An item that a verified chain also requests moves to the front.
    assert_eq!(jobs.ask(chip(29), Asker::Verified, later), Asked::Known);
    assert_eq!(jobs.next(Source::Amd, later), Next::Fetch(chip(29)));
    assert_eq!(jobs.next(Source::Amd, later), Next::Fetch(chip(0)));
    assert_eq!(jobs.ask(chip(6000), unverified(6000), later), Asked::Full);
    let minute = now + seconds(60);
    assert_eq!(jobs.prospect(&chip(6000), later), Prospect::Full(seconds(59)));
    assert_eq!(jobs.ask(chip(6000), unverified(6000), minute), Asked::Queued);
}

#[test]
fn t56_a_few_networks_do_not_use_up_the_share_of_unverified_evidence() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let mut queued = |of: u16| {
        let chips = (0..100).map(|number| chip(of * 100 + number));
        let asker = Asker::Unverified(network(of.into()));
        chips.filter(|chip| jobs.ask(chip.clone(), asker, now) == Asked::Queued).count()
    };
    // Each gets no more than it leaves to the next: of thirty, four networks leave one.
    assert_eq!([queued(1), queued(2), queued(3), queued(4)], [15, 8, 4, 2]);
    assert_eq!([queued(5), queued(6)], [1, 0]);
}

#[test]
fn a_prospect_is_honest() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    jobs.ask(chip(1), Asker::Verified, now);
    assert_eq!(jobs.prospect(&chip(1), now), Prospect::Soon(Duration::ZERO));
    let Next::Fetch(job) = jobs.next(Source::Amd, now) else { panic!("due") };
    assert_eq!(jobs.prospect(&chip(1), now), Prospect::Soon(Duration::ZERO));
    jobs.ended(&job, down(None), now, 255);
    assert_eq!(jobs.prospect(&chip(1), now), Prospect::Soon(seconds(5)));
    let later = now + seconds(5);
    let Next::Fetch(job) = jobs.next(Source::Amd, later) else { panic!("due") };
    jobs.ended(&job, Ended::Missing, later, 0);
    assert_eq!(jobs.prospect(&chip(1), later), Prospect::Gone(seconds(3600)));
}

#[test]
fn one_host_that_is_down_holds_up_no_list_of_another() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let [one, other] =
        ["http://a.example/crl", "http://b.example/crl"].map(|url| Job::crl(url.to_owned(), None));
    jobs.ask(one.clone(), Asker::Verified, now);
    jobs.ask(other.clone(), Asker::Verified, now);
    assert_eq!(jobs.next(Source::Crls, now), Next::Fetch(one.clone()));
    jobs.ended(&one, down(Some(seconds(3000))), now, 0);
    assert_eq!(jobs.next(Source::Crls, now), Next::Fetch(other));
}

/// Fetches the next due item at `at` and ends it like this; returns when the next attempt is due.
fn fail(jobs: &mut Jobs, source: Source, ended: Ended, at: Instant) -> Option<Instant> {
    let Next::Fetch(job) = jobs.next(source, at) else { return None };
    jobs.ended(&job, ended, at, 255);
    match jobs.prospect(&job, at) {
        Prospect::Soon(wait) | Prospect::Gone(wait) => Some(at + wait),
        Prospect::Full(_) | Prospect::Never => None,
    }
}

#[test]
fn t44_a_source_that_is_down_never_makes_a_final_no() {
    let start = Instant::now();
    let list = || Job::crl("http://a.example/crl".to_owned(), None);
    for job in [ca(1), list(), chip(1), launch()] {
        let mut jobs = Jobs::new(pace(), start);
        let (source, mut at) = (job.source(), start);
        for attempt in 0..40 {
            let ended = down((attempt % 5 == 4).then_some(seconds(4000)));
            jobs.ask(job.clone(), Asker::Verified, at);
            assert!(matches!(jobs.prospect(&job, at), Prospect::Soon(_)), "{job} {attempt}");
            let due = fail(&mut jobs, source, ended, at).expect("a next try");
            assert_eq!(jobs.prospect(&job, at), Prospect::Soon(due - at), "{job} {attempt}");
            // A refusal of what does not come from the vendor itself delays it by minutes at most.
            let most = if matches!(source, Source::Issuers | Source::Crls) { 300 } else { 3600 };
            assert!(due - at <= seconds(most), "{job} {attempt}");
            at = due;
        }
    }
}

#[test]
fn a_fault_after_a_refusal_is_no_refusal() {
    let mut at = Instant::now();
    let list = Job::crl("http://a.example/crl".to_owned(), None);
    let mut jobs = Jobs::new(pace(), at);
    jobs.ask(list.clone(), Asker::Verified, at);
    for ended in [refused(), refused(), Ended::Missing] {
        assert!(matches!(jobs.prospect(&list, at), Prospect::Soon(_)));
        at = fail(&mut jobs, Source::Crls, ended, at).expect("a next try");
    }
    assert_eq!(jobs.prospect(&list, at), Prospect::Gone(Duration::ZERO));
    at = fail(&mut jobs, Source::Crls, down(None), at).expect("a next try");
    assert_eq!(jobs.prospect(&list, at), Prospect::Soon(Duration::ZERO));
}

#[test]
fn t57_an_item_refused_over_plain_http_is_fetched_again_within_minutes() {
    for ended in [refused(), Ended::Missing] {
        let now = Instant::now();
        let mut jobs = Jobs::new(pace(), now);
        let asker = Asker::Unverified(network(1));
        jobs.ask(ca(1), asker, now);
        fail(&mut jobs, Source::Issuers, ended.clone(), now).expect("an end");
        assert_eq!(jobs.prospect(&ca(1), now), Prospect::Gone(seconds(300)));
        assert_eq!(jobs.next(Source::Issuers, now + seconds(300)), Next::Wait(IDLE));
        assert_eq!(jobs.ask(ca(1), asker, now + seconds(300)), Asked::Queued);
        // A CRL is needed regardless of requests.
        let (list, mut at) = (Job::crl("http://a.example/crl".to_owned(), None), now);
        jobs.ask(list.clone(), Asker::Verified, at);
        for _ in 0..20 {
            let due = fail(&mut jobs, Source::Crls, ended.clone(), at).expect("a next try");
            assert!(due - at <= seconds(300));
            at = due;
        }
        assert_eq!(jobs.prospect(&list, at), Prospect::Gone(Duration::ZERO));
    }
}

#[test]
fn t56_one_network_that_makes_up_issuers_leaves_room_for_others() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let mut queued = |range: std::ops::Range<u32>, network_of: fn(u32) -> u32, at: Instant| {
        let ask = |number: u32| jobs.ask(ca(number), Asker::Unverified(network(network_of(number))), at);
        range.map(ask).filter(|asked| *asked == Asked::Queued).count()
    };
    assert_eq!(queued(0..1000, |_| 1, now), 12);
    assert_eq!(queued(1000..1020, |_| 2, now), 12);
    assert_eq!(queued(2000..3000, |number| number, now), 36);
    assert_eq!(queued(3000..3010, |_| 3, now + seconds(59)), 0);
    assert_eq!(queued(4000..4020, |_| 1, now + seconds(60)), 12);
}

#[test]
fn t44_fetched_items_soon_free_their_entries() {
    let mut at = Instant::now();
    let mut jobs = Jobs::new(pace(), at);
    let month = seconds(30 * 86_400);
    // Twice the number of honest chips that fit.
    for number in 0..8192 {
        assert_eq!(jobs.ask(chip(number), Asker::Verified, at), Asked::Queued, "{number}");
        assert_eq!(jobs.next(Source::Amd, at), Next::Fetch(chip(number)));
        jobs.ended(&chip(number), Ended::Good(month), at, 0);
        assert_eq!(jobs.ask(chip(number), Asker::Verified, at), Asked::Known);
        at += seconds(1);
    }
    assert!(jobs.entries.len() <= 301, "{}", jobs.entries.len());
    // Items that are kept current stay.
    let keys = Job::Item(Missing::TokenKeys);
    jobs.keep(keys.clone(), Some(month), at);
    jobs.next(Source::GoogleKeys, at + seconds(1000));
    assert!(jobs.entries.contains_key(&keys));
}
