//! The cache of stored input: when it is out of date, and what takes room in it.

use super::*;

#[tokio::test]
async fn stored_input_of_another_process_is_seen_after_the_epoch_moved() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    let other = fixture.again().await.unwrap();
    let here = [path("prod/db")];
    let stale = other.stored_input(&here).await.unwrap();
    fixture.keystore.retire_secret(BY, &here[0], None).await.unwrap();
    // Cached and out of date: the record transaction notices this, and informs the cache.
    assert_eq!(other.stored_input(&here).await.unwrap().epoch, stale.epoch);
    other.registry().forget_before(stale.epoch + 1);
    let fresh = other.stored_input(&here).await.unwrap();
    assert!(matches!(fresh.items[0].state, StoredState::Retired));
}

#[tokio::test]
async fn t51_asking_for_the_epoch_forgets_older_input() {
    let fixture = Fixture::new().await;
    let other = fixture.again().await.unwrap();
    let here = [path("prod/db")];
    fixture.put("prod/other", b"value").await;
    other.stored_input(&[path("prod/other")]).await.unwrap();
    fixture.keystore.retire_secret(BY, &path("prod/other"), None).await.unwrap();
    fixture.put("prod/db", b"value").await;
    let stale = other.stored_input(&[path("prod/other")]).await.unwrap();
    let now = other.epoch().await.unwrap();
    assert!(stale.epoch < now);
    assert_eq!(other.stored_input(&[path("prod/other")]).await.unwrap().epoch, now);
    assert_eq!(other.stored_input(&here).await.unwrap().epoch, now);
}

#[tokio::test]
async fn t44_paths_that_guests_come_up_with_take_no_room() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.keystore.stored_input(&[path("prod/db")]).await.unwrap();
    for number in 0..100 {
        let absent = [path(&format!("n{number}/a")), path(&format!("prod/a{number}")), path("prod/db")];
        let stored = fixture.keystore.stored_input(&absent).await.unwrap();
        assert!(matches!(stored.items[0].state, StoredState::Absent));
        assert!(matches!(stored.items[2].state, StoredState::Active(_)));
    }
    assert_eq!(fixture.keystore.kept(), (1, 2), "the secret; its namespace and shared");
}
