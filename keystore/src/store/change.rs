//! A change by an operator: the rows, the epoch and the record of it, in one transaction.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::UnixTime;

use super::dialect::{Connection, Tx};
use super::log::{self, Leaf};
use super::rows::{self, Head, RowCheck};
use super::{EPOCH, Keystore, StoreError};
use crate::primitives::random;
use crate::record::LogRecord;
use vouchsafe_policy::operators::OperatorRole;

/// Who makes a change, and when. Both go on record.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The operator's name.
    pub operator: &'a str,
    /// With which role; `None` for `vouchsafe init`, which no account is behind.
    pub authority: Option<&'a Authority>,
    /// The time of the change.
    pub at: UnixTime,
}

/// A role and the namespaces it is limited to, as the log names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The namespaces; without meaning for administrators.
    pub namespaces: Vec<String>,
    /// The role.
    pub role: OperatorRole,
}

/// What an operator did, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorRecord {
    /// What the operator that was added or removed may do. Only with `operator.add` and `operator.remove`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Authority>,
    /// What was done, such as `secret.put`.
    pub action: String,
    /// When.
    pub at: UnixTime,
    /// What the operator was allowed to do at that time. Absent in records of versions that did not note it, and in
    /// that of `init`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// The epoch that this change made.
    pub epoch: u64,
    /// Names the action in the log.
    pub id: vouchsafe_protocol::DecisionId,
    /// Who.
    pub operator: String,
    /// The rows that were changed.
    pub rows: Vec<ChangedRow>,
    /// What it was done to: a path or a name.
    pub target: String,
}

/// A row that a change wrote or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedRow {
    /// Its key.
    pub key: String,
    /// Whether it was removed.
    pub removed: bool,
    /// Its table.
    pub table: String,
}

/// A transaction that will raise the epoch.
pub(super) struct Change<'k> {
    keystore: &'k Keystore,
    tx: Tx,
    by: By<'k>,
    pub(super) epoch: u64,
    /// The log as it is, with the epoch as it will be.
    head: Head,
    rows: Vec<ChangedRow>,
    account: Option<Authority>,
    _turn: tokio::sync::MutexGuard<'k, ()>,
}

impl Keystore {
    pub(super) async fn change<'k>(&'k self, by: By<'k>) -> Result<Change<'k>, StoreError> {
        let turn = self.0.changing.lock().await;
        let mut tx = self.0.pools.writer.begin().await?;
        // The head first: it is the lock that changes and grants share.
        let head = log::lock_head(&mut tx, &self.0.keyring, &self.0.pins).await?;
        log::catch_up(&mut tx, &self.0.keyring, &self.0.pins, head).await?;
        let row = sqlx::query("UPDATE epoch SET value = value + 1 WHERE id = 1 RETURNING value")
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| rows::tampered(EPOCH, "1"))?;
        let epoch = rows::number(&row, "value", EPOCH, "1")?;
        if epoch != head.epoch.saturating_add(1) {
            return Err(rows::tampered(EPOCH, "1"));
        }
        let head = Head { epoch, ..head };
        Ok(Change { keystore: self, tx, by, epoch, head, rows: Vec::new(), account: None, _turn: turn })
    }
}

impl<'k> Change<'k> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.tx
    }

    /// Believes what is committed. Rows that this change itself has written are not yet.
    pub(super) fn check(&self) -> RowCheck<'k> {
        self.keystore.check(self.epoch)
    }

    pub(super) const fn by(&self) -> By<'k> {
        self.by
    }

    pub(super) fn wrote(&mut self, table: &'static str, key: &str) {
        self.rows.push(ChangedRow { key: key.to_owned(), removed: false, table: table.to_owned() });
    }

    pub(super) fn removed(&mut self, table: &'static str, key: &str) {
        self.rows.push(ChangedRow { key: key.to_owned(), removed: true, table: table.to_owned() });
    }

    /// Notes the rights of the operator that is added or removed.
    pub(super) fn concerns(&mut self, account: Authority) {
        self.account = Some(account);
    }

    /// Records the change and commits it: it is in force when this returns.
    pub(super) async fn commit(mut self, action: &str, target: &str) -> Result<(), StoreError> {
        let record = OperatorRecord {
            account: self.account,
            action: action.to_owned(),
            at: self.by.at,
            authority: self.by.authority.cloned(),
            epoch: self.epoch,
            id: vouchsafe_protocol::DecisionId(*random()?),
            operator: self.by.operator.to_owned(),
            rows: self.rows,
            target: target.to_owned(),
        };
        let keyring = &self.keystore.0.keyring;
        let leaf = Leaf::new(keyring, self.head.size, &LogRecord::Operator(record.clone()))?;
        let next = log::append(&mut self.tx, keyring, self.head, vec![leaf]).await?;
        self.tx.commit().await?;
        self.keystore.0.pins.apply(self.head.size, &record);
        self.keystore.0.pins.saw(next);
        self.keystore.0.cache.forget(record.epoch);
        tracing::info!(event = "keystore.changed", action, epoch = record.epoch, record.id = %record.id);
        Ok(())
    }
}
