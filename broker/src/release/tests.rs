use vouchsafe_attestation::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_keystore::record::{DecisionFilter, LogRecord, Outcome, RecordError};
use vouchsafe_policy::SHIPPED_GUARDRAILS;
use vouchsafe_protocol::answer::AnswerError;
use vouchsafe_protocol::{BoundRequest, BrokerIdentity, DecisionId, ReasonCode, UnixTime};

use super::error::ReleaseError;
use super::pipeline::{Prepared, prepare};
use super::*;
use crate::clock;
use crate::pool::Lane;
use crate::testing::{
    Act, Asked, Fixture, PATH, POLICY, PROJECT, VALUE, by, name, path, peer, policy, reads_records, records,
};

const ID: DecisionId = DecisionId([9; 16]);

async fn release_of(fixture: &Fixture, asked: &Asked) -> Result<ReleaseAnswer, Refused> {
    fixture.release(ID, asked.request.clone()).await
}

fn refusal(result: Result<ReleaseAnswer, Refused>) -> ReasonCode {
    result.expect_err("refused").code()
}

async fn logged(fixture: &Fixture, outcome: Outcome) -> Vec<LogRecord> {
    let filter = DecisionFilter { outcome: Some(outcome), ..DecisionFilter::default() };
    records(fixture.keystore(), filter).await
}

fn stranger() -> SimulatedVm {
    let instance = AkCertificateSpec { project_number: 1, ..AkCertificateSpec::default() };
    SimulatedVm::booted(&instance, &EventLogBuilder::gce_ubuntu(Technology::SevSnp))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_gets_its_secret_and_the_grant_is_on_record() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    for kinds in [Kinds::VTPM, Kinds::BOTH] {
        let asked = fixture.ask(&vm, kinds, fixture.challenge(), &[PATH]);
        let answer = release_of(&fixture, &asked).await.expect("granted");
        let opened = answer.open_with(&asked.key, &asked.bound, &asked.digest()).expect("opens");
        assert_eq!(opened[0].secret.expose(), VALUE);
        assert_eq!((answer.decision, opened[0].version), (ID, 1));
    }
    let granted = logged(&fixture, Outcome::Granted).await;
    assert_eq!(granted.len(), 2);
    let LogRecord::Grant(grant) = &granted[1] else { panic!("a grant") };
    assert_eq!(grant.instance.as_deref(), Some("620438545889/3560342035431930290"));
    assert_eq!(grant.secrets[0].path, path(PATH));
    let reads = reads_records();
    let kept = fixture.keystore().permitted_lists(&reads).evidence_of(ID).await.expect("sound rows");
    let kept = kept.expect("whole").into_iter().find(|piece| piece.kind == "event-log").expect("kept");
    assert_eq!(kept.bytes, vm.event_log);
}

#[tokio::test(flavor = "multi_thread")]
async fn t06_the_answer_is_signed_for_this_request_by_this_broker() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    let asked = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    let answer = release_of(&fixture, &asked).await.expect("granted");
    let digest = asked.digest();
    let open = |answer: &ReleaseAnswer, bound| answer.open_with(&asked.key, bound, &digest).map(|_| ());
    let Asked { request, key, .. } = &asked;
    let nonce = request.challenge.nonce;
    let foreign =
        BoundRequest::release(&BrokerIdentity([1; 32]), nonce, key.public().clone(), &request.paths);
    assert_eq!(open(&answer, &foreign), Err(AnswerError::Signature));
    let other = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert_eq!(open(&answer, &other.bound), Err(AnswerError::Signature));
    let to_other = answer.open_with(&asked.key, &asked.bound, &other.digest()).map(|_| ());
    assert_eq!(to_other, Err(AnswerError::Signature));
    let mut changed = answer.clone();
    changed.secrets[0].ciphertext.0[0] ^= 1;
    assert_eq!(open(&changed, &asked.bound), Err(AnswerError::Signature));
    assert_eq!(open(&answer, &asked.bound), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_a_nonce_is_spent_once() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    let challenge = fixture.challenge();
    let first = fixture.ask(&vm, Kinds::VTPM, challenge.clone(), &[PATH]);
    let second = fixture.ask(&vm, Kinds::VTPM, challenge, &[PATH]);
    release_of(&fixture, &first).await.expect("granted");
    assert_eq!(refusal(release_of(&fixture, &first).await), ReasonCode::NonceSpent);
    assert_eq!(refusal(release_of(&fixture, &second).await), ReasonCode::NonceSpent);
    assert_eq!(logged(&fixture, Outcome::Granted).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_dead_and_foreign_challenges_are_refused_unsigned() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    let old = fixture.broker.issue(UnixTime(clock::now().0 - 61)).expect("a challenge").challenge;
    let mut foreign = fixture.challenge();
    foreign.expires_at = foreign.expires_at.plus(1);
    for (challenge, code) in [(old, ReasonCode::ChallengeExpired), (foreign, ReasonCode::ChallengeInvalid)] {
        let asked = fixture.ask(&vm, Kinds::VTPM, challenge, &[PATH]);
        let refused = release_of(&fixture, &asked).await.expect_err("refused");
        assert_eq!((refused.code(), refused.is_signed()), (code, false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_evidence_for_another_key_or_other_paths_is_refused() {
    let fixture = Fixture::new().await;
    let vm = SimulatedVm::new();
    let mut asked = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    let other = fixture.ask(&vm, Kinds::VTPM, asked.request.challenge.clone(), &["prod/db/other"]);
    asked.request.public_key = other.request.public_key.clone();
    assert_eq!(refusal(release_of(&fixture, &asked).await), ReasonCode::EvidenceRefused);
    let mut asked = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
    asked.request.paths = other.request.paths.clone();
    assert_eq!(refusal(release_of(&fixture, &asked).await), ReasonCode::EvidenceRefused);
    let remembered = fixture.broker.refusals.get(ID).expect("remembered");
    assert!(remembered.reasons[0].contains("vtpm-nonce-mismatch"), "{:?}", remembered.reasons);
    asked.request.public_key.0.pop();
    let refused = release_of(&fixture, &asked).await.expect_err("refused");
    assert_eq!((refused.code(), refused.is_signed()), (ReasonCode::KeyInvalid, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_refusals_of_known_owners_are_logged_and_those_of_strangers_are_not() {
    let fixture = Fixture::new().await;
    let unknown = stranger();
    let asked = fixture.ask(&unknown, Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert_eq!(refusal(release_of(&fixture, &asked).await), ReasonCode::NotGranted);
    let remembered = fixture.broker.refusals.get(ID).expect("remembered");
    assert!(remembered.reasons.concat().contains("project_number"), "{:?}", remembered.reasons);
    let mut known = SimulatedVm::new();
    known.boot(&EventLogBuilder::gce_ubuntu(Technology::Sev));
    let asked = fixture.ask(&known, Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert_eq!(refusal(release_of(&fixture, &asked).await), ReasonCode::NotGranted);
    fixture.broker.close().await;
    let keyring = fixture.broker.config().load_keyring().expect("a keyring");
    let again = vouchsafe_keystore::Keystore::open(&fixture.broker.config().database(), keyring)
        .await
        .expect("opens");
    let filter = DecisionFilter { outcome: Some(Outcome::Refused), ..DecisionFilter::default() };
    let found = records(&again, filter).await;
    assert_eq!(found.len(), 1);
    let LogRecord::Refusal(refusal) = &found[0] else { panic!("a refusal") };
    assert!(refusal.reasons.concat().contains("principal.technology"), "{:?}", refusal.reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_an_instance_that_asks_too_often_waits() {
    let fixture = Fixture::with(|limits| limits.releases_per_instance = 1).await;
    let vm = SimulatedVm::new();
    let mut codes = Vec::new();
    // Three, since the minute may end between two of them.
    for _ in 0..3 {
        let asked = fixture.ask(&vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
        codes.push(release_of(&fixture, &asked).await.map(|_| ()).map_err(|refused| refused.code()));
    }
    assert!(codes.contains(&Ok(())) && codes.contains(&Err(ReasonCode::RateLimited)), "{codes:?}");
    // A certificate alone uses up no share: this request was refused before it was counted.
    let other = stranger();
    for _ in 0..3 {
        let mut asked = fixture.ask(&other, Kinds::VTPM, fixture.challenge(), &[PATH]);
        asked.request.evidence.vtpm.as_mut().expect("a quote").signature.0[20] ^= 1;
        assert_eq!(refusal(release_of(&fixture, &asked).await), ReasonCode::EvidenceRefused);
    }
    let asked = fixture.ask(&other, Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert_eq!(refusal(release_of(&fixture, &asked).await), ReasonCode::NotGranted);
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_evidence_that_names_no_instance_has_one_share_in_common() {
    let fixture = Fixture::with(|limits| limits.releases_without_instance = 1).await;
    let mut codes = Vec::new();
    // Three, since the minute may end between two of them.
    for vm in [SimulatedVm::new(), stranger(), SimulatedVm::new()] {
        let asked = fixture.ask(&vm, Kinds::REPORT, fixture.challenge(), &[PATH]);
        codes.push(refusal(release_of(&fixture, &asked).await));
    }
    assert!(codes.contains(&ReasonCode::NotGranted), "{codes:?}");
    assert!(codes.contains(&ReasonCode::RateLimited), "{codes:?}");
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    release_of(&fixture, &asked).await.expect("granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn t51_a_change_through_another_broker_takes_effect_in_denials() {
    let fixture = Fixture::new().await;
    let config = fixture.broker.config();
    let keyring = config.load_keyring().expect("a keyring");
    let other =
        vouchsafe_keystore::Keystore::open_beside_others(&config.database(), keyring).await.expect("opens");
    let ask = || fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    fixture.keystore().put_policy(by(Act::ManagePolicies), &name(POLICY), &policy(1)).await.expect("stored");
    assert_eq!(refusal(release_of(&fixture, &ask()).await), ReasonCode::NotGranted);
    other.put_policy(by(Act::ManagePolicies), &name(POLICY), &policy(PROJECT)).await.expect("stored");
    release_of(&fixture, &ask()).await.expect("granted");
    other.close().await;
}

async fn run(
    broker: &Broker,
    job: impl FnOnce() -> Result<Prepared, Failure> + Send + 'static,
) -> Result<Prepared, Box<ReleaseError>> {
    broker.pool.run(Lane::Operators, job).await.expect("a free thread").map_err(|failure| failure.error)
}

#[tokio::test(flavor = "multi_thread")]
async fn t51_a_decision_that_was_overtaken_is_made_again() {
    let fixture = Fixture::new().await;
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    let incoming = fixture.incoming(peer(), ID, asked.request.clone());
    let request = Request::open(&fixture.broker, incoming).expect("a good challenge");
    let first = run(&fixture.broker, move || prepare(request.verify()?)).await.expect("granted");
    fixture
        .keystore()
        .put_guardrails(by(Act::ManageGuardrails), SHIPPED_GUARDRAILS, &<_>::default())
        .await
        .expect("stored");
    let overtaken = fixture.keystore().record(first.grant).await;
    assert!(matches!(overtaken, Err(RecordError::EpochMoved { .. })), "{overtaken:?}");
    let verified = first.verified;
    let again = run(&fixture.broker, move || prepare(verified)).await.expect("granted");
    let verified = again.verified;
    fixture.keystore().record(again.grant).await.expect("on record");
    fixture.keystore().retire_secret(by(Act::ManageSecrets), &path(PATH), None).await.expect("retired");
    let denied = run(&fixture.broker, move || prepare(verified)).await.map(|_| ());
    assert!(matches!(denied.as_ref().map_err(|error| &**error), Err(ReleaseError::Denied(_))), "{denied:?}");
}
