//! Comparing policies with the decisions on record.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn t48_a_policy_diff_names_the_decisions_that_would_change() {
    let fixture = Fixture::new().await;
    let id = DecisionId([8; 16]);
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    assert!(fixture.release(id, asked.request).await.is_ok());
    let reads = reads_records();
    let records = fixture.keystore().permitted_lists(&reads);
    let pieces = records.evidence_of(id).await.expect("sound rows").expect("kept");
    assert!(pieces.iter().any(|piece| piece.kind == "event-log"));
    assert_eq!(records.evidence_of(DecisionId([9; 16])).await.expect("sound rows"), None);
    let body = |text: String| json!({ "name": POLICY, "text": text, "decisions": 10 });
    let token = fixture.token.clone();
    let same = body(policy(PROJECT));
    let (status, answer) = json_of(&fixture, &token, "POST", "/v1/policies/diff", &same).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer, json!({ "replayed": 1, "without_evidence": 0, "not_compared": 0, "changed": [] }));
    let other = body(policy(PROJECT + 1));
    let (status, answer) = json_of(&fixture, &token, "POST", "/v1/policies/diff", &other).await;
    assert_eq!((status, &answer["replayed"]), (200, &json!(1)), "{answer}");
    let changed = &answer["changed"][0];
    assert_eq!((&changed["decision"], &changed["path"]), (&json!(id), &json!(PATH)));
    assert_eq!((&changed["before"], &changed["after"]), (&json!(true), &json!(false)));
    assert!(changed["because"].as_str().is_some_and(|because| because.contains("project_number")));
    let foreign = policy(PROJECT).replacen("when {", "when { principal in Baseline::\"dev/web\" &&", 1);
    assert!(foreign.contains("dev/web"), "{foreign}");
    let (status, answer) = json_of(&fixture, &token, "POST", "/v1/policies/diff", &body(foreign)).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid-object")), "{answer}");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("dev/web")), "{answer}");
    let unknown = json!({ "name": "prod/none", "text": policy(PROJECT), "decisions": 10 });
    assert_eq!(json_of(&fixture, &token, "POST", "/v1/policies/diff", &unknown).await.0, 404);
    let token = editor(&fixture, "dev").await;
    assert_eq!(json_of(&fixture, &token, "POST", "/v1/policies/diff", &same).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn t50_a_refused_release_is_replayed_too() {
    let fixture = Fixture::new().await;
    let id = DecisionId([8; 16]);
    fixture
        .keystore()
        .put_policy(
            by(Act::ManagePolicies),
            &crate::testing::name(POLICY),
            &policy(PROJECT).replace("sev-snp", "tdx"),
        )
        .await
        .expect("a good policy");
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &[PATH]);
    let refused = fixture.release(id, asked.request).await.expect_err("refused");
    assert_eq!(refused.code(), vouchsafe_protocol::ReasonCode::NotGranted);
    let body = json!({ "name": POLICY, "text": policy(PROJECT), "decisions": 10 });
    // Refusals are recorded when no grant waits: soon, not at once.
    let mut answer = Value::Null;
    for _ in 0..200 {
        answer = json_of(&fixture, &fixture.token, "POST", "/v1/policies/diff", &body).await.1;
        if answer["replayed"] == json!(1) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let changed = &answer["changed"][0];
    assert_eq!((&changed["before"], &changed["after"]), (&json!(false), &json!(true)), "{answer}");
}

/// A decision that also names another namespace is compared only for operators who may see all of it.
#[tokio::test(flavor = "multi_thread")]
async fn t41_a_policy_diff_shows_no_decision_that_the_operator_may_not_read() {
    let fixture = Fixture::new().await;
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::VTPM, fixture.challenge(), &["dev/other", PATH]);
    let id = DecisionId([8; 16]);
    let answer = fixture.release(id, asked.request).await;
    assert_eq!(answer.expect_err("dev/other is absent").code(), vouchsafe_protocol::ReasonCode::NotGranted);
    let editor = editor(&fixture, "prod").await;
    let body = json!({ "name": POLICY, "text": policy(PROJECT), "decisions": 10 });
    let replayed = async |token: &str| {
        let (status, answer) = json_of(&fixture, token, "POST", "/v1/policies/diff", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["replayed"].as_u64()
    };
    // Refusals are recorded when no grant waits: soon, not at once.
    for _ in 0..200 {
        if replayed(&fixture.token).await == Some(1) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(replayed(&fixture.token).await, Some(1));
    assert_eq!(replayed(&editor).await, Some(0));
}
