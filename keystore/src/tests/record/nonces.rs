//! Nonces: each is spent once, in a batch, in several brokers and until its challenge has expired.

use std::collections::BTreeSet;

use vouchsafe_protocol::UnixTime;

use super::*;
use crate::db::StoreError;

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

/// A grant at this time, whose challenge has a minute left.
fn at(epoch: u64, nonce: u8, at: UnixTime) -> NewGrant {
    let mut new = grant(epoch, nonce, nonce);
    (new.record.at, new.nonce_expires_at) = (at, at.plus(60));
    new
}

const SPENT: &str = "UPDATE spent_nonces SET expires_at = expires_at";

#[tokio::test]
async fn t05_a_clock_that_is_set_back_revives_no_nonce() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(at(epoch, 1, NOW)).await.unwrap();
    fixture.keystore.record(at(epoch, 2, NOW.plus(600))).await.unwrap();
    assert_eq!(fixture.sql(SPENT).await, 1, "the first is removed");
    assert_eq!(fixture.keystore.nonce_floor().await.unwrap(), NOW.plus(60));
    // The clock is back: to its challenge, the first nonce is live again. So it is after a restart, and for another broker.
    for keystore in [fixture.keystore.clone(), fixture.again().await.unwrap()] {
        for nonce in [1, 3] {
            assert_eq!(keystore.record(at(epoch, nonce, NOW)).await, Err(RecordError::NonceSpent));
        }
        assert_eq!(fixture.sql(SPENT).await, 1);
    }
    // Later challenges are above the floor, and so is their own time.
    fixture.keystore.record(at(epoch, 4, NOW.plus(1))).await.unwrap();
    fixture.keystore.close().await;
    let again = fixture.again().await.unwrap();
    assert_eq!(again.record(at(epoch, 1, NOW)).await, Err(RecordError::NonceSpent));
    assert_eq!(again.record(at(epoch, 4, NOW.plus(1))).await, Err(RecordError::NonceSpent));
}

#[tokio::test]
async fn t05_a_floor_that_another_broker_raised_counts_on_the_fast_path_too() {
    let fixture = Fixture::new().await;
    let other = fixture.again().await.unwrap();
    let epoch = fixture.keystore.epoch().await.unwrap();
    // Both have looked for nonces to remove.
    fixture.keystore.record(at(epoch, 1, NOW.plus(560))).await.unwrap();
    other.record(at(epoch, 2, NOW)).await.unwrap();
    fixture.keystore.record(at(epoch, 3, NOW.plus(620))).await.unwrap();
    assert_eq!(fixture.keystore.nonce_floor().await.unwrap(), NOW.plus(60));
    // It knows the head of the log, so nothing but the floor is in the way of the fast path.
    other.epoch().await.unwrap();
    assert_eq!(other.record(at(epoch, 4, NOW)).await, Err(RecordError::NonceSpent));
    other.record(at(epoch, 5, NOW.plus(10))).await.unwrap();
    other.close().await;
}

#[tokio::test]
async fn t05_a_clock_that_was_ahead_for_a_moment_blocks_nothing() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let years = 10 * 365 * 86_400;
    fixture.keystore.record(at(epoch, 1, NOW)).await.unwrap();
    // The broker has noticed it: nothing is removed.
    for (nonce, seconds) in [(2, 0), (3, 600), (4, 1200)] {
        let stepped = NewGrant { clock: Clock::Stepped, ..at(epoch, nonce, NOW.plus(years + seconds)) };
        fixture.keystore.record(stepped).await.unwrap();
    }
    assert_eq!(fixture.sql(SPENT).await, 4);
    // A broker that is started with such a clock does not notice: the floor is where challenges were spent.
    let again = fixture.again().await.unwrap();
    again.record(at(epoch, 5, NOW.plus(years))).await.unwrap();
    assert_eq!(fixture.keystore.nonce_floor().await.unwrap(), NOW.plus(60));
    again.close().await;
    fixture.keystore.record(at(epoch, 6, NOW.plus(1))).await.unwrap();
    assert_eq!(fixture.keystore.record(at(epoch, 1, NOW)).await, Err(RecordError::NonceSpent));
}

#[tokio::test]
async fn t42_an_edited_floor_is_noticed() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(at(epoch, 1, NOW)).await.unwrap();
    fixture.keystore.record(at(epoch, 2, NOW.plus(600))).await.unwrap();
    fixture.sql("UPDATE nonce_floor SET value = value - 1").await;
    let error = fixture.keystore.nonce_floor().await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { table: "nonce_floor", .. }), "{error}");
    assert_eq!(fixture.keystore.record(at(epoch, 3, NOW.plus(601))).await, Err(RecordError::Unknown));
    // One that is removed does not count in the process that knows it.
    fixture.sql("DELETE FROM nonce_floor").await;
    assert_eq!(fixture.keystore.record(at(epoch, 1, NOW)).await, Err(RecordError::NonceSpent));
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
