//! Reads of operators and grants do not wait for each other.

use std::time::Duration;

use tokio::time::timeout;
use vouchsafe_attestation::test_util::vm::SimulatedVm;

use super::record::grant;
use super::release::{BROKER, PATH, claims, fixture, paths};
use super::{BY, NOW, path};
use crate::db::{Reader, Readers, Tx};
use crate::log::DecisionFilter;

/// A release as the broker does it: decide, unseal, record.
async fn release(keystore: &crate::Keystore, number: u8) {
    let input = keystore.decision_input(&paths(&[PATH])).await.expect("sound rows");
    let granted = input.decide(&claims(&SimulatedVm::new(), &[PATH]), &BROKER, NOW).expect("granted");
    assert_eq!(keystore.unseal(&granted, &input).expect("opens")[0].expose(), b"the token");
    keystore.record(grant(input.epoch(), number, number)).await.expect("recorded");
}

#[tokio::test]
async fn a_release_needs_no_connection_of_operators() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let mut held: Vec<Tx<'static>> = Vec::new();
    for reader in [Reader::Operator, Reader::Records] {
        for _ in 0..Readers::share(reader) {
            held.push(keystore.pools().read(reader, "test").await.expect("a connection"));
        }
    }
    // Operators have used up their share.
    let soon = Duration::from_millis(100);
    assert!(timeout(soon, keystore.decisions(&DecisionFilter::default(), None)).await.is_err());
    assert!(timeout(soon, keystore.secrets(None)).await.is_err());
    assert!(timeout(soon, keystore.authenticate("vouchsafe-operator.0011223344556677.x")).await.is_err());
    // A release reads all that it needs from the database, and readiness what it says.
    assert_eq!(keystore.kept(), (0, 0));
    timeout(Duration::from_secs(10), release(keystore, 1)).await.expect("operators are not waited for");
    assert_eq!(keystore.kept().0, 1);
    keystore.epoch().await.expect("an epoch");
    keystore.compiled_guardrails().await.expect("the shipped ones");
    drop(held);
    assert_eq!(keystore.decisions(&DecisionFilter::default(), None).await.expect("the log").len(), 4);
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
    assert!(released < Duration::from_secs(5), "{released:?}");
    assert!(destroyed >= released, "it waited for the reader: {destroyed:?}, {released:?}");
    let log = fixture.folder.path().join("vouchsafe.db-wal");
    assert_eq!(
        std::fs::metadata(log).expect("the write-ahead log").len(),
        0,
        "the value is not in it any more"
    );
}
