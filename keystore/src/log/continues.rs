//! Whether the log is the continuation of an earlier state.

use super::follows::follows;
use super::head::read_head;
use super::tree::Tree;
use super::view::Log;
use crate::db::{Reader, StoreError};

/// Whether the log has these leaves and then its others.
pub(crate) async fn continues(log: &Log, earlier: &Tree) -> Result<bool, StoreError> {
    let mut tx = log.pools.read(Reader::Release, "check-branch").await?;
    let newest = read_head(&mut tx, &log.keyring, &log.pins.state()).await?;
    let continues = follows(&mut tx, earlier, &newest.tree).await?;
    tx.rollback().await?;
    Ok(continues)
}
