//! Verifying the log beside checkpoints, by whom each is signed.

use vouchsafe_protocol::{Checkpoint, Digest32};

use super::*;
use crate::audit::{AuditError, SignedCheckpoint, audit, successions};
use crate::backup::BackupError;

#[tokio::test]
async fn t58_no_checkpoint_is_newer_than_the_key_that_signed_it() {
    const CHALLENGES: u64 = 60;
    let fixture = Fixture::new().await;
    let first = fixture.keystore.identity().await.unwrap().identity();
    let signed = |signer, checkpoint| SignedCheckpoint { signer, checkpoint };
    let verified = async |checkpoint| audit(&fixture.path(), &fixture.keyring(), &[checkpoint]).await;
    let second = fixture.keystore.add_identity(BY).await.unwrap();
    fixture.keystore.promote_identity(BY, second, 3600).await.unwrap();
    // The identity before may have signed one while it was replaced.
    let before = fixture.keystore.checkpoint();
    let later = Actor::offline("alice", UnixTime(NOW.0 + CHALLENGES));
    fixture.keystore.remove_identity(later, &first, CHALLENGES).await.unwrap();
    let after = fixture.keystore.checkpoint();
    assert_eq!(after.size, before.size + 1);
    for sound in [signed(first, before), signed(second, before), signed(second, after)] {
        assert!(verified(sound).await.is_ok(), "{sound:?}");
    }
    // Neither the root of the log nor another one makes it a checkpoint of the broker's.
    for root in [after.root, Digest32([7; 32])] {
        let forged = Checkpoint { root, ..after };
        let error = verified(signed(first, forged)).await.unwrap_err();
        assert!(
            matches!(error, AuditError::Erased { signer, records, checkpoint }
            if (signer, records, checkpoint) == (first, before.size, forged)),
            "{error}"
        );
        assert!(error.to_string().contains("whose key was erased when the log had"), "{error}");
    }
}

#[tokio::test]
async fn an_edited_statement_is_named_before_checkpoints_are_read() {
    let fixture = Fixture::new().await;
    let second = fixture.keystore.add_identity(BY).await.unwrap();
    fixture.keystore.promote_identity(BY, second, 3600).await.unwrap();
    assert_eq!(successions(&fixture.path()).await.unwrap().len(), 1);
    assert_eq!(fixture.sql("UPDATE identity_uses SET statement = '{}' WHERE id = 1").await, 1);
    let error = successions(&fixture.path()).await.unwrap_err();
    let BackupError::Store(StoreError::RowTampered { table, key }) = error else { panic!("{error}") };
    assert_eq!((table, &*key), ("identity_uses", "1"));
}
