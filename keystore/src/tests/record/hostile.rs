//! Somebody edits the database, or the disk fills up.

use super::*;

#[tokio::test]
async fn t51_an_epoch_put_back_does_not_revive_a_stale_decision() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let other = fixture.again().await.unwrap();
    let stale = other.stored_input(&[path("prod/db")]).await.unwrap().epoch;
    fixture.keystore.retire_secret(BY, &path("prod/db"), None).await.unwrap();
    fixture.sql("UPDATE epoch SET value = value - 1").await;
    assert_eq!(other.record(grant(stale, 1, 1)).await, Err(RecordError::Unknown));
}

#[tokio::test]
async fn t42_grants_cannot_be_cut_off_the_log_while_the_broker_runs() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.sql("CREATE TABLE old AS SELECT * FROM log_head").await;
    fixture.keystore.record(grant(epoch, 1, 1)).await.unwrap();
    fixture.sql("DELETE FROM log_leaves WHERE kind = 'grant'").await;
    fixture.sql("UPDATE log_head SET (size, mac) = (SELECT size, mac FROM old)").await;
    assert_eq!(fixture.keystore.record(grant(epoch, 2, 2)).await, Err(RecordError::Unknown));
}

#[tokio::test]
async fn t47_a_leaf_that_is_silently_left_out_is_not_recorded() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    // The first batch prunes and takes the slow path, the next ones the fast path.
    for nonce in [1, 2, 3] {
        for ignore in [
            "CREATE TRIGGER t BEFORE INSERT ON log_leaves BEGIN SELECT RAISE(IGNORE); END",
            "CREATE TRIGGER t BEFORE INSERT ON spent_nonces BEGIN SELECT RAISE(IGNORE); END",
        ] {
            fixture.sql(ignore).await;
            let outcome = fixture.keystore.record(grant(epoch, nonce, nonce)).await;
            assert!(
                matches!(outcome, Err(RecordError::Unknown | RecordError::NonceSpent)),
                "{ignore} {outcome:?}"
            );
            fixture.sql("DROP TRIGGER t").await;
        }
        let again = fixture.keystore.record(grant(epoch, nonce, nonce)).await;
        assert!(again.is_ok(), "the nonce was not spent: {again:?}");
    }
    fixture.keystore.close().await;
    fixture.again().await.expect("the log is whole");
}

#[tokio::test]
async fn t47_grants_recorded_after_a_full_disk_are_on_disk() {
    for grants_before in [0, 1] {
        after_a_full_disk(grants_before).await;
    }
}

/// The first batch takes the slow path, the second the fast path.
async fn after_a_full_disk(grants_before: u8) {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    for number in 0..grants_before {
        fixture.keystore.record(grant(epoch, 100 + number, 100 + number)).await.unwrap();
    }
    fixture.sql("PRAGMA max_page_count = 1").await;
    let mut large = grant(epoch, 1, 1);
    large.evidence = vec![EvidencePiece { kind: "event-log", bytes: vec![7; 1 << 20].into() }];
    assert_eq!(fixture.keystore.record(large).await, Err(RecordError::Unknown));
    fixture.sql("PRAGMA max_page_count = 1000000").await;
    fixture.keystore.probe().await.unwrap();
    let index = fixture.keystore.record(grant(epoch, 1, 2)).await.unwrap();
    let other = fixture.again().await.unwrap();
    assert_eq!(other.decision(DecisionId([2; 16])).await.unwrap().unwrap().index, index);
    assert_eq!(other.decision(DecisionId([1; 16])).await.unwrap(), None);
    fixture.put("prod/db", b"value").await;
    assert!(matches!(
        other.stored_input(&[path("prod/db")]).await.unwrap().items[0].state,
        crate::registry::stored_input::StoredState::Active(_)
    ));
}

#[tokio::test]
async fn t42_a_nonce_whose_row_was_removed_stays_spent() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    fixture.keystore.record(grant(epoch, 1, 1)).await.unwrap();
    assert_eq!(fixture.sql("DELETE FROM spent_nonces").await, 1);
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 2)).await, Err(RecordError::NonceSpent));
    assert_eq!(fixture.keystore.record(grant(epoch, 1, 3)).await, Err(RecordError::NonceSpent));
    assert!(fixture.keystore.record(grant(epoch, 2, 4)).await.is_ok(), "others are not hurt");
}

#[tokio::test]
async fn many_expired_nonces_are_removed_a_few_at_a_time() {
    let fixture = Fixture::new().await;
    let epoch = fixture.keystore.epoch().await.unwrap();
    let count = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
                 INSERT INTO spent_nonces SELECT CAST('n' || i AS BLOB), i FROM n";
    assert_eq!(fixture.sql(count).await, 2500);
    for (nonce, left) in [(1, 2500 - 1024 + 1), (2, 2500 - 2048 + 2), (3, 3), (4, 4)] {
        fixture.keystore.record(grant(epoch, nonce, nonce)).await.unwrap();
        assert_eq!(fixture.sql("UPDATE spent_nonces SET expires_at = expires_at").await, left);
    }
}
