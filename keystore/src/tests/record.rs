//! Grants and refusals are recorded: in turn with other writers, durably, and only under the current epoch.

mod chips;
mod format;
mod hostile;
mod log;
mod nonces;

use tokio::sync::oneshot;
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::{DecisionId, Digest32, Nonce, ObjectName, ReasonCode, VolumeHeaders};

use super::{BY, Fixture, NOW, PEER, path};
use crate::Keystore;
use crate::log::DecisionFilter;
use crate::record::pending::Answer;
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
            headers: VolumeHeaders::default(),
            instance: Some("1/2".to_owned()),
            nonce: Nonce([nonce; 32]),
            peer: Some(PEER),
            secrets: vec![GrantedSecret {
                path: path("prod/db_1/disk"),
                policy: ObjectName::parse("prod/p").unwrap(),
                policy_digest: Digest32([2; 32]),
                version: 1,
            }],
        },
        chip: None,
        clock: Clock::Steady,
        evidence: vec![
            EvidencePiece { kind: "event-log", bytes: b"shared log"[..].into() },
            EvidencePiece { kind: "quote", bytes: [nonce; 40][..].into() },
        ],
        nonce_expires_at: NOW.plus(60),
    }
}

fn refusal(decision: u8, instance: Option<&str>) -> NewRefusal {
    NewRefusal {
        record: RefusalRecord {
            at: NOW,
            baseline: None,
            claims: None,
            code: ReasonCode::NotGranted,
            decision: DecisionId([decision; 16]),
            evidence: Vec::new(),
            instance: instance.map(str::to_owned),
            paths: vec![path("prod/db_1/disk")],
            peer: Some(PEER),
            reasons: vec!["prod/db_1/disk: retired".to_owned()],
        },
        evidence: Vec::new(),
    }
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
    drop(Answer::<u64>::new(move |result| told.send(result).unwrap()));
    assert_eq!(results.into_iter().collect::<Vec<_>>(), [Err(RecordError::Unknown)]);
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
    for file in ["vouchsafe.db", "vouchsafe.db-wal", "vouchsafe.head"] {
        std::fs::copy(fixture.folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let after = Keystore::open(&copy.path().join("vouchsafe.db"), fixture.keyring()).await.unwrap();
    let logged = after.decision(DecisionId([7; 16])).await.unwrap().unwrap();
    assert_eq!(logged.index, index);
    assert_eq!(after.record(grant(epoch, 7, 8)).await, Err(RecordError::NonceSpent));
}
