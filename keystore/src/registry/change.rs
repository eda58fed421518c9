//! A change by an operator: the rows, the epoch and the record of it, in one transaction.

use vouchsafe_policy::operators::{OperatorAction, Permit, WHOLE_BROKER};
use vouchsafe_protocol::{DecisionId, UnixTime};

use super::handle::Registry;
use super::rows::RowCheck;
use crate::db::columns;
use crate::db::{Connection, StoreError, Tx};
use crate::log::record::{Authority, ChangedRow, LogRecord, OperatorRecord};
use crate::log::{EPOCH, Head, Leaf, append};
use crate::primitives::random;

/// Who makes a change, by which permission, and when. It goes on record.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    operator: &'a str,
    permit: Option<&'a Permit>,
    pub(crate) at: UnixTime,
}

impl<'a> Actor<'a> {
    /// The operator who has this permission. A change that it does not cover is refused.
    #[must_use]
    pub fn permitted(permit: &'a Permit, at: UnixTime) -> Self {
        Self { operator: &permit.operator().name, permit: Some(permit), at }
    }

    /// A program on the broker's own host, such as `vouchsafe init`, without an account or a permission. Only this crate makes
    /// one, for changes whose own rule takes the permission's place: [`Registry::add_first_administrator`].
    pub(crate) const fn offline(program: &'a str, at: UnixTime) -> Self {
        Self { operator: program, permit: None, at }
    }

    pub(crate) const fn operator(self) -> &'a str {
        self.operator
    }

    /// The operator's rights, as the log names them.
    fn authority(self) -> Option<Authority> {
        let operator = self.permit?.operator();
        Some(Authority { namespaces: operator.namespaces.clone(), role: operator.role })
    }

    /// Whether the permission, if one is needed, is for this change.
    pub(crate) fn check(self, action: &str, target: &str) -> Result<(), StoreError> {
        let covers =
            |permit: &Permit| needed(action, target).is_some_and(|(needed, at)| permit.covers(needed, at));
        if self.permit.is_none_or(covers) {
            return Ok(());
        }
        Err(StoreError::NotPermitted { action: action.to_owned(), target: target.to_owned() })
    }
}

/// What a change needs the permission for, by its name in the log, and in which namespace.
fn needed<'t>(action: &str, target: &'t str) -> Option<(OperatorAction, &'t str)> {
    let namespace = || target.split_once('/').map(|(namespace, _)| namespace);
    match action.split_once('.')?.0 {
        "secret" => Some((OperatorAction::ManageSecrets, namespace()?)),
        "policy" => Some((OperatorAction::ManagePolicies, namespace()?)),
        "baseline" => Some((OperatorAction::ManageBaselines, namespace()?)),
        "guardrails" => Some((OperatorAction::ManageGuardrails, WHOLE_BROKER)),
        "operator" => Some((OperatorAction::ManageOperators, WHOLE_BROKER)),
        _ => None,
    }
}

/// A transaction that will raise the epoch.
pub(crate) struct Change<'k> {
    registry: &'k Registry,
    tx: Tx<'static>,
    actor: Actor<'k>,
    pub(crate) epoch: u64,
    /// The log as it is, with the epoch as it will be.
    head: Head,
    rows: Vec<ChangedRow>,
    account: Option<Authority>,
    _turn: tokio::sync::MutexGuard<'k, ()>,
}

impl Registry {
    pub(crate) async fn change<'k>(&'k self, actor: Actor<'k>) -> Result<Change<'k>, StoreError> {
        let turn = self.turn().await;
        let (mut tx, head) = self.log.lock().await?;
        let row = sqlx::query("UPDATE epoch SET value = value + 1 WHERE id = 1 RETURNING value")
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| columns::tampered(EPOCH, "1"))?;
        let epoch = columns::number(&row, "value", EPOCH, "1")?;
        if epoch != head.epoch.saturating_add(1) {
            return Err(columns::tampered(EPOCH, "1"));
        }
        let head = Head { epoch, ..head };
        Ok(Change { registry: self, tx, actor, epoch, head, rows: Vec::new(), account: None, _turn: turn })
    }
}

impl<'k> Change<'k> {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.tx
    }

    /// Believes what is committed. Rows that this change itself has written are not yet.
    pub(crate) fn check(&self) -> RowCheck<'k> {
        self.registry.check(self.epoch)
    }

    pub(crate) const fn actor(&self) -> Actor<'k> {
        self.actor
    }

    pub(crate) fn wrote(&mut self, table: &'static str, key: &str) {
        self.rows.push(ChangedRow { key: key.to_owned(), removed: false, table: table.to_owned() });
    }

    pub(crate) fn removed(&mut self, table: &'static str, key: &str) {
        self.rows.push(ChangedRow { key: key.to_owned(), removed: true, table: table.to_owned() });
    }

    /// Notes the rights of the operator that is added or removed.
    pub(crate) fn concerns(&mut self, account: Authority) {
        self.account = Some(account);
    }

    /// Records the change and commits it: it is in force when this returns.
    ///
    /// # Errors
    /// [`StoreError::NotPermitted`] when the permission is for something else; then nothing has changed.
    pub(crate) async fn commit(mut self, action: &str, target: &str) -> Result<(), StoreError> {
        self.actor.check(action, target)?;
        let record = OperatorRecord {
            account: self.account,
            action: action.to_owned(),
            at: self.actor.at,
            authority: self.actor.authority(),
            epoch: self.epoch,
            id: DecisionId(*random()?),
            operator: self.actor.operator.to_owned(),
            rows: self.rows,
            target: target.to_owned(),
        };
        let log = &self.registry.log;
        let leaf = Leaf::new(&log.keyring, self.head.size, &LogRecord::Operator(record.clone()))?;
        let next = append(&mut self.tx, &log.keyring, self.head, vec![leaf]).await?;
        self.tx.commit().await?;
        log.pins.apply(self.head.size, &record);
        log.pins.saw(next);
        self.registry.forget_before(record.epoch);
        tracing::info!(event = "keystore.changed", action, epoch = record.epoch, record.id = %record.id);
        Ok(())
    }
}
