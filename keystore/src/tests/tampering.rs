//! T42: every edit of the database is detected, row by row and field by field.

use super::*;
use crate::registry::rows::{self, RowTag};

/// The table and key in the error of reading `prod/db` after `statement`.
async fn after(statement: &'static str) -> (&'static str, String) {
    let fixture = Fixture::new().await;
    fixture.policy("prod/weak", "permit everything").await;
    fixture.put("prod/db", b"one").await;
    fixture.put("prod/db", b"two").await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), Some(1)).await.unwrap();
    assert_ne!(fixture.sql(statement).await, 0, "{statement}");
    match fixture.state("prod/db").await.unwrap_err() {
        StoreError::RowTampered { table, key } => (table, key),
        other => panic!("{statement}: {other}"),
    }
}

#[tokio::test]
async fn t42_an_edited_policy_is_noticed() {
    let version = ("document_versions", "policy prod/p version 1".to_owned());
    let head = ("documents", "policy prod/p".to_owned());
    for statement in [
        "UPDATE document_versions SET body = 'permit everything' WHERE name = 'prod/p'",
        "UPDATE document_versions SET digest = x'00' WHERE name = 'prod/p'",
        "UPDATE document_versions SET created_by = 'mallory' WHERE name = 'prod/p'",
        "UPDATE document_versions SET row_version = 0 WHERE name = 'prod/p'",
        "UPDATE document_versions SET (body, digest, row_version, generation, mac) = (SELECT body, digest, \
         row_version, generation, mac FROM document_versions WHERE name = 'prod/weak') WHERE name = 'prod/p'",
        "DELETE FROM document_versions WHERE name = 'prod/p'",
    ] {
        assert_eq!(after(statement).await, version, "{statement}");
    }
    for statement in [
        "UPDATE documents SET revoked = NOT revoked WHERE name = 'prod/p'",
        "UPDATE documents SET version = 0 WHERE name = 'prod/p'",
        "UPDATE documents SET mac = x'00' WHERE name = 'prod/p'",
    ] {
        assert_eq!(after(statement).await, head, "{statement}");
    }
}

#[tokio::test]
async fn t42_an_edited_secret_is_noticed() {
    let row = ("secrets", "prod/db".to_owned());
    for statement in [
        "UPDATE secrets SET policy = 'prod/weak'",
        "UPDATE secrets SET policy = 'not a name'",
        "UPDATE secrets SET purpose = 'disk'",
        "UPDATE secrets SET per_instance = true",
        "UPDATE secrets SET versions = 1",
        "UPDATE secrets SET created_at = 1",
        "UPDATE secrets SET row_version = row_version + 1",
        "UPDATE secrets SET row_version = -1",
        "UPDATE secrets SET mac = x'00'",
    ] {
        assert_eq!(after(statement).await, row, "{statement}");
    }
}

#[tokio::test]
async fn t42_an_edited_state_is_noticed() {
    for statement in [
        "UPDATE secret_versions SET state = 'active' WHERE version = 1",
        "UPDATE secret_versions SET state = 'ACTIVE' WHERE version = 1",
        "UPDATE secret_versions SET row_version = row_version - 1 WHERE version = 1",
        "UPDATE secret_versions SET created_at = 1 WHERE version = 1",
    ] {
        assert_eq!(
            after(statement).await,
            ("secret_versions", "prod/db version 1".to_owned()),
            "{statement}"
        );
    }
    let removed = after("DELETE FROM sealed_values WHERE version = 2").await;
    assert_eq!(removed, ("sealed_values", "prod/db version 2".to_owned()));
}

#[tokio::test]
async fn t42_a_removed_row_is_noticed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"one").await;
    fixture.put("prod/db", b"two").await;
    fixture.sql("DELETE FROM sealed_values").await;
    fixture.sql("DELETE FROM secret_versions WHERE version = 2").await;
    let error = fixture.state("prod/db").await.unwrap_err();
    assert!(
        matches!(error, StoreError::RowTampered { table: "secret_versions", key } if key == "prod/db version 2")
    );
    fixture.sql("DELETE FROM secret_versions").await;
    fixture.sql("DELETE FROM secrets").await;
    let error = fixture.state("prod/db").await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { table: "secrets", key } if key == "prod/db"));
}

#[tokio::test]
async fn t42_a_row_put_back_to_an_older_state_is_noticed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.sql("CREATE TABLE old AS SELECT * FROM secret_versions").await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), None).await.unwrap();
    let restored = "UPDATE secret_versions SET (state, retirement, row_version, mac) = (SELECT state, retirement, row_version, mac FROM old)";
    fixture.sql(restored).await;
    let rolled_back = |error| match error {
        StoreError::RowRolledBack { table, key, found, pinned } => {
            assert_eq!((table, key.as_str(), found + 1), ("secret_versions", "prod/db version 1", pinned));
        }
        other => panic!("{other}"),
    };
    rolled_back(fixture.state("prod/db").await.unwrap_err());
    let reopened = fixture.again().await.unwrap();
    rolled_back(reopened.stored_input(&[path("prod/db")]).await.unwrap_err());
}

#[tokio::test]
async fn t42_a_removed_operator_cannot_be_rolled_back() {
    let fixture = Fixture::new().await;
    let token =
        fixture.keystore.add_operator(BY, "bob", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    fixture.keystore.add_operator(BY, "root", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    fixture.sql("CREATE TABLE old AS SELECT * FROM operators WHERE name = 'bob'").await;
    fixture.keystore.remove_operator(BY, "bob").await.unwrap();
    fixture.sql("INSERT INTO operators SELECT * FROM old").await;
    let error = fixture.keystore.authenticate(token.expose(), NOW).await.unwrap_err();
    assert!(
        matches!(error, LoginError::Store(StoreError::RowRolledBack { table: "operators", .. })),
        "{error}"
    );
}

#[tokio::test]
async fn t42_a_promoted_operator_is_noticed() {
    let fixture = Fixture::new().await;
    let token = fixture
        .keystore
        .add_operator(BY, "bob", OperatorRole::Auditor, &["prod".to_owned()], LIFETIME)
        .await
        .unwrap();
    fixture.sql("UPDATE operators SET role = 'administrator'").await;
    let error = fixture.keystore.authenticate(token.expose(), NOW).await.unwrap_err();
    assert!(
        matches!(error, LoginError::Store(StoreError::RowTampered { table: "operators", .. })),
        "{error}"
    );
}

#[tokio::test]
async fn t42_an_epoch_that_went_back_is_noticed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    fixture.sql("UPDATE epoch SET value = value - 1").await;
    let error = fixture.state("prod/db").await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { table: "log_head", .. }), "{error}");
    let error = fixture.again().await.unwrap_err();
    assert!(matches!(error, OpenError::Store(StoreError::RowTampered { table: "log_head", .. })), "{error}");
}

#[tokio::test]
async fn t42_an_edited_log_is_noticed() {
    for (statement, table) in [
        ("UPDATE log_leaves SET record = replace(record, 'alice', 'mallory') WHERE idx = 1", "log_leaves"),
        ("UPDATE log_leaves SET hash = x'00' WHERE idx = 1", "log_leaves"),
        ("UPDATE log_leaves SET kind = 'grant' WHERE idx = 1", "epoch"),
        ("UPDATE log_leaves SET id = 'x' WHERE idx = 1", "log_leaves"),
        ("DELETE FROM log_leaves WHERE idx = 0", "log_leaves"),
        ("DELETE FROM log_leaves WHERE idx = 1", "log_leaves"),
        ("UPDATE log_head SET size = size - 1", "log_head"),
    ] {
        let fixture = Fixture::new().await;
        fixture.put("prod/db", b"value").await;
        assert_ne!(fixture.sql(statement).await, 0);
        match fixture.again().await.unwrap_err() {
            OpenError::Store(StoreError::RowTampered { table: found, .. }) => {
                assert_eq!(found, table, "{statement}")
            }
            other => panic!("{statement}: {other}"),
        }
    }
}

#[tokio::test]
async fn t42_an_edited_sealed_value_does_not_open() {
    for statement in [
        "UPDATE sealed_values SET data = x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'",
        "UPDATE sealed_values SET wrapped_key = x'00'",
        "UPDATE sealed_values SET (data, wrapped_key) = (SELECT data, wrapped_key FROM sealed_values WHERE \
         path = 'prod/other') WHERE path = 'prod/db'",
    ] {
        let fixture = Fixture::new().await;
        fixture.put("prod/db", b"value").await;
        fixture.put("prod/other", b"other").await;
        fixture.sql(statement).await;
        let StoredState::Active(active) = fixture.state("prod/db").await.unwrap() else {
            panic!("not active")
        };
        let error = fixture.keystore.unseal_active(&active, None).unwrap_err();
        assert!(matches!(error, UnsealError::Seal(_)), "{statement}: {error}");
    }
}

/// A second broker, running since before the change, and the old row in table `old`.
async fn with_another_broker(copied: &'static str) -> (Fixture, Keystore) {
    let fixture = Fixture::new().await;
    fixture.keystore.add_operator(BY, "root", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    fixture.put("prod/db", b"value").await;
    let other = fixture.again().await.unwrap();
    fixture.sql(copied).await;
    (fixture, other)
}

#[tokio::test]
async fn t42_a_row_put_back_behind_the_change_of_another_broker_is_noticed() {
    let (fixture, other) = with_another_broker("CREATE TABLE old AS SELECT * FROM secret_versions").await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), None).await.unwrap();
    fixture
        .sql("UPDATE secret_versions SET (state, retirement, row_version, mac) = (SELECT state, retirement, row_version, mac FROM old)")
        .await;
    let error = other.stored_input(&[path("prod/db")]).await.unwrap_err();
    assert!(matches!(error, StoreError::RowRolledBack { table: "secret_versions", .. }), "{error}");
}

#[tokio::test]
async fn t42_an_operator_removed_by_another_broker_cannot_be_put_back() {
    let fixture = Fixture::new().await;
    let bob = fixture
        .keystore
        .add_operator(BY, "bob", OperatorRole::Editor, &["prod".to_owned()], LIFETIME)
        .await
        .unwrap();
    let other = fixture.again().await.unwrap();
    fixture.sql("CREATE TABLE old AS SELECT * FROM operators").await;
    fixture.keystore.remove_operator(BY, "bob").await.unwrap();
    fixture.sql("INSERT INTO operators SELECT * FROM old").await;
    let error = other.authenticate(bob.expose(), NOW).await.unwrap_err();
    assert!(
        matches!(error, LoginError::Store(StoreError::RowRolledBack { table: "operators", .. })),
        "{error}"
    );
}

#[tokio::test]
async fn t51_a_change_follows_on_those_of_another_broker() {
    let (fixture, other) = with_another_broker("CREATE TABLE old AS SELECT * FROM secrets").await;
    fixture.keystore.retire_secret(BY, &path("prod/db"), None).await.unwrap();
    fixture.put("prod/db", b"two").await;
    other.retire_secret(BY, &path("prod/db"), Some(2)).await.unwrap();
    assert!(matches!(fixture.state("prod/db").await.unwrap(), StoredState::Retired));
    fixture
        .sql("UPDATE secrets SET (versions, row_version, mac) = (SELECT versions, row_version, mac FROM old)")
        .await;
    for keystore in [&fixture.keystore, &other] {
        let error = keystore.secret(&path("prod/db")).await.unwrap_err();
        assert!(matches!(error, StoreError::RowRolledBack { table: "secrets", .. }), "{error}");
    }
}

#[tokio::test]
async fn t42_a_row_that_was_never_committed_is_noticed() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"value").await;
    // What a failed change leaves in the write-ahead log: authentic, and with a future epoch.
    fixture.sql("CREATE TABLE old (state TEXT, row_version BIGINT, mac BLOB)").await;
    fixture
        .sql("CREATE TRIGGER t BEFORE UPDATE ON log_head WHEN new.size <> old.size BEGIN SELECT RAISE(FAIL, 'x'); END")
        .await;
    let authorized = BY.authorize("secret.retire", "prod/db").unwrap();
    let mut change = fixture.keystore.registry().change(&authorized).await.unwrap();
    let tag = RowTag::new(
        change.check().keyring,
        rows::fields("secret_versions").text("prod/db").number(1).text("retired").number(NOW.0),
        change.epoch,
    )
    .unwrap();
    change.wrote("secret_versions", "prod/db version 1");
    change.commit().await.unwrap_err();
    fixture.sql("DROP TRIGGER t").await;
    fixture.policy("prod/other", "2").await;
    sqlx::query("UPDATE secret_versions SET state = 'retired', row_version = $1, mac = $2")
        .bind(tag.row_version)
        .bind(tag.mac)
        .execute(&mut *fixture.keystore.pools().writer.acquire().await.unwrap())
        .await
        .unwrap();
    let error = fixture.state("prod/db").await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { table: "secret_versions", .. }), "{error}");
}

#[tokio::test]
async fn t42_an_older_head_put_back_while_the_broker_runs_is_noticed() {
    let fixture = Fixture::new().await;
    fixture.sql("CREATE TABLE old AS SELECT * FROM log_head").await;
    fixture.sql("CREATE TABLE old_epoch AS SELECT * FROM epoch").await;
    fixture.put("prod/db", b"value").await;
    fixture.sql("DELETE FROM log_leaves WHERE idx >= (SELECT size FROM old)").await;
    fixture.sql("UPDATE log_head SET (size, mac) = (SELECT size, mac FROM old)").await;
    fixture.sql("UPDATE epoch SET value = (SELECT value FROM old_epoch)").await;
    let error = fixture.state("prod/db").await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { table: "log_head", .. }), "{error}");
}

#[tokio::test]
async fn t42_an_epoch_that_ran_ahead_is_noticed() {
    let fixture = Fixture::new().await;
    fixture.sql("UPDATE epoch SET value = value + 1").await;
    let error = fixture.state("prod/db").await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { table: "log_head", .. }), "{error}");
}

#[tokio::test]
async fn t42_a_leaf_that_takes_the_place_of_a_removed_one_is_noticed() {
    for other in ["-1", "0.5", "NULL", "'x'"] {
        let fixture = Fixture::new().await;
        fixture.put("prod/db", b"value").await;
        fixture.keystore.record(record::grant(2, 1, 1)).await.unwrap();
        fixture.put("prod/db", b"value").await;
        fixture.sql("DELETE FROM log_leaves WHERE kind = 'grant'").await;
        let statement = format!(
            "INSERT INTO log_leaves SELECT {other}, hash, record, generation, mac, 'x', id, instance, at, volume, proposal \
             FROM log_leaves WHERE idx = 0"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut *fixture.keystore.pools().writer.acquire().await.unwrap())
            .await
            .unwrap();
        let error = fixture.again().await.unwrap_err();
        assert!(
            matches!(error, OpenError::Store(StoreError::RowTampered { table: "log_leaves", .. })),
            "{other}: {error}"
        );
    }
}

#[tokio::test]
async fn t42_a_row_missing_from_a_list_is_noticed() {
    let tampered = |error: StoreError, expected: &str| match error {
        StoreError::RowTampered { table, .. } => assert_eq!(table, expected),
        other => panic!("{other}"),
    };
    let fixture = Fixture::new().await;
    let (keystore, base) = (&fixture.keystore, name("prod/base"));
    keystore.put_document(BY, DocumentKind::Baseline, &base, "one").await.unwrap();
    keystore.add_operator(BY, "root", OperatorRole::Administrator, &[], LIFETIME).await.unwrap();
    fixture.put("prod/db", b"value").await;
    fixture.put("prod/other", b"value").await;
    fixture.sql("PRAGMA foreign_keys = OFF").await;
    for (hidden, table) in [
        ("UPDATE documents SET kind = 'x' WHERE kind = 'baseline'", "documents"),
        ("DELETE FROM secrets WHERE path = 'prod/other'", "secrets"),
        ("DELETE FROM operators", "operators"),
    ] {
        assert_eq!(fixture.sql(hidden).await, 1, "{table}");
    }
    tampered(keystore.documents(DocumentKind::Baseline).await.unwrap_err(), "documents");
    tampered(fixture.state("prod/db").await.unwrap_err(), "documents");
    tampered(keystore.secrets(None).await.unwrap_err(), "secrets");
    tampered(keystore.operators().await.unwrap_err(), "operators");
    let error = keystore
        .add_operator(BY, "root", OperatorRole::Auditor, &["prod".to_owned()], LIFETIME)
        .await
        .unwrap_err();
    assert!(matches!(error, OperatorError::Store(StoreError::RowTampered { table: "operators", .. })));
}
