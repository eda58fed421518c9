//! Reads of operators and grants do not wait for each other.

use std::time::Duration;

use tokio::time::timeout;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_policy::Purpose;
use vouchsafe_policy::operators::{OperatorAction, OperatorRole, WHOLE_BROKER, authorize_operator};

use super::record::grant;
use super::release::{BROKER, PATH, claims, fixture, paths};
use super::{BY, Fixture, LIFETIME, LoginError, NOW, name, path, secret};
use crate::db::StoreError;
use crate::db::{Reader, Readers, Tx, empty_at_last};
use crate::log::DecisionFilter;
use crate::registry::change::Actor;
use crate::registry::chips::ChipFilter;
use crate::registry::documents::types::DocumentKind;
use crate::registry::secrets::types::{NewVersion, VersionState};

/// A release as the broker does it: decide, unseal, record.
async fn release(keystore: &crate::Keystore, number: u8) {
    let input = keystore.decision_input(paths(&[PATH]).as_slice()).await.expect("sound rows");
    let granted = input.decide(&claims(&SimulatedVm::new(), &[PATH]), &BROKER, NOW).expect("granted");
    assert_eq!(keystore.unseal(&granted, &input).expect("opens")[0].expose(), b"the token");
    keystore.record(grant(input.epoch(), number, number)).await.expect("recorded");
}

/// Has the form of a token, and is not one.
fn no_token() -> String {
    format!("vouchsafe-operator.0011223344556677.{}", "x".repeat(43))
}

#[tokio::test]
async fn a_release_needs_no_connection_of_operators() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let mut held: Vec<Tx<'static>> = Vec::new();
    for reader in [Reader::Token, Reader::Operator, Reader::Records] {
        for _ in 0..Readers::share(reader) {
            held.push(keystore.pools().read(reader, "test").await.expect("a connection"));
        }
    }
    // Operators have used up their share.
    let soon = Duration::from_millis(100);
    assert!(timeout(soon, keystore.decisions(&DecisionFilter::default(), None)).await.is_err());
    assert!(timeout(soon, keystore.secrets(None)).await.is_err());
    assert!(timeout(soon, keystore.authenticate(&no_token(), NOW)).await.is_err());
    // A release reads everything from the database, and readiness reports it.
    assert_eq!(keystore.kept(), (0, 0));
    timeout(Duration::from_secs(10), release(keystore, 1)).await.expect("operators are not waited for");
    assert_eq!(keystore.kept().0, 1);
    keystore.epoch().await.expect("an epoch");
    keystore.compiled_guardrails().await.expect("the shipped ones");
    drop(held);
    assert_eq!(keystore.decisions(&DecisionFilter::default(), None).await.expect("the log").len(), 4);
}

#[tokio::test]
async fn an_operator_who_lists_keeps_no_other_one_from_changing() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let token =
        keystore.add_operator(BY, "root", OperatorRole::Administrator, &[], LIFETIME).await.expect("added");
    keystore
        .add_operator(BY, "kim", OperatorRole::Editor, &["prod".to_owned()], LIFETIME)
        .await
        .expect("added");
    let mut held = Vec::new();
    for reader in [Reader::Operator, Reader::Records] {
        for _ in 0..Readers::share(reader) {
            held.push(keystore.pools().read(reader, "test").await.expect("a connection"));
        }
    }
    let removed = async {
        let root = keystore.authenticate(token.expose(), NOW).await.expect("an operator");
        let permit = authorize_operator(root.identity(), OperatorAction::ManageOperators, WHOLE_BROKER)
            .expect("permitted");
        keystore.remove_operator(Actor::permitted(&permit, NOW), "kim").await.expect("removed");
    };
    timeout(Duration::from_secs(10), removed).await.expect("no list is waited for");
}

#[tokio::test]
async fn lists_of_namespaces_are_the_list_of_all_without_the_others() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    fixture.policy("prod-x/p", "1").await;
    let policy = name("prod-x/p");
    for text in ["prod-x/a", "prod-x/b/c"] {
        let (path, value) = (path(text), secret(b"value"));
        let new = NewVersion { path: &path, purpose: Purpose::App, policy: &policy };
        keystore.put_secret(BY, new, &value).await.expect("a secret");
    }
    fixture.put("prod/z", b"value").await;
    let of = async |namespaces: &[&str]| {
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        keystore.secrets(Some(&namespaces)).await.expect("sound rows")
    };
    let all = keystore.secrets(None).await.expect("sound rows");
    assert_eq!(of(&["prod", "prod-x", "prod"]).await, all);
    let prod: Vec<_> = all.iter().filter(|secret| secret.path.namespace() == "prod").cloned().collect();
    assert!(!prod.is_empty() && prod.len() + 2 == all.len(), "{all:?}");
    assert_eq!(of(&["prod"]).await, prod);
    assert_eq!(of(&[]).await, []);
    assert_eq!(of(&["pro", "prod-"]).await, []);
    // A row that is missing is noticed where it is listed.
    fixture.sql("PRAGMA foreign_keys = OFF").await;
    fixture.sql("DELETE FROM secrets WHERE path = 'prod-x/a'").await;
    let missing = keystore.secrets(Some(&["prod-x".to_owned()])).await.unwrap_err();
    assert!(matches!(missing, StoreError::RowTampered { table: "secrets", .. }), "{missing}");
    assert_eq!(of(&["prod"]).await, prod);
}

#[tokio::test]
async fn operators_need_no_connection_of_releases() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let mut held = Vec::new();
    for _ in 0..Readers::share(Reader::Release) {
        held.push(keystore.pools().read(Reader::Release, "test").await.expect("a connection"));
    }
    assert!(timeout(Duration::from_millis(100), keystore.epoch()).await.is_err());
    let kind = DocumentKind::Policy;
    let all = DecisionFilter::default();
    let reads = async {
        assert!(matches!(keystore.authenticate(&no_token(), NOW).await, Err(LoginError::Unknown)));
        keystore.guardrails().await.expect("the shipped ones");
        keystore.secret(&path(PATH)).await.expect("sound rows");
        keystore.secrets(None).await.expect("sound rows");
        keystore.documents(kind).await.expect("sound rows");
        keystore.document(kind, &name("prod/p"), None).await.expect("sound rows");
        keystore.baselines(NOW).await.expect("sound rows");
        keystore.policy_findings(NOW).await.expect("findings");
        keystore.operators().await.expect("sound rows");
        keystore.decisions(&all, None).await.expect("the log");
        keystore.chips(&ChipFilter::default()).await.expect("sound rows");
    };
    timeout(Duration::from_secs(60), reads).await.expect("releases are not waited for");
}

#[tokio::test]
async fn a_release_does_not_wait_for_a_checkpoint_that_waits_for_a_reader() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let mut reads = keystore.pools().read(Reader::Records, "test").await.expect("a connection");
    sqlx::query("SELECT COUNT(*) FROM log_leaves").fetch_one(&mut *reads).await.expect("a snapshot");
    fixture.put("prod/old", b"to be destroyed").await;
    let (old, begun) = (path("prod/old"), std::time::Instant::now());
    let destroyed = async {
        keystore.destroy_secret(BY, &old, None).await.expect("destroyed");
        begun.elapsed()
    };
    let released = async {
        // Until the checkpoint is under way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for number in 1..10 {
            release(keystore, number).await;
        }
        let released = begun.elapsed();
        drop(reads);
        released
    };
    let (destroyed, released) = tokio::join!(destroyed, released);
    assert!(destroyed >= released, "it waited for the reader: {destroyed:?}, {released:?}");
    assert_eq!(log_bytes(&fixture), 0, "the value is not in it any more");
}

/// How long the write-ahead log is.
fn log_bytes(fixture: &Fixture) -> u64 {
    let log = fixture.folder.path().join("vouchsafe.db-wal");
    std::fs::metadata(log).expect("the write-ahead log").len()
}

/// Waits until the log has been emptied.
async fn until_emptied(fixture: &Fixture) {
    let emptied = async {
        while log_bytes(fixture) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), emptied).await.expect("the log is emptied");
}

#[tokio::test]
async fn the_log_is_emptied_when_nobody_waits_for_it() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    fixture.put("prod/old", b"to be destroyed").await;
    let mut reads = keystore.pools().read(Reader::Records, "test").await.expect("a connection");
    sqlx::query("SELECT COUNT(*) FROM log_leaves").fetch_one(&mut *reads).await.expect("a snapshot");
    let (old, soon) = (path("prod/old"), Duration::from_millis(500));
    // The caller is cancelled.
    assert!(timeout(soon, keystore.destroy_secret(BY, &old, None)).await.is_err());
    let versions = keystore.secret(&old).await.expect("sound rows").expect("known").versions;
    assert!(versions.iter().all(|version| version.state == VersionState::Destroyed), "{versions:?}");
    assert!(log_bytes(&fixture) > 0, "there is still a reader");
    drop(reads);
    until_emptied(&fixture).await;
}

#[tokio::test]
async fn the_log_is_emptied_after_a_reader_who_outlasts_all_attempts() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let mut reads = keystore.pools().read(Reader::Records, "test").await.expect("a connection");
    sqlx::query("SELECT COUNT(*) FROM log_leaves").fetch_one(&mut *reads).await.expect("a snapshot");
    fixture.put("prod/old", b"a new page").await;
    let writer = keystore.pools().writer.clone();
    let task = tokio::spawn(async move { empty_at_last(&writer).await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(log_bytes(&fixture) > 0 && !task.is_finished(), "there is still a reader");
    // Nothing else waits for that reader meanwhile.
    timeout(Duration::from_secs(60), release(keystore, 1)).await.expect("released");
    drop(reads);
    until_emptied(&fixture).await;
    task.await.expect("ended");
}

#[tokio::test]
async fn a_closed_database_has_no_log_to_be_emptied() {
    let fixture = fixture().await;
    fixture.keystore.close().await;
    timeout(Duration::from_secs(10), empty_at_last(&fixture.keystore.pools().writer)).await.expect("ends");
}
