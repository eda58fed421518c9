use actix_web::body::to_bytes;
use serde_json::{Value, json};
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google};
use vouchsafe_policy::Guardrails;
use vouchsafe_protocol::{DecisionId, UnixTime};

use super::readiness::names;
use super::*;
use crate::testing::{Act, Fixture, PATH, by, crls, managed};

/// Status and body of `/readyz`.
async fn shown(fixture: &Fixture) -> (u16, Value) {
    let answer = readyz(Data::from(Arc::clone(&fixture.broker))).await;
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body()).await.expect("a body");
    let mut body: Value = serde_json::from_slice(&body).expect("JSON");
    assert!(body["age_seconds"].take().is_u64());
    (status, body)
}

async fn probed(fixture: &Fixture) -> (u16, Value) {
    probe(&fixture.broker).await;
    shown(fixture).await
}

fn not_ready(reasons: &[&str]) -> (u16, Value) {
    (503, json!({ "ready": false, "reasons": reasons, "age_seconds": null }))
}

fn ready() -> (u16, Value) {
    ready_but(&[])
}

fn ready_but(reasons: &[&str]) -> (u16, Value) {
    (200, json!({ "ready": true, "reasons": reasons, "age_seconds": null }))
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_readiness_is_the_result_of_the_last_probe() {
    let fixture = Fixture::with(|limits| limits.probe = Duration::from_secs(3600)).await;
    assert_eq!(probed(&fixture).await, ready());
    let (mut config, broker) = ((*fixture.broker.config()).clone(), &fixture.broker);
    config.limits.free_disk = u64::MAX;
    broker.configure(config.clone());
    assert_eq!(shown(&fixture).await, ready(), "a request probes nothing");
    assert_eq!(probed(&fixture).await, not_ready(&["disk-almost-full"]));
    config.limits.free_disk = 0;
    config.limits.releases = 1;
    broker.configure(config);
    let _busy = broker.gate.enter(crate::testing::client());
    assert_eq!(probed(&fixture).await, ready_but(&["overloaded"]), "it passes");
    broker.readiness.age(Duration::from_secs(3 * 3600 + 1));
    assert_eq!(shown(&fixture).await, not_ready(&["probe-overdue", "overloaded"]));
}

#[test]
fn t05_a_clock_that_was_set_or_is_behind_spent_challenges_is_a_reason() {
    let (now, floor) = (UnixTime(1_800_000_060), UnixTime(1_800_000_000));
    assert_eq!(clock_fault(Clock::Steady, now, floor), None);
    assert_eq!(clock_fault(Clock::Steady, now, UnixTime(now.0 - 1)), None);
    for clock in [Clock::Steady, Clock::Stepped] {
        assert!(clock_fault(clock, now, now).is_some_and(|(reason, fault)| reason == Reason::ClockBehind
            && reason.makes_unready()
            && fault.contains("is behind challenges")));
    }
    assert!(
        clock_fault(Clock::Stepped, now, floor).is_some_and(|(reason, fault)| reason == Reason::ClockStepped
            && !reason.makes_unready()
            && fault.contains("restart the broker"))
    );
}

#[test]
fn what_passes_or_can_be_served_with_leaves_the_broker_ready() {
    assert!(Reason::permit_ready(&[]));
    assert!(Reason::permit_ready(&[Reason::Overloaded, Reason::ClockStepped]));
    for reason in Reason::ALL.into_iter().filter(|reason| reason.makes_unready()) {
        assert!(!Reason::permit_ready(&[Reason::Overloaded, reason]), "{reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_without_a_current_crl_that_the_guardrails_need_it_is_not_ready() {
    let fixture = Fixture::new().await;
    let folder = fixture.broker.config().collateral_folder();
    assert_eq!(probed(&fixture).await, ready());
    let bare = Fixture::without_crls().await;
    assert_eq!(probed(&bare).await, not_ready(&["crls-missing"]), "{folder:?}");
    let nothing = "@id(\"v\") @reason(\"r\") forbid (principal is Vm, action == Action::\"release\", resource)\
                   when { principal has snp && principal.snp.vmpl != 0 };";
    let drops = Guardrails::compile(nothing).expect("good").dropped().into_keys().collect();
    bare.keystore()
        .put_guardrails(by(Act::ManageGuardrails), nothing, &drops)
        .await
        .expect("good guardrails");
    assert_eq!(probed(&bare).await, ready(), "these guardrails need none");
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_an_overdue_crl_is_reported_while_its_issuer_is_in_use() {
    let fixture = Fixture::without_crls().await;
    let (now, service) = (clock::now(), fixture.broker.collateral_service());
    let [_, amd] = crls(now);
    managed(service).import(&amd, None, now).expect("a CRL");
    assert_eq!(probed(&fixture).await, ready());
    let then = UnixTime(now.0 - 3600 * 24);
    let over = CrlSpec::current(then, then.plus(3600));
    managed(service).import(&shared_google().root_crl(&over), None, then).expect("it was current then");
    assert_eq!(probed(&fixture).await, ready(), "nobody uses it: its issuer may have retired");

    // Neither do requests of strangers, whatever their evidence.
    let refused = async |vm: &SimulatedVm| {
        let asked = fixture.ask(vm, Kinds::VTPM, fixture.challenge(), &[PATH]);
        let id = DecisionId([5; 16]);
        let released = fixture.release(id, asked.request).await;
        released.map(|_| ()).expect_err("its revocation data is stale");
    };
    let instance = AkCertificateSpec { project_number: 1, ..AkCertificateSpec::default() };
    refused(&SimulatedVm::booted(&instance, &EventLogBuilder::gce_ubuntu(Technology::SevSnp))).await;
    assert_eq!(probed(&fixture).await, ready());

    // A VM of a policy's owner needs it.
    refused(&SimulatedVm::new()).await;
    assert_eq!(probed(&fixture).await, not_ready(&["crls-missing"]));
    let [google, _] = crls(now);
    managed(service).import(&google, None, now).expect("a CRL");
    assert_eq!(probed(&fixture).await, ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_storage_that_does_not_answer_is_reported() {
    let fixture = Fixture::new().await;
    fixture.keystore().close().await;
    assert_eq!(probed(&fixture).await, not_ready(&["storage-failed"]));
}

#[test]
fn t54_unrecorded_grants_are_reported_for_a_while() {
    let now = Instant::now();
    let failed =
        |ago: u64| now.checked_sub(Duration::from_secs(ago)).map(|last| GrantFailures { count: 3, last });
    assert_eq!(grants_failed(None, now), None);
    assert_eq!(grants_failed(failed(0), now), Some(Reason::GrantsFailed));
    assert_eq!(grants_failed(failed(59), now), Some(Reason::GrantsFailed));
    assert_eq!(grants_failed(failed(60), now), None);
}

#[test]
fn t54_a_head_or_a_row_that_does_not_check_is_not_a_failure_of_storage() {
    for (error, expected) in [
        (StoreError::RowTampered { table: "log_head", key: "1".to_owned() }, Reason::LogHeadInvalid),
        (
            StoreError::RowRolledBack { table: "log_head", key: "1".to_owned(), found: 1, pinned: 2 },
            Reason::LogHeadInvalid,
        ),
        (StoreError::NumberTooLarge, Reason::StorageFailed),
    ] {
        assert_eq!(reason(&error), expected);
    }
}

#[test]
fn the_log_names_reasons_as_readyz_does() {
    assert_eq!(names(&[Reason::CrlsMissing, Reason::StorageFailed]), "crls-missing, storage-failed");
}
