//! A log of an earlier version, whose head lacks the tree.

use super::head::{LogState, StoredState, read_stored, write_head};
use super::whole::{VerifiedLog, verify_log};
use crate::db::{Pools, Reader, StoreError};
use crate::keyring::Keyring;

/// Adds the tree to the head, after verifying every leaf.
pub(crate) async fn add_tree(pools: &Pools, keyring: &Keyring) -> Result<(), StoreError> {
    let mut tx = pools.read(Reader::Release, "check-tree").await?;
    let StoredState { tree, .. } = read_stored(&mut tx, keyring).await?;
    tx.rollback().await?;
    if tree.is_some() {
        return Ok(());
    }
    let mut tx = pools.write("add-tree").await?;
    let VerifiedLog { head, tree, .. } = verify_log(&mut tx, keyring, &[]).await?;
    write_head(&mut tx, keyring, &LogState { epoch: head.epoch, tree }).await?;
    tx.commit().await
}
