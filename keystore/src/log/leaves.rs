//! Whether the leaves in the database are those of the head: at start only their number is compared.

use std::time::Duration;

use super::follows::advance;
use super::tree::Tree;
use super::view::Log;
use crate::db::{Reader, StoreError};

/// Whether the leaves give the tree of the newest known state; reads them in transactions of a few thousand.
///
/// What is compared is the column with each record's hash; [`verify_log`](super::verify_log) reads the records themselves.
pub(crate) async fn verify_leaves(log: &Log) -> Result<bool, StoreError> {
    let (newest, mut tree) = (log.pins.state().tree, Tree::default());
    while tree.size() < newest.size() {
        let mut tx = log.pools.read(Reader::Records, "check-leaves").await?;
        advance(&mut tx, &mut tree, newest.size()).await?;
        tx.rollback().await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(tree == newest)
}

/// Between two transactions, so that the check leaves others the database.
const PAUSE: Duration = Duration::from_millis(5);
