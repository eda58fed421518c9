//! A change by an operator: the rows, the epoch and the record of it, in one transaction.

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::UnixTime;

use super::dialect::{Connection, Tx};
use super::log::{self, Leaf};
use super::rows::{self, Head, RowCheck};
use super::{EPOCH, Keystore, StoreError};
use crate::primitives::random;
use crate::record::LogRecord;
use vouchsafe_policy::operators::{OperatorAction, OperatorRole, Permit, WHOLE_BROKER};

/// Who makes a change, by which permission, and when. It goes on record.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    operator: &'a str,
    permit: Option<&'a Permit>,
    pub(crate) at: UnixTime,
}

impl<'a> By<'a> {
    /// The operator who has this permission. A change that it does not cover is refused.
    #[must_use]
    pub fn permitted(permit: &'a Permit, at: UnixTime) -> Self {
        Self { operator: &permit.operator().name, permit: Some(permit), at }
    }

    /// A program on the broker's own host that has opened keyring and database itself, such as `vouchsafe init`: no account
    /// is behind it, and nothing that comes over the network may be done in its name.
    #[must_use]
    pub const fn offline(program: &'a str, at: UnixTime) -> Self {
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
    fn check(self, action: &str, target: &str) -> Result<(), StoreError> {
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
    ///
    /// # Errors
    /// [`StoreError::NotPermitted`] when the permission is for something else; then nothing has changed.
    pub(super) async fn commit(mut self, action: &str, target: &str) -> Result<(), StoreError> {
        self.by.check(action, target)?;
        let record = OperatorRecord {
            account: self.account,
            action: action.to_owned(),
            at: self.by.at,
            authority: self.by.authority(),
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

#[cfg(test)]
mod tests {
    use vouchsafe_policy::operators::{OperatorIdentity, authorize_operator};

    use super::*;
    use crate::store::tests::{Fixture, NOW, name};
    use crate::store::{DocumentKind, SecretError};

    fn permit(action: OperatorAction, namespace: &str) -> Permit {
        let operator = OperatorIdentity {
            name: "boss".to_owned(),
            role: OperatorRole::Administrator,
            namespaces: vec![],
        };
        authorize_operator(&operator, action, namespace).expect("administrators may")
    }

    #[test]
    fn t41_every_kind_of_change_needs_its_own_permission() {
        use OperatorAction as A;
        let changes = [
            ("secret.put", "prod/db", Some((A::ManageSecrets, "prod"))),
            ("secret.set-policy", "prod/db", Some((A::ManageSecrets, "prod"))),
            ("policy.put", "prod/db", Some((A::ManagePolicies, "prod"))),
            ("baseline.revoke", "prod/db", Some((A::ManageBaselines, "prod"))),
            ("guardrails.put", "broker/guardrails", Some((A::ManageGuardrails, WHOLE_BROKER))),
            ("operator.add", "kim", Some((A::ManageOperators, WHOLE_BROKER))),
            ("secret.put", "no-namespace", None),
            ("other.put", "prod/db", None),
            ("secret", "prod/db", None),
        ];
        for (change, target, covered) in changes {
            for action in A::ALL {
                for namespace in ["prod", "dev", WHOLE_BROKER] {
                    let permit = permit(action, namespace);
                    let taken = By::permitted(&permit, NOW).check(change, target);
                    let expected = covered == Some((action, namespace));
                    assert_eq!(taken.is_ok(), expected, "{change} of {target} by {action} in {namespace}");
                }
            }
        }
    }

    #[tokio::test]
    async fn t41_a_change_without_its_permission_leaves_nothing_behind() {
        let fixture = Fixture::new().await;
        let keystore = &fixture.keystore;
        let epoch = keystore.epoch().await.unwrap();
        let new = "prod/q".parse().unwrap();
        for permit in [
            permit(OperatorAction::ManagePolicies, "dev"),
            permit(OperatorAction::ManageSecrets, "prod"),
            permit(OperatorAction::ReadObjects, "prod"),
        ] {
            let by = By::permitted(&permit, NOW);
            let refused = keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await;
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("policy.put of prod/q"), "{refused}");
        }
        let policies = permit(OperatorAction::ManagePolicies, "prod");
        let by = By::permitted(&policies, NOW);
        let refused = keystore.retire_secret(by, &new, None).await.unwrap_err();
        assert!(matches!(refused, SecretError::Unknown { .. }), "{refused}");
        assert_eq!(keystore.epoch().await.unwrap(), epoch);
        keystore.put_document(by, DocumentKind::Policy, &name("prod/q"), "text").await.unwrap();
        assert_eq!(keystore.epoch().await.unwrap(), epoch + 1);
    }
}
