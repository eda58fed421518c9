mod chips;
mod hostile;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;
use vouchsafe_policy::chip::Chip;
use vouchsafe_policy::operators::{OperatorAction, OperatorRole, WHOLE_BROKER, authorize_operator};
use vouchsafe_protocol::{BrokerIdentity, Bytes, DecisionId, Digest32, Nonce, ObjectName, ReasonCode, Suite};

use super::{BY, Fixture, NOW, path};
use crate::Keystore;
use crate::chips::FirstSeen;
use crate::log::DecisionFilter;
use crate::record::pending::Answer;
use crate::record::writer::REFUSALS_AN_HOUR;
use crate::record::*;

pub(crate) fn grant(fixture_epoch: u64, nonce: u8, decision: u8) -> NewGrant {
    NewGrant {
        record: GrantRecord {
            at: NOW,
            binding: None,
            chips: Vec::new(),
            claims: Digest32([1; 32]),
            decision: DecisionId([decision; 16]),
            epoch: fixture_epoch,
            evidence: Vec::new(),
            guardrails: None,
            instance: Some("1/2".to_owned()),
            nonce: Nonce([nonce; 32]),
            secrets: vec![GrantedSecret {
                path: path("prod/db_1/disk"),
                policy: ObjectName::parse("prod/p").unwrap(),
                policy_digest: Digest32([2; 32]),
                version: 1,
            }],
        },
        chip: None,
        evidence: vec![
            EvidencePiece::new("event-log", Arc::from(&b"shared log"[..])),
            EvidencePiece::new("quote", Arc::from(&[nonce; 40][..])),
        ],
        nonce_expires_at: NOW.plus(60),
    }
}

const SPENT_ELSEWHERE: &str = "INSERT INTO spent_nonces (nonce, expires_at) VALUES \
    (x'0202020202020202020202020202020202020202020202020202020202020202', 99999999999)";

fn refusal(decision: u8, instance: Option<&str>) -> NewRefusal {
    NewRefusal {
        record: RefusalRecord {
            at: NOW,
            claims: None,
            code: ReasonCode::NotGranted,
            decision: DecisionId([decision; 16]),
            evidence: Vec::new(),
            instance: instance.map(str::to_owned),
            paths: vec![path("prod/db_1/disk")],
            reasons: vec!["prod/db_1/disk: retired".to_owned()],
        },
        evidence: Vec::new(),
    }
}

#[tokio::test]
async fn t05_a_nonce_is_spent_once() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let first = fixture.keystore.record(grant(epoch, 1, 1)).await.unwrap();
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 2)).await, Err(RecordError::NonceSpent));
    assert_eq!(fixture.keystore.record(grant(epoch, 2, 3)).await, Ok(first + 1));
    assert_eq!(
        fixture.keystore.decision(DecisionId([2; 16])).await.unwrap(),
        None,
        "T47: no record, no grant"
    );
}

#[tokio::test]
async fn t05_a_nonce_is_spent_once_inside_a_batch() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for decision in 0..200 {
        let keystore = fixture.keystore.clone();
        tasks.spawn(async move { keystore.record(grant(epoch, decision % 20, decision)).await });
    }
    let results = tasks.join_all().await;
    let recorded: BTreeSet<u64> = results.iter().filter_map(|result| result.ok()).collect();
    assert_eq!(recorded.len(), 20);
    assert_eq!(results.iter().filter(|result| **result == Err(RecordError::NonceSpent)).count(), 180);
    let filter = DecisionFilter { outcome: Some(Outcome::Granted), ..DecisionFilter::default() };
    let logged: BTreeSet<u64> =
        fixture.keystore.decisions(&filter, None).await.unwrap().iter().map(|logged| logged.index).collect();
    assert_eq!(logged, recorded);
    // Batches with a duplicate nonce had reserved more leaves than they wrote.
    fixture.keystore.close().await;
    fixture.again().await.expect("the head counts the leaves that are there");
}

#[tokio::test]
async fn t05_a_nonce_that_another_broker_spent_leaves_no_gap_in_the_log() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let first = fixture.keystore.record(grant(epoch, 1, 1)).await.unwrap();
    // This broker has the newest head, but does not know that the nonce is spent.
    fixture.sql(SPENT_ELSEWHERE).await;
    assert_eq!(fixture.keystore.record(grant(epoch, 2, 2)).await, Err(RecordError::NonceSpent));
    assert_eq!(fixture.keystore.record(grant(epoch, 3, 3)).await, Ok(first + 1));
    fixture.keystore.close().await;
    fixture.again().await.expect("the log is whole");
}

#[tokio::test]
async fn operators_and_grants_take_turns() {
    let fixture = Fixture::new().await;
    let mut recorded = 0;
    for round in 0..20 {
        let grants: Vec<_> = (0..4).map(|index| (round * 4 + index, fixture.keystore.clone())).collect();
        let epoch = fixture.keystore.epoch().await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for (number, keystore) in grants {
            tasks.spawn(async move { keystore.record(grant(epoch, number, number)).await });
        }
        let put = fixture.put("prod/db", b"value");
        let soon = std::time::Duration::from_secs(5);
        tokio::time::timeout(soon, put).await.expect("the recorder gives the connection up");
        let results = tasks.join_all().await;
        let moved = |result: &Result<u64, _>| matches!(result, Err(RecordError::EpochMoved { .. }));
        assert!(results.iter().all(|result| result.is_ok() || moved(result)), "{results:?}");
        recorded += results.iter().filter(|result| result.is_ok()).count();
    }
    fixture.keystore.close().await;
    let after = fixture.again().await.expect("the log is whole");
    let filter =
        DecisionFilter { outcome: Some(Outcome::Granted), limit: Some(1000), ..DecisionFilter::default() };
    assert_eq!(after.decisions(&filter, None).await.unwrap().len(), recorded);
}

#[tokio::test]
async fn a_thread_gets_the_result_of_its_grant() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let ask = async |nonce, decision| {
        let (told, result) = oneshot::channel();
        let keystore = fixture.keystore.clone();
        let thread = std::thread::spawn(move || {
            keystore.record_then(grant(epoch, nonce, decision), move |result| told.send(result).unwrap());
        });
        let result = result.await.unwrap();
        thread.join().unwrap();
        result
    };
    assert!(ask(1, 1).await.is_ok());
    assert_eq!(ask(1, 2).await, Err(RecordError::NonceSpent));
    fixture.keystore.close().await;
    assert_eq!(ask(2, 3).await, Err(RecordError::Closed));
}

#[test]
fn t47_a_grant_without_a_result_may_be_recorded() {
    let (told, results) = std::sync::mpsc::channel();
    drop(Answer::new(move |result| told.send(result).unwrap()));
    assert_eq!(results.into_iter().collect::<Vec<_>>(), [Err(RecordError::Unknown)]);
}

#[tokio::test]
async fn t05_a_nonce_is_spent_once_across_brokers() {
    let fixture = Fixture::new().await;
    let brokers = [fixture.keystore.clone(), fixture.again().await.unwrap()];
    let epoch = fixture.keystore.epoch().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..100 {
        let keystore = brokers[usize::from(round % 2)].clone();
        tasks.spawn(async move { keystore.record(grant(epoch, round / 2, round)).await });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 50);
    assert_eq!(results.iter().filter(|result| **result == Err(RecordError::NonceSpent)).count(), 50);
    fixture.keystore.close().await;
    brokers[1].close().await;
    fixture.again().await.expect("the log is whole");
}

#[tokio::test]
async fn t51_a_change_overtakes_a_decision_in_flight() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let other = fixture.again().await.unwrap();
    let here = [path("prod/db")];
    let decided = other.stored_input(&here).await.unwrap().epoch;
    fixture.keystore.retire_secret(BY, &here[0], None).await.unwrap();
    let moved = other.record(grant(decided, 1, 1)).await;
    assert_eq!(moved, Err(RecordError::EpochMoved { epoch: decided + 1 }));
    let again = other.stored_input(&here).await.unwrap();
    assert!(
        matches!(again.items[0].state, crate::registry::stored_input::StoredState::Retired),
        "the cache was told"
    );
    // The outdated decision did not spend the nonce.
    assert!(other.record(grant(again.epoch, 1, 2)).await.is_ok());
}

#[tokio::test]
async fn t47_a_grant_that_cannot_be_written_is_refused() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.sql("ALTER TABLE evidence RENAME TO evidence_elsewhere").await;
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 1)).await, Err(RecordError::Unknown));
    let failures = || fixture.keystore.grant_failures().map(|failures| failures.count);
    assert_eq!(failures(), Some(1), "T54: readiness is told");
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 1)).await, Err(RecordError::Unknown));
    assert_eq!(failures(), Some(2));
    fixture.sql("ALTER TABLE evidence_elsewhere RENAME TO evidence").await;
    assert!(fixture.keystore.record(grant(epoch, 1, 2)).await.is_ok(), "nothing of the failed batch stayed");
    assert_eq!(failures(), None);
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 3)).await, Err(RecordError::NonceSpent));
    assert_eq!(failures(), None, "a spent nonce is the guest's affair");
    fixture.sql("UPDATE log_head SET size = size + 1").await;
    assert_eq!(fixture.keystore.record(grant(epoch, 3, 3)).await, Err(RecordError::Unknown), "T42");
    fixture.keystore.close().await;
    assert_eq!(fixture.keystore.record(grant(epoch, 4, 4)).await, Err(RecordError::Closed));
}

#[tokio::test]
async fn a_recorded_grant_is_there_without_a_close() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let index = fixture.keystore.record(grant(epoch, 7, 7)).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in ["vouchsafe.db", "vouchsafe.db-wal"] {
        std::fs::copy(fixture.folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let after = Keystore::open(&copy.path().join("vouchsafe.db"), fixture.keyring()).await.unwrap();
    let logged = after.decision(DecisionId([7; 16])).await.unwrap().unwrap();
    assert_eq!(logged.index, index);
    assert_eq!(after.record(grant(epoch, 7, 8)).await, Err(RecordError::NonceSpent));
}

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

#[test]
fn records_are_canonical_json() {
    fn sorted(value: &str) -> String {
        fn sort(value: serde_json::Value) -> serde_json::Value {
            match value {
                serde_json::Value::Object(map) => {
                    let map: std::collections::BTreeMap<_, _> = map.into_iter().collect();
                    map.into_iter().map(|(name, value)| (name, sort(value))).collect()
                }
                serde_json::Value::Array(values) => values.into_iter().map(sort).collect(),
                other => other,
            }
        }
        sort(serde_json::from_str(value).unwrap()).to_string()
    }
    let mut granted = grant(1, 1, 1);
    granted.record.evidence = granted.evidence.iter().map(EvidencePiece::reference).collect();
    let chip = || Chip::stored("sev-snp:aa".to_owned());
    let subject = crate::chips::Subject::Instance("1/2".to_owned());
    granted.record.chips = vec![FirstSeen { chip: chip(), earlier: Some(chip()), subject }];
    granted.record.binding = Some(GrantBinding {
        broker: BrokerIdentity([4; 32]),
        public_key: Bytes(vec![5; 32]),
        suite: Suite::X25519,
    });
    granted.record.guardrails = Some(GuardrailsRef { digest: Digest32([6; 32]), version: None });
    let authority = Authority { namespaces: vec!["prod".to_owned()], role: OperatorRole::Editor };
    let operator = OperatorRecord {
        account: Some(authority.clone()),
        action: "secret.put".to_owned(),
        at: NOW,
        authority: Some(authority),
        epoch: 1,
        id: DecisionId([1; 16]),
        operator: "alice".to_owned(),
        rows: vec![ChangedRow { key: "k".to_owned(), removed: false, table: "t".to_owned() }],
        target: "prod/db".to_owned(),
    };
    for record in [
        LogRecord::Grant(granted.record),
        LogRecord::Refusal(refusal(1, Some("1/2")).record),
        LogRecord::Operator(operator),
    ] {
        let text = record.canonical();
        assert_eq!(text, sorted(&text));
        assert_eq!(serde_json::from_str::<LogRecord>(&text).unwrap(), record);
    }
}

#[test]
fn records_of_versions_before_are_read_and_stay_as_they_are() {
    let grant = format!(
        "{{\"grant\":{{\"at\":1,\"claims\":\"{0}\",\"decision\":\"{1}\",\"epoch\":1,\"evidence\":[],\"instance\":null,\
         \"nonce\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\",\"secrets\":[]}}}}",
        "01".repeat(32),
        "02".repeat(16)
    );
    let operator = format!(
        "{{\"operator\":{{\"action\":\"secret.put\",\"at\":1,\"epoch\":1,\"id\":\"{}\",\"operator\":\"alice\",\
         \"rows\":[],\"target\":\"prod/db\"}}}}",
        "02".repeat(16)
    );
    for text in [grant, operator] {
        assert_eq!(serde_json::from_str::<LogRecord>(&text).unwrap().canonical(), text);
    }
}

#[tokio::test]
async fn the_log_names_the_rights_of_operators() {
    let fixture = Fixture::new().await;
    let keystore = &fixture.keystore;
    let boss = Authority { namespaces: Vec::new(), role: OperatorRole::Administrator };
    let alice = keystore.add_first_administrator("alice", NOW).await.unwrap();
    let identity = keystore.authenticate(alice.expose()).await.unwrap().unwrap();
    let permit = authorize_operator(&identity, OperatorAction::ManageOperators, WHOLE_BROKER).unwrap();
    let by = crate::registry::change::Actor::permitted(&permit, NOW);
    keystore.add_operator(by, "bob", OperatorRole::Editor, &["prod".to_owned()]).await.unwrap();
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

#[tokio::test]
async fn spent_nonces_are_removed_after_their_challenge_expires() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(grant(epoch, 1, 1)).await.unwrap();
    let mut later = grant(epoch, 2, 2);
    later.record.at = NOW.plus(360);
    later.nonce_expires_at = NOW.plus(420);
    fixture.keystore.record(later.clone()).await.unwrap();
    assert_eq!(
        fixture.sql("UPDATE spent_nonces SET expires_at = expires_at").await,
        2,
        "60 + 300 s are kept"
    );
    later.record.at = NOW.plus(430);
    later.record.nonce = Nonce([3; 32]);
    fixture.keystore.record(later).await.unwrap();
    assert_eq!(
        fixture.sql("UPDATE spent_nonces SET expires_at = expires_at").await,
        2,
        "the first is forgotten"
    );
}
