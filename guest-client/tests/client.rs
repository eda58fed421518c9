//! Whose answers the client takes, and when it asks again.

mod support;

use std::time::Duration;

use support::{
    Act, DECISION, Echo, FakeBroker, LIFETIME, Pauses, Shared, act, identity, later, lost, ok, problem,
    secret_of, unsigned,
};
use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::config::{ClientConfig, Limits};
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::google_token::{Call, TokenError};
use vouchsafe_guest_client::transport::Response;
use vouchsafe_guest_client::{Client, FetchError, Release};
use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::messages::ReleaseAnswer;
use vouchsafe_protocol::wrap::WrapError;
use vouchsafe_protocol::{
    BoundRequest, DecisionId, Evidence, GuestKey, Nonce, ReasonCode, ReleasePaths, RequestDigest, SecretPath,
    Suite,
};

const OURS: u8 = 1;
const STRANGER: u8 = 66;

/// A client, its broker, and what happened.
struct Try {
    broker: Shared,
    source: Echo,
    pauses: Pauses,
    config: ClientConfig,
}

impl Try {
    fn new() -> Self {
        Self {
            broker: Shared::new(FakeBroker::new(OURS)),
            source: Echo::default(),
            pauses: Pauses::default(),
            config: ClientConfig {
                brokers: vec!["https://broker.test".parse().expect("a URL")],
                identities: vec![identity(OURS).identity()],
                suite: Suite::XWing,
                limits: Limits { attempts: 3, ..Limits::default() },
            },
        }
    }

    fn with(script: Vec<Act>) -> Self {
        let one = Self::new();
        one.broker.lock().script.extend(script);
        one
    }

    fn always(make: impl Fn() -> Act) -> Self {
        Self::with((0..9).map(|_| make()).collect())
    }

    fn fetch(&self) -> Result<Release, FetchError> {
        let (broker, pauses) = (Box::new(self.broker.clone()), Box::new(self.pauses.clone()));
        Client::with_parts(self.config.clone(), broker, self.source.clone(), pauses).fetch(&paths())
    }

    #[expect(clippy::panic, reason = "shows what came instead")]
    fn gave_up(&self) -> AttemptError {
        match self.fetch() {
            Err(FetchError::GaveUp { attempts: 3, last }) => *last,
            other => panic!("{other:?}"),
        }
    }

    /// What is wrong for good.
    #[expect(clippy::panic, reason = "shows what came instead")]
    fn unusable(&self) -> AttemptError {
        match self.fetch() {
            Err(FetchError::Unusable { fault }) => *fault,
            other => panic!("{other:?}"),
        }
    }

    fn nonces(&self) -> Vec<Nonce> {
        self.broker.lock().requests().iter().map(|request| request.challenge.nonce).collect()
    }
}

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).expect("a path")
}

fn paths() -> ReleasePaths {
    ReleasePaths::sort(vec![path("prod/b"), path("prod/a")]).expect("paths")
}

/// Grants, after `change` and before the broker's own signature.
fn grant_with(change: fn(&mut ReleaseAnswer)) -> Act {
    act(move |asked| {
        let mut answer = asked.granted();
        change(&mut answer);
        let transcript = asked.bound.transcript();
        let ReleaseAnswer { decision, enc, secrets, .. } = answer;
        Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, decision, enc, secrets)))
    })
}

#[expect(clippy::panic, reason = "shows what came instead")]
fn answer_error(outcome: Result<Release, FetchError>) -> AnswerError {
    match outcome {
        Err(FetchError::Answer { decision: DECISION, source }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn secrets_are_opened_in_both_suites() {
    for suite in Suite::ALL {
        let mut one = Try::new();
        one.config.suite = suite;
        let release = one.fetch().unwrap();
        assert_eq!(release.decision, DECISION);
        let got: Vec<_> = release
            .secrets
            .iter()
            .map(|s| (s.path.as_str(), s.version, s.secret.expose().to_vec()))
            .collect();
        assert_eq!(got, [("prod/a", 3, secret_of("prod/a")), ("prod/b", 3, secret_of("prod/b"))]);
        assert_eq!(one.broker.lock().requests()[0].suite, suite);
    }
}

#[test]
fn evidence_is_bound_to_the_pinned_identity_and_the_request() {
    let one = Try::new();
    one.fetch().unwrap();
    let request = one.broker.lock().requests().remove(0);
    let key = vouchsafe_protocol::GuestPublicKey::new(request.suite, &request.public_key).unwrap();
    let expected = BoundRequest::release(&identity(OURS).identity(), request.challenge.nonce, key, &paths());
    assert_eq!(*one.source.collected.lock().unwrap(), [*expected.transcript().as_bytes()]);
}

#[test]
fn t06_secret_sealed_by_another_party_is_refused() {
    // A valid seal to the guest's key under its transcript, by somebody who ended the TLS connection.
    let one = Try::always(|| act(|asked| Some(ok(&asked.signed_by(&identity(STRANGER))))));
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t06_answer_signed_by_an_unpinned_identity_is_refused() {
    let one = Try::new();
    let stranger = identity(STRANGER).identity();
    one.broker.lock().announced = stranger;
    let error = one.unusable();
    assert!(matches!(error, AttemptError::UnpinnedIdentity { identity } if identity == stranger));
    assert_eq!((one.broker.lock().log.len(), one.pauses.taken()), (1, vec![]));
    assert!(one.source.collected.lock().unwrap().is_empty(), "evidence was collected for a stranger");
    assert_eq!(one.broker.lock().requests(), []);
}

#[test]
fn t06_answer_without_signature_is_refused() {
    let one = Try::always(|| {
        act(|asked| {
            let mut answer = asked.granted();
            answer.signature = vec![].into();
            Some(ok(&answer))
        })
    });
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t05_answer_to_an_earlier_request_is_refused() {
    // Signed by the right broker and opened by nobody else, but for another nonce.
    let one = Try::always(|| {
        act(|asked| {
            let key = asked.bound.key().clone();
            let earlier = BoundRequest::release(
                &asked.identity.identity(),
                Nonce([7; 32]),
                key.clone(),
                &asked.request.paths,
            );
            let transcript = earlier.transcript();
            let (enc, secrets) = asked.sealed_for(&key, &transcript);
            Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, DECISION, enc, secrets)))
        })
    });
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t06_answer_to_other_evidence_is_refused() {
    // The right broker, nonce, key and paths; but the request that it granted had somebody else's evidence in it.
    let one = Try::always(|| {
        act(|asked| {
            let mut theirs = asked.request.clone();
            theirs.evidence = Evidence::default();
            assert_ne!(theirs, asked.request);
            let digest = RequestDigest::of(&serde_json::to_vec(&theirs).expect("JSON"));
            let (enc, secrets) = asked.sealed();
            let transcript = asked.bound.transcript();
            Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &digest, DECISION, enc, secrets)))
        })
    });
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t06_every_signed_part_of_an_answer_is_covered() {
    let changes: [fn(&mut ReleaseAnswer); 6] = [
        |answer| answer.decision = DecisionId([0; 16]),
        |answer| answer.enc.0[0] ^= 1,
        |answer| answer.secrets[0].version = 4,
        |answer| answer.secrets[0].ciphertext.0[0] ^= 1,
        |answer| answer.secrets[0].policy_digest.0[0] ^= 1,
        |answer| drop(answer.secrets.pop()),
    ];
    for change in changes {
        let one = Try::always(|| {
            act(move |asked| {
                let mut answer = asked.granted();
                change(&mut answer);
                Some(ok(&answer))
            })
        });
        assert!(matches!(one.gave_up(), AttemptError::NotSigned));
    }
}

#[test]
fn t06_each_pinned_identity_signs_for_itself_only() {
    let mut one = Try::new();
    let both = vec![identity(OURS).identity(), identity(STRANGER).identity()];
    one.config.identities = both.clone();
    assert!(one.fetch().is_ok());
    // Announced as ours, signed as the other pinned one: not what the transcript says.
    let mut one = Try::always(|| act(|asked| Some(ok(&asked.signed_by(&identity(STRANGER))))));
    one.config.identities = both;
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t09_paths_in_another_order_or_number_are_refused() {
    let reordered = Try::with(vec![grant_with(|answer| answer.secrets.reverse())]);
    assert_eq!(answer_error(reordered.fetch()), AnswerError::OtherPaths);
    let missing = Try::with(vec![grant_with(|answer| drop(answer.secrets.pop()))]);
    assert_eq!(answer_error(missing.fetch()), AnswerError::OtherPaths);
    let doubled = Try::with(vec![grant_with(|answer| answer.secrets[1] = answer.secrets[0].clone())]);
    assert_eq!(answer_error(doubled.fetch()), AnswerError::OtherPaths);
    let other = Try::with(vec![grant_with(|answer| answer.secrets[1].path = path("prod/c"))]);
    assert_eq!(answer_error(other.fetch()), AnswerError::OtherPaths);
}

#[test]
fn t09_ciphertexts_belong_to_their_path_and_version() {
    let swapped = Try::with(vec![grant_with(|answer| {
        let first = answer.secrets[0].ciphertext.clone();
        answer.secrets[0].ciphertext = answer.secrets[1].ciphertext.clone();
        answer.secrets[1].ciphertext = first;
    })]);
    assert_eq!(answer_error(swapped.fetch()), AnswerError::Wrap(WrapError::DoesNotOpen { index: 0 }));
    let version = Try::with(vec![grant_with(|answer| answer.secrets[1].version = 2)]);
    assert_eq!(answer_error(version.fetch()), AnswerError::Wrap(WrapError::DoesNotOpen { index: 1 }));
}

#[test]
fn t09_secret_for_another_guest_key_is_refused() {
    let one = Try::with(vec![act(|asked| {
        let other = GuestKey::generate(asked.request.suite);
        let transcript = asked.bound.transcript();
        let (enc, secrets) = asked.sealed_for(other.public(), &transcript);
        Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, DECISION, enc, secrets)))
    })]);
    assert_eq!(answer_error(one.fetch()), AnswerError::Wrap(WrapError::DoesNotOpen { index: 0 }));
}

#[test]
fn t09_the_guest_never_falls_back_to_another_suite() {
    // A broker that cannot take the suite, and says so.
    let one = Try::with(vec![act(|asked| Some(problem(&asked.refusal(ReasonCode::KeyInvalid))))]);
    assert!(matches!(one.fetch(), Err(FetchError::Refused { code: ReasonCode::KeyInvalid, .. })));
    assert_eq!(one.broker.lock().requests().len(), 1);
    // Somebody who would like the guest to believe that.
    let one = Try::always(|| act(|_| Some(unsigned(ReasonCode::KeyInvalid))));
    one.gave_up();
    let suites: Vec<_> = one.broker.lock().requests().iter().map(|request| request.suite).collect();
    assert_eq!(suites, [Suite::XWing; 3]);
    // An answer in another suite than the request's.
    let one = Try::with(vec![act(|asked| {
        let classical = GuestKey::generate(Suite::X25519);
        let transcript = asked.bound.transcript();
        let (enc, secrets) = asked.sealed_for(classical.public(), &transcript);
        Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, DECISION, enc, secrets)))
    })]);
    assert_eq!(answer_error(one.fetch()), AnswerError::Wrap(WrapError::MalformedEnc));
}

#[test]
fn t34_debug_of_a_release_shows_no_secret() {
    let text = format!("{:?}", Try::new().fetch().unwrap());
    assert!(text.contains("REDACTED"));
    assert!(!text.contains("secret of"), "{text}");
    assert!(!text.contains(&format!("{:?}", b"secret of")), "{text}");
}

#[test]
fn a_signed_refusal_is_final_and_says_its_decision() {
    let codes = [
        ReasonCode::NotGranted,
        ReasonCode::EvidenceRefused,
        ReasonCode::EvidenceMalformed,
        ReasonCode::UnlinkedEvidence,
    ];
    for refused in codes {
        let one = Try::with(vec![act(move |asked| Some(problem(&asked.refusal(refused))))]);
        let error = one.fetch().unwrap_err();
        assert!(matches!(error, FetchError::Refused { code, decision: DECISION } if code == refused));
        assert_eq!(error.to_string(), format!("refused ({refused}), decision {}", "dd".repeat(16)));
        assert_eq!(one.broker.lock().requests().len(), 1);
    }
}

/// The initrd asks while systemd is extending `os-separator`.
#[test]
fn t59_a_quote_of_pcrs_that_were_being_extended_is_made_again() {
    let unsettled = || act(|asked| Some(problem(&asked.refusal(ReasonCode::EvidenceUnsettled))));
    let patient = |script: Vec<Act>| {
        let mut one = Try::with(script);
        one.config.limits.attempts = 10;
        one
    };
    for refusals in 0..5 {
        let one = patient((0..refusals).map(|_| unsettled()).collect());
        assert!(one.fetch().is_ok(), "{refusals}");
        // Each with a quote for a challenge of its own, soon after the one before.
        let nonces = one.nonces();
        assert_eq!(nonces.len(), refusals + 1);
        assert!(nonces.iter().all(|nonce| nonces.iter().filter(|other| *other == nonce).count() == 1));
        let waited: Duration = one.pauses.taken().iter().sum();
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
    let error = patient((0..9).map(|_| unsettled()).collect());
    let refused = error.fetch().unwrap_err();
    let code = ReasonCode::EvidenceUnsettled;
    assert!(matches!(refused, FetchError::Refused { code: found, decision: DECISION } if found == code));
    assert_eq!(error.nonces().len(), 5);
    // Nobody else can make the guest ask more often than it would.
    let forged = Try::always(|| act(|_| Some(unsigned(ReasonCode::EvidenceUnsettled))));
    forged.gave_up();
}

#[test]
fn t06_refusal_that_is_not_ours_is_a_lost_answer() {
    fn forged(change: fn(&support::Asked<'_>) -> Response) -> AttemptError {
        Try::always(|| act(move |asked| Some(change(asked)))).gave_up()
    }
    let not_granted = Some(ReasonCode::NotGranted);
    let errors = [
        forged(|_| unsigned(ReasonCode::NotGranted)),
        forged(|asked| {
            let nonce = asked.bound.nonce();
            let key = identity(STRANGER);
            problem(&vouchsafe_protocol::problem::Problem::signed(
                &key,
                &nonce,
                &asked.digest,
                ReasonCode::NotGranted,
                DECISION,
            ))
        }),
        forged(|asked| {
            let (key, other) = (asked.identity, Nonce([7; 32]));
            problem(&vouchsafe_protocol::problem::Problem::signed(
                key,
                &other,
                &asked.digest,
                ReasonCode::NotGranted,
                DECISION,
            ))
        }),
        forged(|asked| {
            // Ours, for this very challenge, but of another request that somebody else sent.
            problem(&vouchsafe_protocol::problem::Problem::signed(
                asked.identity,
                &asked.bound.nonce(),
                &RequestDigest::of(b"another request"),
                ReasonCode::NotGranted,
                DECISION,
            ))
        }),
        forged(|asked| {
            let mut refusal = asked.refusal(ReasonCode::Unavailable);
            (refusal.code, refusal.status) = (ReasonCode::NotGranted, 403);
            problem(&refusal)
        }),
        forged(|asked| {
            let mut refusal = asked.refusal(ReasonCode::NotGranted);
            refusal.decision = Some(DecisionId([0; 16]));
            problem(&refusal)
        }),
    ];
    for error in errors {
        assert!(
            matches!(error, AttemptError::Unsigned { status: 403, code } if code == not_granted),
            "{error}"
        );
    }
}

#[test]
fn answers_that_are_no_answers_are_tried_again() {
    let garbage = |status| Response { status, retry_after: None, body: b"<html>".to_vec() };
    let one = Try::with(vec![act(move |_| Some(garbage(200))), act(move |_| Some(garbage(502)))]);
    assert!(one.fetch().is_ok());
    assert_eq!(one.broker.lock().requests().len(), 3);
    let one = Try::always(|| act(move |_| Some(Response { status: 200, retry_after: None, body: vec![] })));
    assert!(matches!(one.gave_up(), AttemptError::Malformed { status: 200 }));
}

#[test]
fn the_same_request_is_sent_again_when_the_broker_says_when() {
    for code in [ReasonCode::RateLimited, ReasonCode::Overloaded, ReasonCode::CollateralPending] {
        for signed in [false, true] {
            let one = Try::with(vec![act(move |asked| {
                let refusal = if signed { problem(&asked.refusal(code)) } else { unsigned(code) };
                Some(later(refusal, 2))
            })]);
            assert!(one.fetch().is_ok());
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
    // Also when it says when to come back: the nonce stays spent.
    let spent = act(|asked| Some(later(problem(&asked.refusal(ReasonCode::NonceSpent)), 2)));
    assert_started_over(&Try::with(vec![spent]));
}

#[test]
fn a_new_challenge_follows_when_the_old_one_would_not_live() {
    let one = Try::with(vec![act(|_| Some(later(unsigned(ReasonCode::Overloaded), LIFETIME)))]);
    assert_started_over(&one);
    assert!(one.pauses.taken()[0] >= Duration::from_secs(LIFETIME));
}

#[test]
fn a_busy_challenge_is_asked_for_again() {
    let one = Try::new();
    let busy = later(unsigned(ReasonCode::Overloaded), 4);
    one.broker.lock().challenge_script.extend([Some(busy), None]);
    assert!(one.fetch().is_ok());
    // What the broker asked for, and half a second doubled once for the silence; each with jitter.
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

/// A second broker that answers, behind one that does what `first` says each time.
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
    // The first is not asked again before its time, the second one soon.
    assert_eq!(one.pauses.taken(), [Duration::from_millis(375)]);
    let urls: Vec<_> = one.broker.lock().log.iter().map(|(url, _)| url.clone()).collect();
    let [first, rest @ ..] = urls.as_slice() else { unreachable!("it was asked") };
    assert!(
        first.starts_with("https://broker.test") && rest.iter().all(|url| url.starts_with(SECOND)),
        "{urls:?}"
    );
}

#[test]
fn t30_a_challenge_that_would_make_the_request_too_large_is_not_taken() {
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
    // Requests that are sent again count as well.
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
    // A broker cannot make the guest wait longer either.
    let one = Try::with(vec![act(|_| Some(later(unsigned(ReasonCode::Overloaded), 3600)))]);
    assert!(matches!(one.fetch(), Err(FetchError::GaveUp { attempts: 1, .. })));
    assert!(one.pauses.taken().is_empty());
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

/// Google's part in the evidence may fail for a while; what this VM lacks stays lacking.
#[test]
fn evidence_that_somebody_else_has_a_part_in_is_asked_for_again() {
    let late = || TokenError::TimedOut { call: Call::CreateChallenge, limit: Duration::from_secs(1) };
    let one = Try::new();
    one.source.passing.lock().unwrap().push(late().into());
    assert!(one.fetch().is_ok());
    assert_eq!(one.pauses.taken().len(), 1);
    // Each time with a challenge of its own.
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

/// A token for one broker is of no use at another.
#[test]
fn t07_each_broker_gets_evidence_for_its_own_origin() {
    let mut one = Try::with(vec![act(|_| Some(unsigned(ReasonCode::Internal)))]);
    one.config.brokers =
        ["https://a.test:8443/base", "https://b.test"].map(|url| url.parse().expect("a URL")).to_vec();
    one.fetch().unwrap();
    assert_eq!(*one.source.audiences.lock().unwrap(), ["https://a.test:8443", "https://b.test"]);
}

/// What a wrong URL gives: another server, the operators' listener, a redirect.
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
    // What a proxy or a busy broker says passes.
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
