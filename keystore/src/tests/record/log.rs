//! What the decision log keeps, and how decisions are found in it.

use vouchsafe_policy::operators::{OperatorAction, WHOLE_BROKER, authorize_operator};

use super::*;
use crate::record::writer::REFUSALS_AN_HOUR;
use crate::tests::LIFETIME;

#[tokio::test]
async fn evidence_is_kept_by_digest_and_once() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    for nonce in 1..4 {
        fixture.keystore.record(grant(epoch, nonce, nonce)).await.unwrap();
    }
    let logged = fixture.keystore.decision(DecisionId([1; 16])).await.unwrap().unwrap();
    let LogRecord::Grant(record) = logged.record else { panic!("no grant") };
    assert_eq!(record.evidence.len(), 2);
    let log = fixture.keystore.registry().log().evidence(record.evidence[0].digest).await.unwrap().unwrap();
    assert_eq!(log, b"shared log");
    assert_eq!(fixture.sql("UPDATE evidence SET bytes = x'00'").await, 4, "one log, three quotes");
    let edited = fixture.keystore.registry().log().evidence(record.evidence[0].digest).await.unwrap_err();
    assert!(matches!(edited, crate::StoreError::RowTampered { table: "evidence", .. }));
    assert_eq!(fixture.keystore.registry().log().evidence(Digest32([0; 32])).await.unwrap(), None);
}

#[tokio::test]
async fn t44_refusals_are_limited_for_each_instance_and_strangers_cost_nothing() {
    let fixture = Fixture::new().await;
    assert!(!fixture.keystore.record_refusal(refusal(0, None)));
    let taken = (1..=60).filter(|id| fixture.keystore.record_refusal(refusal(*id, Some("1/2")))).count();
    assert_eq!(taken, usize::try_from(REFUSALS_AN_HOUR).unwrap());
    assert!(fixture.keystore.record_refusal(refusal(100, Some("1/3"))));
    let mut later = refusal(101, Some("1/2"));
    later.record.at = NOW.plus(3600);
    assert!(fixture.keystore.record_refusal(later));
    fixture.keystore.close().await;
    let reopened = fixture.again().await.unwrap();
    let filter = DecisionFilter { outcome: Some(Outcome::Refused), ..DecisionFilter::default() };
    assert_eq!(reopened.decisions(&filter, None).await.unwrap().len(), taken + 2);
}

#[tokio::test]
async fn decisions_are_found_by_secret_and_instance() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let epoch = keystore.epoch().await.unwrap();
    for nonce in 1..=5 {
        keystore.record(grant(epoch, nonce, nonce)).await.unwrap();
    }
    let all = DecisionFilter::default();
    let of = async |filter: DecisionFilter, namespaces: Option<&[String]>| {
        keystore.decisions(&filter, namespaces).await.unwrap().len()
    };
    let count = async |filter: DecisionFilter| of(filter, None).await;
    assert_eq!(count(DecisionFilter { path: Some(path("prod/db_1/disk")), ..all.clone() }).await, 5);
    assert_eq!(count(DecisionFilter { path: Some(path("prod/dbx1/disk")), ..all.clone() }).await, 0);
    assert_eq!(count(DecisionFilter { path: Some(path("prod/db_1")), ..all.clone() }).await, 0);
    assert_eq!(count(DecisionFilter { instance: Some("1/2".to_owned()), ..all.clone() }).await, 5);
    assert_eq!(count(DecisionFilter { instance: Some("1/3".to_owned()), ..all.clone() }).await, 0);
    assert_eq!(count(DecisionFilter { outcome: Some(Outcome::Operator), ..all.clone() }).await, 1);
    for (namespaces, found) in [("prod", 6), ("pro", 0), ("db_1", 0), ("", 0), ("dev prod", 6), ("pr_d", 0)] {
        let namespaces: Vec<_> = namespaces.split_whitespace().map(str::to_owned).collect();
        assert_eq!(of(all.clone(), Some(&namespaces)).await, found);
    }
    assert_eq!(count(DecisionFilter { since: Some(NOW.plus(1)), ..all.clone() }).await, 0);
    assert_eq!(count(DecisionFilter { until: Some(NOW), ..all.clone() }).await, 0);
    let first = keystore.decisions(&DecisionFilter { limit: Some(2), ..all.clone() }, None).await.unwrap();
    let next = DecisionFilter { limit: Some(2), before: Some(first[1].index), ..all };
    let second = keystore.decisions(&next, None).await.unwrap();
    assert_eq!([first[0].index, first[1].index, second[0].index, second[1].index], [5, 4, 3, 2]);
}

#[tokio::test]
async fn the_log_names_the_rights_of_operators() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let boss = Authority { namespaces: Vec::new(), role: OperatorRole::Administrator };
    let alice = keystore.add_first_administrator("alice", LIFETIME, NOW).await.unwrap();
    let login = keystore.authenticate(alice.expose(), NOW).await.unwrap();
    let permit = authorize_operator(login.identity(), OperatorAction::ManageOperators, WHOLE_BROKER).unwrap();
    let by = crate::registry::change::Actor::permitted(&permit, NOW);
    keystore.add_operator(by, "bob", OperatorRole::Editor, &["prod".to_owned()], LIFETIME).await.unwrap();
    keystore.remove_operator(by, "bob").await.unwrap();
    let newest = DecisionFilter { limit: Some(2), ..DecisionFilter::default() };
    let bob = Authority { namespaces: vec!["prod".to_owned()], role: OperatorRole::Editor };
    for (logged, action) in
        keystore.decisions(&newest, None).await.unwrap().iter().zip(["operator.remove", "operator.add"])
    {
        let LogRecord::Operator(change) = &logged.record else { panic!("{logged:?}") };
        assert_eq!(change.action, action);
        assert_eq!((change.authority.as_ref(), change.account.as_ref()), (Some(&boss), Some(&bob)));
    }
}
