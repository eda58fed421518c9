//! Nonces: each is spent once, in a batch, in several brokers and until its challenge has expired.

use std::collections::BTreeSet;

use super::*;

const SPENT_ELSEWHERE: &str = "INSERT INTO spent_nonces (nonce, expires_at) VALUES \
    (x'0202020202020202020202020202020202020202020202020202020202020202', 99999999999)";

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
    let recorded: BTreeSet<u64> = results.iter().flatten().copied().collect();
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
