//! A broker whose identity was rotated, for guests that pin one of before.

use std::cell::RefCell;
use std::rc::Rc;

use vouchsafe_protocol::succession::{Succeeded, Succession, SuccessionAnswer, SuccessionError};
use vouchsafe_protocol::{BrokerIdentity, UnixTime};

use super::*;

/// Of the tests' clock.
const NOW: UnixTime = UnixTime(1000);
const LIFETIME_OF_STATEMENTS: u64 = 3 * 86_400;
const OLD: u8 = 11;
const OLDER: u8 = 12;

fn id(seed: u8) -> BrokerIdentity {
    identity(seed).identity()
}

fn statement(from: u8, to: u8) -> Succession {
    Succession::sign(&identity(from), id(to), NOW, LIFETIME_OF_STATEMENTS)
}

/// A guest that pins these identities, of a broker with these statements.
fn rotated(pinned: &[u8], statements: Vec<Succession>) -> Try {
    let mut one = Try::new();
    one.config.identities = pinned.iter().copied().map(id).collect();
    one.broker.lock().succession = Some(ok(&SuccessionAnswer { statements }));
    one
}

fn routes(one: &Try) -> Vec<String> {
    let log = &one.broker.lock().log;
    log.iter().map(|(url, _)| url.trim_start_matches("https://broker.test").to_owned()).collect()
}

/// The fault of the statements, after which the broker is not asked again; no evidence was collected.
fn refused(one: &Try) -> SuccessionError {
    refused_by(one, one.unusable())
}

/// The same of a fault that may pass.
fn refused_for_now(one: &Try) -> SuccessionError {
    refused_by(one, one.gave_up())
}

#[expect(clippy::panic, reason = "shows what came instead")]
fn refused_by(one: &Try, error: AttemptError) -> SuccessionError {
    assert!(
        one.source.collected.lock().expect("no test panics here").is_empty(),
        "evidence was collected for a stranger"
    );
    assert_eq!(one.broker.lock().requests(), []);
    match error {
        AttemptError::Succession { identity, source } if identity == id(OURS) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_successor_of_a_pinned_identity_is_accepted_and_announced() {
    let one = rotated(&[OLD], vec![statement(OLD, OURS)]);
    one.broker
        .lock()
        .script
        .push_back(act(|asked| Some(later(problem(&asked.refusal(ReasonCode::Overloaded)), 1))));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let observed = Rc::clone(&seen);
    let (broker, pauses) = (Box::new(one.broker.clone()), Box::new(one.pauses.clone()));
    let client = Client::with_parts(one.config.clone(), broker, one.source.clone(), pauses);
    let mut client = client.on_succession(move |succeeded| observed.borrow_mut().push(*succeeded));
    let release = client.fetch(&paths()).unwrap();
    assert_eq!(release.secret(&path("prod/a")).expose(), secret_of("prod/a"));
    client.fetch(&paths()).unwrap();
    // Once, however many requests follow.
    let expires_at = NOW.plus(LIFETIME_OF_STATEMENTS);
    let remaining = LIFETIME_OF_STATEMENTS;
    let expected = Succeeded { pinned: id(OLD), by: id(OURS), expires_at, remaining };
    assert_eq!(*seen.borrow(), [expected]);
    assert_eq!(routes(&one).iter().filter(|route| *route == "/v1/succession").count(), 1);
}

#[test]
fn a_pinned_identity_needs_no_statement() {
    let one = rotated(&[OLD, OURS], vec![statement(OLD, OURS)]);
    one.fetch().unwrap();
    assert_eq!(routes(&one), ["/v1/challenge", "/v1/release"]);
}

#[test]
fn statements_are_followed_over_two_rotations() {
    let statements = || vec![statement(OLDER, OLD), statement(OLD, OURS)];
    for pinned in [OLDER, OLD] {
        rotated(&[pinned], statements()).fetch().unwrap();
    }
}

#[test]
fn t06_statements_of_a_stranger_are_refused() {
    let stranger = rotated(&[OLD], vec![statement(STRANGER, OURS)]);
    let error = stranger.unusable();
    assert!(matches!(error, AttemptError::UnpinnedIdentity { identity } if identity == id(OURS)), "{error}");
    let forged = Succession::sign(&identity(STRANGER), id(OURS), NOW, 60);
    let mut json = serde_json::to_value(&forged).unwrap();
    json["from"] = serde_json::to_value(id(OLD)).unwrap();
    let forged = rotated(&[OLD], vec![serde_json::from_value(json).unwrap()]);
    assert_eq!(refused(&forged), SuccessionError::Signature { from: id(OLD) });
}

#[test]
fn t06_statements_that_do_not_lead_to_the_brokers_identity_are_refused() {
    let other = rotated(&[OLD], vec![statement(OLD, STRANGER)]);
    let expected = SuccessionError::Other { found: id(STRANGER), expected: id(OURS) };
    assert_eq!(refused_for_now(&other), expected);
    let gap = rotated(&[OLDER], vec![statement(OLDER, OLD), statement(STRANGER, OURS)]);
    assert_eq!(refused(&gap), SuccessionError::Order { named: id(OLD), found: id(STRANGER) });
}

#[test]
fn t06_too_many_statements_are_refused() {
    let statements: Vec<_> =
        (20..24).map(|from| statement(from, from + 1)).chain([statement(24, OURS)]).collect();
    let one = rotated(&[20], statements);
    assert_eq!(refused(&one), SuccessionError::TooMany { found: 5 });
}

#[test]
fn t06_an_expired_statement_is_refused() {
    let expired = Succession::sign(&identity(OLD), id(OURS), UnixTime(100), 900);
    let error = refused_for_now(&rotated(&[OLD], vec![expired]));
    assert_eq!(error, SuccessionError::Expired { from: id(OLD), seconds: 0 });
}

#[test]
fn t06_a_refusal_by_the_successor_is_final() {
    let one = rotated(&[OLD], vec![statement(OLD, OURS)]);
    one.broker.lock().script.push_back(act(|asked| Some(problem(&asked.refusal(ReasonCode::NotGranted)))));
    assert!(matches!(one.fetch(), Err(FetchError::Refused { code: ReasonCode::NotGranted, .. })));
    // By the identity before, it counts for nothing: the challenge was for the successor.
    let one = rotated(&[OLD], vec![statement(OLD, OURS)]);
    let by_old = || act(|asked| Some(ok(&asked.signed_by(&identity(OLD)))));
    one.broker.lock().script.extend((0..9).map(|_| by_old()));
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn what_is_no_statement_is_named() {
    let one = rotated(&[OLD], vec![]);
    for body in [b"not JSON".to_vec(), vec![b' '; 9000]] {
        one.broker.lock().succession = Some(Response { status: 200, retry_after: None, body });
        let error = refused_for_now(&one);
        assert!(matches!(error, SuccessionError::Malformed(_) | SuccessionError::TooLarge { found: 9000 }));
    }
    // A broker that is busy is asked again.
    one.broker.lock().succession = Some(Response { status: 503, retry_after: None, body: vec![] });
    assert!(matches!(one.gave_up(), AttemptError::Unsigned { status: 503, .. }));
}
