//! Further attempts, and their end.

use vouchsafe_guest_client::client::Spent;

use super::*;

#[test]
fn the_same_request_is_sent_again_when_the_broker_says_when() {
    for code in [ReasonCode::RateLimited, ReasonCode::Overloaded, ReasonCode::CollateralPending] {
        for signed in [false, true] {
            let one = Try::with(vec![act(move |asked| {
                let refusal = if signed { problem(&asked.refusal(code)) } else { unsigned(code) };
                Some(later(refusal, 2))
            })]);
            let spent = one.fetch().unwrap().spent;
            // The clock of the test advances in pauses alone.
            assert_eq!(spent, Spent { total: Duration::from_millis(2250), ..Spent::default() });
            let requests = one.broker.lock().requests();
            assert_eq!(requests.len(), 2);
            assert_eq!(requests[0], requests[1]);
            // Two seconds and up to a quarter more.
            assert_eq!(one.pauses.taken(), [Duration::from_millis(2250)]);
            assert_eq!(one.source.collected.lock().unwrap().len(), 1);
        }
    }
}

/// Everything is new in the second request: nonce, key, evidence.
fn assert_started_over(one: &Try) {
    assert!(one.fetch().is_ok());
    let requests = one.broker.lock().requests();
    let [first, second] = <[_; 2]>::try_from(requests).expect("two requests");
    assert_ne!(first.challenge, second.challenge);
    assert_ne!(first.public_key, second.public_key);
    assert_ne!(first.evidence, second.evidence);
}

#[test]
fn a_new_challenge_follows_an_outage_without_a_time() {
    assert_started_over(&Try::with(vec![act(|_| Some(unsigned(ReasonCode::Unavailable)))]));
    assert_started_over(&Try::with(vec![act(|asked| {
        Some(problem(&asked.refusal(ReasonCode::Unavailable)))
    })]));
}

#[test]
fn a_new_challenge_follows_a_lost_answer() {
    assert_started_over(&Try::with(vec![lost()]));
}

#[test]
fn t05_a_new_challenge_follows_a_spent_nonce() {
    assert_started_over(&Try::with(vec![act(|asked| Some(problem(&asked.refusal(ReasonCode::NonceSpent))))]));
    // Also if it says when to retry: the nonce has been spent.
    let spent = act(|asked| Some(later(problem(&asked.refusal(ReasonCode::NonceSpent)), 2)));
    assert_started_over(&Try::with(vec![spent]));
}

#[test]
fn a_new_challenge_follows_when_the_old_one_would_not_live() {
    let half = || act(|_| Some(later(unsigned(ReasonCode::Overloaded), LIFETIME / 2)));
    let one = Try::with(vec![half(), half()]);
    assert!(one.fetch().is_ok());
    let nonces = one.nonces();
    assert!(nonces[0] == nonces[1] && nonces[1] != nonces[2], "{nonces:?}");
    assert!(one.pauses.taken().iter().sum::<Duration>() >= Duration::from_secs(LIFETIME));
}

#[test]
fn a_busy_challenge_is_asked_for_again() {
    let one = Try::new();
    let busy = later(unsigned(ReasonCode::Overloaded), 4);
    one.broker.lock().challenge_script.extend([Some(busy), None]);
    assert!(one.fetch().is_ok());
    // The pause that the broker asked for, and half a second, doubled once, for the silence; each with
    // jitter.
    assert_eq!(one.pauses.taken(), [Duration::from_millis(4500), Duration::from_millis(750)]);
    assert_eq!(one.nonces().len(), 1);
}

#[test]
fn the_next_broker_is_asked_without_a_pause() {
    let mut one = Try::new();
    one.config.brokers.push("https://second.test/base/".parse().unwrap());
    one.broker.lock().challenge_script.extend([None]);
    assert!(one.fetch().is_ok());
    assert!(one.pauses.taken().is_empty());
    let urls: Vec<_> = one.broker.lock().log.iter().map(|(url, _)| url.clone()).collect();
    let expected = ["https://broker.test/v1/challenge", "https://second.test/base/v1/challenge"];
    assert_eq!(urls[..2], expected);
    assert_eq!(urls[2], "https://second.test/base/v1/release");
}

/// A second broker that answers, after one that always does what `first` says.
fn behind(first: impl Fn() -> Act, attempts: u32) -> Try {
    let mut one = Try::with((0..99).map(|_| first()).collect());
    one.config.brokers.push(SECOND.parse().expect("a URL"));
    one.config.limits.attempts = attempts;
    one.broker.lock().exempt = Some(SECOND.to_owned());
    one
}

const SECOND: &str = "https://second.test";

#[test]
fn t36_a_broker_that_only_says_later_does_not_use_up_the_others_attempts() {
    for seconds in [0, 4, 3600] {
        let one = behind(|| act(move |_| Some(later(unsigned(ReasonCode::Overloaded), seconds))), 10);
        assert!(one.fetch().is_ok(), "{seconds}");
        let waited: Duration = one.pauses.taken().iter().sum();
        assert!(waited < Duration::from_secs(30), "{waited:?}");
    }
}

#[test]
fn t36_one_brokers_long_pause_does_not_hold_up_the_round() {
    let one = behind(|| act(|_| Some(later(unsigned(ReasonCode::Overloaded), 3600))), 10);
    one.broker.lock().challenge_script.extend([Some(later(unsigned(ReasonCode::Overloaded), 3600)), None]);
    assert!(one.fetch().is_ok());
    // The first is not tried before its time, the second one soon.
    assert_eq!(one.pauses.taken(), [Duration::from_millis(375)]);
    let urls: Vec<_> = one.broker.lock().log.iter().map(|(url, _)| url.clone()).collect();
    let [first, rest @ ..] = urls.as_slice() else { unreachable!("it was asked") };
    assert!(
        first.starts_with("https://broker.test") && rest.iter().all(|url| url.starts_with(SECOND)),
        "{urls:?}"
    );
}

#[test]
fn t30_a_challenge_that_would_make_the_request_too_large_is_rejected() {
    let one = Try::new();
    let mut broker = one.broker.lock();
    let mut giant = broker.challenge_answer();
    giant.challenge.mac = vec![0; 2_000_000].into();
    broker.challenge_script.extend([Some(ok(&giant))]);
    drop(broker);
    assert!(one.fetch().is_ok(), "somebody's challenge ended the fetch");
    assert_eq!(one.source.collected.lock().unwrap().len(), 1);
}

#[test]
fn attempts_are_bounded() {
    let one = Try::new();
    one.broker.lock().challenge_script.extend((0..9).map(|_| None));
    assert!(matches!(one.gave_up(), AttemptError::Transport(_)));
    assert_eq!(one.broker.lock().log.len(), 3);
    // Repeated requests are counted too.
    let one = Try::always(|| act(|_| Some(later(unsigned(ReasonCode::Overloaded), 1))));
    let code = Some(ReasonCode::Overloaded);
    assert!(matches!(one.gave_up(), AttemptError::Unsigned { status: 503, code: found } if found == code));
    assert_eq!(one.broker.lock().requests().len(), 3);
}

#[test]
fn t36_time_is_bounded() {
    let mut one = Try::new();
    one.config.limits = Limits { attempts: u32::MAX, ..Limits::default() };
    one.broker.lock().challenge_script.extend((0..999).map(|_| None));
    assert!(matches!(one.fetch(), Err(FetchError::GaveUp { .. })));
    let total: Duration = one.pauses.taken().iter().sum();
    assert!(total < one.config.limits.deadline && total > Duration::from_secs(90), "{total:?}");
}

/// The only broker, or a proxy in front of it: `Retry-After` is not signed.
#[test]
fn t36_a_huge_retry_after_neither_ends_the_attempts_nor_delays_them_for_long() {
    let longest = Duration::from_millis(33_750);
    let later_by = |seconds| move || act(move |_| Some(later(unsigned(ReasonCode::Overloaded), seconds)));
    for seconds in [31, 3600, u64::from(u32::MAX)] {
        let one = Try::with(vec![later_by(seconds)()]);
        assert!(one.fetch().is_ok(), "{seconds}");
        assert_eq!(one.pauses.taken(), [longest]);
        // Until the deadline.
        let mut one = Try::always(later_by(seconds));
        one.config.limits.attempts = 99;
        assert!(matches!(one.fetch(), Err(FetchError::GaveUp { attempts: 4, .. })));
        assert_eq!(one.pauses.taken(), [longest; 3]);
        // The same for a challenge.
        let one = Try::new();
        one.broker.lock().challenge_script.extend([Some(later(unsigned(ReasonCode::Overloaded), seconds))]);
        assert!(one.fetch().is_ok(), "{seconds}");
        assert_eq!(one.pauses.taken(), [longest]);
    }
}

#[test]
fn missing_evidence_is_final() {
    let mut one = Try::new();
    one.source.broken = true;
    assert!(matches!(one.fetch(), Err(FetchError::Collect(_))));
    assert_eq!(one.broker.lock().log.len(), 1);
}

#[test]
fn no_broker_is_an_error() {
    let mut one = Try::new();
    one.config.brokers.clear();
    assert!(matches!(one.fetch(), Err(FetchError::NoBroker)));
}

/// Google's part of the evidence may fail for a while; what this VM lacks does not appear.
#[test]
fn evidence_that_depends_on_another_service_is_retried() {
    let late = || TokenError::TimedOut { call: Call::CreateChallenge, limit: Duration::from_secs(1) };
    let one = Try::new();
    one.source.passing.lock().unwrap().push(late().into());
    assert!(one.fetch().is_ok());
    assert_eq!(one.pauses.taken().len(), 1);
    // Each time with a new challenge.
    assert_eq!(one.broker.lock().log.len(), 3);

    let one = Try::new();
    one.source.passing.lock().unwrap().extend([late().into(), late().into(), late().into()]);
    assert!(matches!(
        one.gave_up(),
        AttemptError::Evidence(CollectError::Token(TokenError::TimedOut { .. }))
    ));

    let one = Try::new();
    one.source.passing.lock().unwrap().push(TokenError::NotIssued { remarks: vec![] }.into());
    let error = one.fetch().unwrap_err();
    assert!(
        matches!(error, FetchError::Collect(CollectError::Token(TokenError::NotIssued { .. }))),
        "{error}"
    );
    assert!(one.pauses.taken().is_empty());
}

/// A token for one broker is not valid at another.
#[test]
fn t07_each_broker_gets_evidence_for_its_own_origin() {
    let mut one = Try::with(vec![act(|_| Some(unsigned(ReasonCode::Internal)))]);
    one.config.brokers =
        ["https://a.test:8443/base", "https://b.test"].map(|url| url.parse().expect("a URL")).to_vec();
    one.fetch().unwrap();
    assert_eq!(*one.source.audiences.lock().unwrap(), ["https://a.test:8443", "https://b.test"]);
}

/// Responses at a wrong URL: another server, the operators' listener, a redirect.
#[test]
fn a_fault_that_lasts_ends_the_fetch_at_once() {
    for status in [404, 405, 410, 301, 308] {
        let one = Try::new();
        let response =
            Response { status, retry_after: Some(Duration::from_secs(1)), body: b"<html>".to_vec() };
        one.broker.lock().challenge_script.extend([Some(response)]);
        let error = one.unusable();
        assert!(
            matches!(&error, AttemptError::NotABroker { url, status: found }
            if *found == status && url == "https://broker.test/v1/challenge"),
            "{error}"
        );
        assert_eq!((one.broker.lock().log.len(), one.pauses.taken()), (1, vec![]));
    }
    // Responses of a proxy or a busy broker may pass.
    for status in [400, 401, 403, 408, 429, 500, 502, 503, 504] {
        let one = Try::new();
        let response = Response { status, retry_after: None, body: vec![] };
        one.broker.lock().challenge_script.extend([Some(response)]);
        assert!(one.fetch().is_ok(), "{status}");
    }
}

#[test]
fn a_broker_with_a_fault_that_lasts_is_asked_once_and_the_others_go_on() {
    let mut one = Try::new();
    one.config.brokers = ["https://a.test", "https://b.test"].map(|url| url.parse().expect("a URL")).to_vec();
    let gone = Response { status: 404, retry_after: None, body: vec![] };
    one.broker.lock().challenge_script.extend([Some(gone), None, None]);
    // The second answers in the third round.
    one.config.limits.attempts = 9;
    assert!(one.fetch().is_ok());
    let asked: Vec<_> = one.broker.lock().log.iter().map(|(url, _)| url.clone()).collect();
    let at = |host: &str| asked.iter().filter(|url| url.contains(host)).count();
    assert_eq!((at("a.test"), at("b.test")), (1, 4), "{asked:?}");
    assert_eq!(one.pauses.taken().len(), 2);
}
