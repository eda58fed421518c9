use std::net::IpAddr;

use actix_web::body::to_bytes;
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, header};
use actix_web::web::Data;
use actix_web::{App, test};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_keystore::registry::NewVersion;
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::messages::{ChallengeAnswer, ReleaseAnswer};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{PlaintextSecret, ReasonCode, RequestDigest};

use crate::pool::Lane;
use crate::testing::lines::Lines;
use crate::testing::{Act, Asked, Fixture, PATH, VALUE, by, name, path, policy};

/// The address of clients without a connection.
const UNKNOWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// An answer.
struct Answer {
    status: u16,
    kind: String,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn problem(&self) -> Problem {
        assert_eq!(self.kind, Problem::MEDIA_TYPE);
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(problem.status, self.status);
        assert!(problem.decision.is_some() && problem.detail.is_none(), "{problem:?}");
        problem
    }
}

async fn call(fixture: &Fixture, method: Method, uri: &str, body: Vec<u8>) -> Answer {
    let broker = fixture.broker.clone();
    let app = App::new().app_data(Data::from(broker.clone())).configure(|app| super::configure(&broker, app));
    let service = test::init_service(app).await;
    let request = test::TestRequest::default().method(method).uri(uri).set_payload(body).to_request();
    let response: ServiceResponse = test::call_service(&service, request).await;
    let text = |name| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    let (kind, retry_after) = (text(header::CONTENT_TYPE).unwrap_or_default(), text(header::RETRY_AFTER));
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body()).await.expect("a body").to_vec();
    Answer { status, kind, retry_after, body }
}

async fn ask(fixture: &Fixture, asked: &Asked) -> Answer {
    call(fixture, Method::POST, "/v1/release", serde_json::to_vec(&asked.request).expect("JSON")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_its_secret_in_two_requests() {
    let fixture = Fixture::new().await;
    let answer = call(&fixture, Method::POST, "/v1/challenge", vec![]).await;
    let ChallengeAnswer { challenge, identity } = serde_json::from_slice(&answer.body).expect("a challenge");
    assert_eq!(identity, fixture.broker.identity());
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::BOTH, challenge, &[PATH]);
    let answer = ask(&fixture, &asked).await;
    assert_eq!(answer.status, 200);
    let answer: ReleaseAnswer = serde_json::from_slice(&answer.body).expect("an answer");
    let opened = answer.open_with(&asked.key, &asked.bound, &asked.digest()).expect("opens");
    assert_eq!(opened[0].secret.expose(), VALUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem_with_a_decision_id() {
    let fixture = Fixture::new().await;
    let too_large = vec![b' '; MAX_REQUEST + 1];
    for (method, uri, body, code) in [
        (Method::GET, "/", vec![], ReasonCode::NoSuchRoute),
        (Method::GET, "/v1/secrets", vec![], ReasonCode::NoSuchRoute),
        (Method::POST, "/v1/release/../info", vec![], ReasonCode::NoSuchRoute),
        (Method::GET, "/v1/challenge", vec![], ReasonCode::MethodNotAllowed),
        (Method::PUT, "/v1/release", vec![], ReasonCode::MethodNotAllowed),
        (Method::POST, "/v1/release", b"{".to_vec(), ReasonCode::MalformedRequest),
        (Method::POST, "/v1/release", b"{} {}".to_vec(), ReasonCode::MalformedRequest),
        (Method::POST, "/v1/release", too_large, ReasonCode::RequestTooLarge),
    ] {
        let answer = call(&fixture, method, uri, body).await;
        let problem = answer.problem();
        assert_eq!((problem.code, problem.signature), (code, None), "{uri}");
        if [ReasonCode::MalformedRequest, ReasonCode::RequestTooLarge].contains(&code) {
            let kept = fixture.broker.refusals.get(problem.decision.expect("an id")).expect("remembered");
            assert!(kept.reasons[0].len() <= 200, "{:?}", kept.reasons);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t50_absent_retired_and_denied_look_alike() {
    let fixture = Fixture::new().await;
    let keystore = fixture.keystore();
    let other = policy(1);
    keystore.put_policy(by(Act::ManagePolicies), &name("prod/other"), &other).await.expect("stored");
    for (at, policy) in [("prod/db/gone0", "prod/app"), ("prod/db/other", "prod/other")] {
        let (path, policy) = (path(at), name(policy));
        let new = NewVersion { path: &path, purpose: Purpose::App, policy: &policy };
        let value = PlaintextSecret::new(b"value".to_vec()).expect("a secret");
        keystore.put_secret(by(Act::ManageSecrets), new, &value).await.expect("stored");
    }
    keystore.retire_secret(by(Act::ManageSecrets), &path("prod/db/gone0"), None).await.expect("retired");
    let vm = SimulatedVm::new();
    let mut seen = Vec::new();
    for at in ["prod/db/none0", "prod/db/gone0", "prod/db/other"] {
        let asked = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[at]);
        let body = serde_json::to_vec(&asked.request).expect("JSON");
        let answer = call(&fixture, Method::POST, "/v1/release", body.clone()).await;
        let mut problem = answer.problem();
        let (nonce, request) = (asked.bound.nonce(), RequestDigest::of(&body));
        assert!(problem.is_signed_by(&fixture.broker.identity(), &nonce, &request), "{at}");
        (problem.decision, problem.signature) = (None, None);
        seen.push((answer.status, answer.kind, answer.retry_after, answer.body.len(), problem));
    }
    assert_eq!(seen[0].4.code, ReasonCode::NotGranted);
    assert!(seen[0] == seen[1] && seen[1] == seen[2], "{seen:?}");
    // Operators can see the difference.
    let refusals = fixture.broker.refusals.newest(|_| true);
    let reasons: Vec<_> = refusals.iter().take(3).flat_map(|kept| &kept.reasons).collect();
    assert!(reasons.iter().any(|reason| reason.contains("no such secret")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("retired")), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_load_is_shed_at_the_challenge_and_live_challenges_are_served() {
    let fixture = Fixture::with(|limits| limits.releases = 1).await;
    let challenge = fixture.challenge();
    let _busy = fixture.broker.gate.enter(UNKNOWN.into());
    let shed = call(&fixture, Method::POST, "/v1/challenge", vec![]).await;
    assert_eq!(shed.problem().code, ReasonCode::Overloaded);
    assert_eq!(shed.retry_after.as_deref(), Some("1"));
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, challenge, &[PATH]);
    assert_eq!(ask(&fixture, &asked).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t56_a_challenge_is_worth_three_refusals() {
    let fixture = Fixture::new().await;
    let (vm, challenge) = (SimulatedVm::new(), fixture.challenge());
    let refused = fixture.ask(&vm, Kinds::VTPM, challenge.clone(), &["prod/none"]);
    for _ in 0..3 {
        assert_eq!(ask(&fixture, &refused).await.problem().code, ReasonCode::NotGranted);
    }
    let honest = fixture.ask(&vm, Kinds::VTPM, challenge, &[PATH]);
    assert_eq!(ask(&fixture, &honest).await.problem().code, ReasonCode::NonceSpent);
    let honest = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert_eq!(ask(&fixture, &honest).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t56_a_challenge_in_flight_carries_no_second_request() {
    let fixture = Fixture::new().await;
    let (challenge, now) = (fixture.challenge(), crate::clock::now());
    let in_flight = fixture.broker.tries.begin(challenge.nonce, challenge.expires_at, now).expect("live");
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, challenge, &[PATH]);
    let turned_away = ask(&fixture, &asked).await;
    assert_eq!(turned_away.problem().code, ReasonCode::Overloaded);
    assert_eq!(turned_away.retry_after.as_deref(), Some("1"));
    drop(in_flight);
    assert_eq!(ask(&fixture, &asked).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_full_queue_answers_with_retry_after_and_spends_nothing() {
    let fixture = Fixture::with(|limits| (limits.verifiers, limits.queue) = (Some(1), 1)).await;
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (started, running) = std::sync::mpsc::channel();
    let hold = fixture.broker.clone();
    let holding = tokio::spawn(async move {
        hold.pool.run(Lane::Operators, move || started.send(()).is_ok() && held.recv().is_ok()).await
    });
    running.recv().expect("running");
    let queue = fixture.broker.clone();
    let queued = tokio::spawn(async move { queue.pool.run(Lane::Guests(UNKNOWN.into()), || ()).await });
    while fixture.broker.pool.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let shed = ask(&fixture, &asked).await;
    let problem = shed.problem();
    assert_eq!((problem.code, problem.signature), (ReasonCode::Overloaded, None));
    assert_eq!(shed.retry_after.as_deref(), Some("1"));
    release.send(()).expect("held");
    assert_eq!(holding.await.expect("runs"), Ok(true));
    assert_eq!(queued.await.expect("runs"), Ok(()));
    // The same request again.
    assert_eq!(ask(&fixture, &asked).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_extra_anchors_are_announced() {
    let fixture = Fixture::new().await;
    let answer = call(&fixture, Method::GET, "/v1/info", vec![]).await;
    let info: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(info["extra_trust_anchors"].as_array().map(Vec::len), Some(2));
    assert_eq!(info["identities"][0], fixture.broker.identity().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn t50_a_body_refused_under_a_live_challenge_is_explained_under_the_id_on_the_console() {
    let fixture = Fixture::new().await;
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    let whole = serde_json::to_vec(&asked.request).expect("JSON");
    let too_large = [&whole[..whole.len() - 1], &vec![b' '; MAX_REQUEST]].concat();
    let shares = crate::admission::Shares::guests(&fixture.broker.config().limits);
    let unknown = crate::admission::Network::from(UNKNOWN);
    let mut room =
        Some(fixture.broker.admission.guests.body(unknown, shares.bodies_of_network).expect("room"));
    for (body, code, reason) in [
        (whole, ReasonCode::Overloaded, "the address has used up its share"),
        (too_large, ReasonCode::RequestTooLarge, "The request is too large"),
    ] {
        let answer = call(&fixture, Method::POST, "/v1/release", body).await;
        let problem = answer.problem();
        assert_eq!((problem.code, problem.signature), (code, None));
        let kept = fixture.broker.refusals.get(problem.decision.expect("an id")).expect("remembered");
        assert_eq!((kept.code, kept.reasons), (code, vec![reason.to_owned()]));
        let counted = format!("vouchsafe_refusals_total{{code=\"{code}\"}} 1\n");
        let metrics = String::from_utf8(fixture.broker.metrics.text().expect("text")).expect("text");
        assert!(metrics.contains(&counted), "{metrics}");
        room = None;
    }
    assert!(room.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_refusals_of_strangers_have_a_line_per_code_and_those_of_verified_vms_one_each() {
    let fixture = Fixture::new().await;
    let (lines, _guard) = Lines::of_this_thread();
    let mut foreign = fixture.challenge();
    foreign.nonce.0[0] ^= 1;
    let opening = format!("{{\"challenge\":{},", serde_json::to_string(&foreign).expect("JSON"));
    let denied = || fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &["prod/db/none"]);
    for _ in 0..5 {
        for (body, code) in
            [(&opening[..], ReasonCode::ChallengeInvalid), ("[", ReasonCode::MalformedRequest)]
        {
            let answer = call(&fixture, Method::POST, "/v1/release", body.into()).await;
            assert_eq!(answer.problem().code, code);
        }
        assert_eq!(ask(&fixture, &denied()).await.problem().code, ReasonCode::NotGranted);
    }
    let refused = lines.with("release.refused");
    let of = |code: &str| refused.iter().filter(|line| line.contains(code)).collect::<Vec<_>>();
    assert_eq!(of("not-granted").len(), 5, "{refused:?}");
    assert!(of("not-granted").iter().all(|line| line.contains("instance=") && !line.contains("count=")));
    for said in ["outcome=\"refused\"", "namespaces=\"prod\"", "decision="] {
        assert!(of("not-granted").iter().all(|line| line.contains(said)), "{said}: {refused:?}");
    }
    assert!(refused.iter().all(|line| !line.contains("prod/")), "{refused:?}");
    for code in ["challenge-invalid", "malformed-request"] {
        assert!(matches!(of(code)[..], [line] if line.contains("count=1")), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_the_line_of_a_stranger_has_the_namespaces_that_it_asked_for_and_nothing_to_escape() {
    let fixture = Fixture::new().await;
    let (lines, _guard) = Lines::of_this_thread();
    let mut asked = fixture.ask(
        &SimulatedVm::new(),
        Kinds::VTPM,
        fixture.challenge(),
        &["dev/token", "prod/db/token", "prod/db/other"],
    );
    asked.request.evidence.vtpm.as_mut().expect("a vTPM").signature.0[20] ^= 1;
    assert_eq!(ask(&fixture, &asked).await.problem().code, ReasonCode::EvidenceRefused);
    let hostile =
        serde_json::to_string(&asked.request).expect("JSON").replace("dev/token", "dev\\u001b[31m/x");
    let challenge = serde_json::to_string(&asked.request.challenge).expect("JSON");
    let fresh = serde_json::to_string(&fixture.challenge()).expect("JSON");
    let hostile = hostile.replace(&challenge, &fresh);
    let answer = call(&fixture, Method::POST, "/v1/release", hostile.into_bytes()).await;
    assert_eq!(answer.problem().code, ReasonCode::MalformedRequest);
    let refused = lines.with("release.refused");
    let [evidence, malformed] = &refused[..] else { panic!("{refused:?}") };
    assert!(evidence.contains("namespaces=\"dev prod\" ") && evidence.contains("count=1"), "{evidence}");
    assert!(!evidence.contains("instance="), "it is not verified: {evidence}");
    assert!(!malformed.contains("namespaces") && !malformed.contains("31m"), "{malformed}");
}
