//! Only matching records that the operator may read count towards the limit of a list.

use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::{ReasonCode, UnixTime};

use super::*;
use crate::refusals::Standing;
use crate::testing::lines::Lines;

async fn auditor_of(fixture: &Fixture, namespace: &str) -> String {
    let (name, namespaces) = (format!("auditor-{namespace}"), [namespace.to_owned()]);
    let added = fixture
        .keystore()
        .add_operator(
            by(Act::ManageOperators),
            &name,
            OperatorRole::Auditor,
            &namespaces,
            TokenLifetime::default(),
        )
        .await;
    added.expect("added").expose().to_owned()
}

async fn listed(fixture: &Fixture, token: &str, query: &str) -> (Vec<Value>, Option<u64>) {
    let uri = format!("/v1/decisions?{query}");
    let (status, answer) = json_of(fixture, token, "GET", &uri, &Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    let records = answer["records"].as_array().expect("records").clone();
    (records, answer.get("next").and_then(Value::as_u64))
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_an_auditor_of_a_namespace_gets_as_many_records_of_his_own_as_he_asks_for() {
    let fixture = Fixture::new().await;
    let token = auditor_of(&fixture, "prod").await;
    let all_of_prod = listed(&fixture, &token, "limit=1000").await.0;
    assert!(all_of_prod.len() >= 2, "a policy and a secret: {all_of_prod:?}");
    // Newer ones concern the whole broker.
    for number in 0..60 {
        let name = format!("operator-{number}");
        fixture
            .keystore()
            .add_operator(
                by(Act::ManageOperators),
                &name,
                OperatorRole::Administrator,
                &[],
                TokenLifetime::default(),
            )
            .await
            .expect("added");
    }
    let (newest, next) = listed(&fixture, &token, "limit=1").await;
    assert_eq!(newest, all_of_prod[..1]);
    let next = next.expect("there are older ones");
    let (older, _) = listed(&fixture, &token, &format!("limit=1&before={next}")).await;
    assert_eq!(older, all_of_prod[1..2]);
    assert_eq!(listed(&fixture, &token, "limit=50").await, (all_of_prod, None));
    // The other namespace has no record, and its name is a prefix of a namespace that has one.
    assert_eq!(listed(&fixture, &auditor_of(&fixture, "pro").await, "limit=50").await, (vec![], None));
    assert_eq!(listed(&fixture, &fixture.token, "limit=50").await.0.len(), 50, "whoever reads everything");
}

fn refusal(number: u8, path: &str) -> RefusalRecord {
    RefusalRecord {
        at: UnixTime(1000 + u64::from(number)),
        baseline: None,
        claims: None,
        code: ReasonCode::NotGranted,
        decision: DecisionId([number; 16]),
        evidence: Vec::new(),
        instance: Some(format!("1/{}", number % 2)),
        paths: vec![crate::testing::path(path)],
        peer: None,
        reasons: vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_refusals_in_memory_are_filtered_before_they_are_counted() {
    let fixture = Fixture::new().await;
    let keep = |refusal| fixture.broker.refusals.keep(refusal, Standing::Verified);
    (0..10).for_each(|number| keep(refusal(number, "prod/db/token")));
    (10..100).for_each(|number| keep(refusal(number, "dev/db/token")));
    let numbers = async |token: &str, query: &str| -> Vec<u64> {
        let (records, _) = listed(&fixture, token, &format!("remembered=true&{query}")).await;
        let at = |record: &Value| record["record"]["refusal"]["at"].as_u64().expect("a time") - 1000;
        records.iter().map(at).collect()
    };
    let all = fixture.token.as_str();
    assert_eq!(numbers(all, "limit=2").await, [99, 98]);
    assert_eq!(numbers(all, "limit=2&path=prod/db/token").await, [9, 8]);
    assert_eq!(numbers(all, "limit=2&until=1005").await, [4, 3]);
    assert_eq!(numbers(all, "limit=50&since=1097").await, [99, 98, 97]);
    assert_eq!(numbers(all, "limit=2&instance=1/0").await, [98, 96]);
    assert_eq!(numbers(all, "limit=2&outcome=granted").await, [0; 0]);
    assert_eq!(numbers(all, "limit=1&outcome=refused").await, [99]);
    let token = auditor_of(&fixture, "prod").await;
    assert_eq!(numbers(&token, "limit=3").await, [9, 8, 7]);
}

/// What is left out of a list is no attempt: a line for each record would hide those that are.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_seen_in_part_writes_no_warnings() {
    let fixture = Fixture::new().await;
    let token = auditor_of(&fixture, "dev").await;
    // Handlers run on this thread.
    let (lines, _guard) = Lines::of_this_thread();
    for uri in ["secrets", "policies", "baselines", "baseline-proposals", "decisions", "chips", "volumes"] {
        let (status, answer) = json_of(&fixture, &token, "GET", &format!("/v1/{uri}"), &Value::Null).await;
        assert_eq!(status, 200, "{uri}: {answer}");
    }
    assert_eq!(lines.text(), "");
    // An action that is not permitted is one.
    let retire = json!({ "path": PATH });
    assert_eq!(json_of(&fixture, &token, "POST", "/v1/secrets/retire", &retire).await.0, 403);
    assert_eq!(lines.text().matches("operator.forbidden").count(), 1, "{}", lines.text());
}
