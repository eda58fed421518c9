use vouchsafe_protocol::Digest48;

use super::super::wanted::{Chip, Measured};
use super::*;

fn pace() -> Pace {
    Pace::new([Duration::from_secs(60), Duration::from_secs(86_400)])
}

fn chip(number: u16) -> Job {
    let mut id = [1; 64];
    id[..2].copy_from_slice(&number.to_be_bytes());
    Job::Wanted(Wanted::Vek(Chip { id, tcb: [0; 8], product: None }))
}

fn launch() -> Job {
    Job::Wanted(Wanted::Launch(Measured::Tdx(Digest48([1; 48]))))
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
    // What does not change is forgotten in the end, not fetched again.
    assert_eq!(jobs.next(Source::Amd, now + seconds(1001)), Next::Wait(IDLE));
    assert_eq!(jobs.ask(chip(1), Asker::Verified, now + seconds(1001)), Asked::Queued);
}

#[test]
fn t44_there_is_no_room_for_all_the_chips_that_somebody_makes_up() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let asked: Vec<_> = (0..200).map(|number| jobs.ask(chip(number), Asker::Verified, now)).collect();
    assert_eq!(asked.iter().filter(|asked| **asked == Asked::Queued).count(), 120);
    assert_eq!(asked[120], Asked::Full);
    // Other sources have their own share, and there is a new one each minute, up to the limit.
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
        // No other item of the source is tried meanwhile, and no other source is held up.
        assert_eq!(jobs.next(Source::Amd, at), Next::Wait(seconds(wait)));
        at += seconds(wait);
    }
    assert_eq!(jobs.next(Source::GoogleEndorsements, now), Next::Fetch(launch()));
    // The source itself says when.
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
fn what_a_source_does_not_have_is_not_asked_for_for_a_while() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    jobs.ask(launch(), Asker::Verified, now);
    jobs.next(Source::GoogleEndorsements, now);
    jobs.ended(&launch(), Ended::Missing, now, 0);
    assert_eq!(jobs.ask(launch(), Asker::Verified, now + seconds(3599)), Asked::Known);
    assert!(matches!(jobs.next(Source::GoogleEndorsements, now + seconds(3599)), Next::Wait(_)));
    assert_eq!(jobs.troubles().next().and_then(|trouble| trouble.error), Some("the source does not have it"));
    // Nobody asks any more: forgotten.
    assert!(matches!(jobs.next(Source::GoogleEndorsements, now + seconds(3600)), Next::Wait(_)));
    assert_eq!(jobs.troubles().count(), 0);
    assert_eq!(jobs.ask(launch(), Asker::Verified, now + seconds(3600)), Asked::Queued);
}

#[test]
fn t40_a_token_with_an_unknown_key_fetches_the_keys_at_most_once_a_minute() {
    let now = Instant::now();
    let mut jobs = Jobs::new(pace(), now);
    let keys = Job::Wanted(Wanted::TokenKeys);
    jobs.keep(keys.clone(), None, now);
    assert_eq!(jobs.next(Source::GoogleKeys, now), Next::Fetch(keys.clone()));
    jobs.ended(&keys, Ended::Good(seconds(3600)), now, 0);
    assert_eq!(jobs.ask(keys.clone(), Asker::Verified, now + seconds(1)), Asked::Queued);
    assert_eq!(jobs.ask(keys.clone(), Asker::Verified, now + seconds(2)), Asked::Known);
    assert_eq!(jobs.next(Source::GoogleKeys, now + seconds(2)), Next::Wait(seconds(58)));
    assert_eq!(jobs.next(Source::GoogleKeys, now + seconds(60)), Next::Fetch(keys.clone()));
    // However long they are not to be had, they are tried.
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
    let made_up: Vec<_> = (0..1000).map(|number| jobs.ask(chip(number), Asker::Anybody, now)).collect();
    assert_eq!(made_up.iter().filter(|asked| **asked == Asked::Queued).count(), 30);
    // A flood of forged reports neither takes the share of verified chains nor comes before them.
    let later = now + seconds(1);
    assert_eq!(jobs.ask(chip(5000), Asker::Verified, later), Asked::Queued);
    assert_eq!(jobs.next(Source::Amd, later), Next::Fetch(chip(5000)));
    // What a verified chain asks for as well is not behind any more.
    assert_eq!(jobs.ask(chip(29), Asker::Verified, later), Asked::Known);
    assert_eq!(jobs.next(Source::Amd, later), Next::Fetch(chip(29)));
    assert_eq!(jobs.next(Source::Amd, later), Next::Fetch(chip(0)));
    assert_eq!(jobs.ask(chip(6000), Asker::Anybody, later), Asked::Full);
    let minute = now + seconds(60);
    assert_eq!(jobs.prospect(&chip(6000), later), Prospect::Full(seconds(59)));
    assert_eq!(jobs.ask(chip(6000), Asker::Anybody, minute), Asked::Queued);
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
