use actix_web::body::to_bytes;
use serde_json::{Value, json};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::{DecisionId, ReasonCode};

use super::*;
use crate::release::release;
use crate::testing::{Fixture, PATH, by};

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
    (200, json!({ "ready": true, "reasons": [], "age_seconds": null }))
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_readiness_is_what_the_last_probe_found() {
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
    let _busy = broker.gate.enter();
    assert_eq!(probed(&fixture).await, not_ready(&["overloaded"]));
    broker.readiness.0.lock().expect("sound").as_mut().expect("probed").at -=
        Duration::from_secs(3 * 3600 + 1);
    assert_eq!(shown(&fixture).await, not_ready(&["probe-overdue", "overloaded"]));
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
    bare.keystore().put_guardrails(by(), nothing).await.expect("good guardrails");
    assert_eq!(probed(&bare).await, ready(), "these guardrails need none");
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_grant_that_could_not_be_recorded_and_a_head_that_does_not_check_are_told() {
    let fixture = Fixture::new().await;
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    fixture.keystore().close().await;
    let refused = release(&fixture.broker, DecisionId([1; 16]), asked.request, clock::now()).await;
    assert_eq!(refused.expect_err("nothing is recorded").code(), ReasonCode::Unavailable);
    let (status, shown) = probed(&fixture).await;
    assert_eq!((status, &shown["reasons"][0]), (503, &json!("storage-failed")));
    for (error, expected) in [
        (StoreError::RowTampered { table: "log_head", key: "1".to_owned() }, NotReady::LogHeadInvalid),
        (
            StoreError::RowRolledBack { table: "log_head", key: "1".to_owned(), found: 1, pinned: 2 },
            NotReady::LogHeadInvalid,
        ),
        (StoreError::NumberTooLarge, NotReady::StorageFailed),
    ] {
        assert_eq!(reason(&error), expected);
    }
}
