//! A change by an operator: rows, epoch and record, in one transaction.
//!
//! The permit is checked before the transaction begins, so that a caller without one learns nothing and takes
//! no lock. At the start of the transaction, the account of the permit's holder is read again: an operator
//! who was removed meanwhile, or added again with other rights, changes nothing. What the permit was checked
//! for is also what is recorded, since both are in [`Authorized`], which every change begins with.

use std::net::IpAddr;

use vouchsafe_policy::SignedApproval;
use vouchsafe_policy::operators::{OperatorAction, OperatorIdentity, Permit, WHOLE_BROKER};
use vouchsafe_protocol::{DecisionId, UnixTime};

use super::accounts::login::Login;
use super::accounts::table::require_account;
use super::handle::Registry;
use super::rows::RowCheck;
use crate::db::columns;
use crate::db::{Connection, StoreError, Tx};
use crate::log::record::{ApprovingList, Authority, ChangedRow, LogRecord, OperatorRecord, TokenRecord};
use crate::log::{EPOCH, Leaf, LogState, append};
use crate::primitives::random;

/// The author of a change, the permit and the time, for the record.
///
/// Outside this crate only a permission makes one:
/// ```compile_fail,E0624
/// use vouchsafe_keystore::registry::Actor;
/// let forged = Actor::offline("handler", vouchsafe_protocol::UnixTime(0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    operator: &'a str,
    by: By<'a>,
    peer: Option<IpAddr>,
    pub(crate) at: UnixTime,
}

/// What entitles the author to a change.
#[derive(Clone, Copy, Debug)]
enum By<'a> {
    /// An operator's permit.
    Permit(&'a Permit),
    /// A valid token: to replace it.
    Own(&'a Login),
    /// Lists that signers of a baseline have signed: to approve one proposal for it.
    Lists(&'a SignedApproval),
    /// Being a program on the broker's own host.
    Host,
}

impl<'a> Actor<'a> {
    /// The operator who holds this permit. A change that it does not cover is refused.
    #[must_use]
    pub fn permitted(permit: &'a Permit, at: UnixTime) -> Self {
        Self { operator: &permit.operator().name, by: By::Permit(permit), peer: None, at }
    }

    /// The operator who presented a token, for what every role may do with it: replace it.
    #[must_use]
    pub fn own(login: &'a Login, at: UnixTime) -> Self {
        Self { operator: &login.identity().name, by: By::Own(login), peer: None, at }
    }

    /// The same operator, at this address: for the record, it changes no right.
    #[must_use]
    pub const fn connected_from(self, peer: Option<IpAddr>) -> Self {
        Self { peer, ..self }
    }

    /// A program on the broker's own host, such as `vouchsafe init`, without an account or a permit. Only
    /// this crate makes one, for changes whose own rule replaces the permit:
    /// [`Registry::add_first_administrator`], [`Registry::recover_administrator`] and [`Registry::record_restore`].
    pub(crate) const fn offline(program: &'a str, at: UnixTime) -> Self {
        Self { operator: program, by: By::Host, peer: None, at }
    }

    /// The lists that approve an update. They cover nothing else.
    pub(crate) const fn signed(approval: &'a SignedApproval, at: UnixTime) -> Self {
        Self { operator: SIGNED_LIST, by: By::Lists(approval), peer: None, at }
    }

    pub(crate) const fn operator(self) -> &'a str {
        self.operator
    }

    /// The operator's rights, as in the log.
    fn authority(self) -> Option<Authority> {
        let operator = self.account()?;
        Some(Authority { namespaces: operator.namespaces.clone(), role: operator.role })
    }

    /// The account that must still be there when the change is made.
    const fn account(self) -> Option<&'a OperatorIdentity> {
        match self.by {
            By::Permit(permit) => Some(permit.operator()),
            By::Own(login) => Some(login.identity()),
            By::Lists(_) | By::Host => None,
        }
    }

    /// The operator who replaces the token in use.
    pub(crate) const fn replacing(self) -> Option<&'a OperatorIdentity> {
        match self.by {
            By::Own(login) => Some(login.identity()),
            By::Permit(_) | By::Lists(_) | By::Host => None,
        }
    }

    /// The lists that take an operator's place.
    fn lists(self) -> Vec<ApprovingList> {
        let By::Lists(approval) = self.by else { return Vec::new() };
        let lists = approval.lists().iter();
        lists.map(|list| ApprovingList { digest: list.digest, signer: list.signer }).collect()
    }

    /// Checks that the permission, if one is needed, is for this change.
    ///
    /// # Errors
    /// [`StoreError::NotPermitted`].
    pub(crate) fn authorize(
        self,
        action: &'static str,
        target: impl Into<String>,
    ) -> Result<Authorized<'a>, StoreError> {
        let target = target.into();
        let covered = match self.by {
            By::Permit(permit) => {
                needed(action, &target).is_some_and(|(needed, at)| permit.covers(needed, at))
            }
            By::Own(login) => action == ROTATE && target == login.identity().name,
            By::Lists(approval) => action == APPROVE && target == approval.baseline().as_str(),
            By::Host => true,
        };
        if covered {
            return Ok(Authorized { actor: self, action, target });
        }
        Err(StoreError::NotPermitted { action: action.to_owned(), target })
    }
}

/// A change for which its actor has a permit. Only [`Actor::authorize`] makes one, and every [`Change`] needs
/// one.
#[derive(Debug)]
pub(crate) struct Authorized<'a> {
    actor: Actor<'a>,
    /// The change's name in the log.
    action: &'static str,
    target: String,
}

/// The action and namespace that a change needs a permit for, from its name in the log.
fn needed<'t>(action: &str, target: &'t str) -> Option<(OperatorAction, &'t str)> {
    let namespace = || target.split_once('/').map(|(namespace, _)| namespace);
    match action.split_once('.')?.0 {
        "secret" | "volume" => Some((OperatorAction::ManageSecrets, namespace()?)),
        "policy" => Some((OperatorAction::ManagePolicies, namespace()?)),
        "baseline" => Some((OperatorAction::ManageBaselines, namespace()?)),
        "guardrails" => Some((OperatorAction::ManageGuardrails, WHOLE_BROKER)),
        "keyring" | "identity" => Some((OperatorAction::ManageKeyring, WHOLE_BROKER)),
        "operator" => Some((OperatorAction::ManageOperators, WHOLE_BROKER)),
        _ => None,
    }
}

/// A transaction that will raise the epoch.
pub(crate) struct Change<'k> {
    registry: &'k Registry,
    tx: Tx<'static>,
    authorized: &'k Authorized<'k>,
    pub(crate) epoch: u64,
    /// The current state of the log, with the new epoch.
    state: LogState,
    rows: Vec<ChangedRow>,
    account: Option<Authority>,
    token: Option<TokenRecord>,
    _turn: tokio::sync::MutexGuard<'k, ()>,
}

impl Registry {
    /// Begins the change.
    ///
    /// # Errors
    /// [`StoreError::AccountGone`] when the account of the permission is not there any more, or the token has ended.
    pub(crate) async fn change<'k>(
        &'k self,
        authorized: &'k Authorized<'k>,
    ) -> Result<Change<'k>, StoreError> {
        let turn = self.turn().await;
        let (mut tx, state) = self.log.lock().await?;
        if let Some(account) = authorized.actor.account() {
            require_account(&mut tx, self.check(state.epoch), account, authorized.actor.at).await?;
        }
        let row = sqlx::query("UPDATE epoch SET value = value + 1 WHERE id = 1 RETURNING value")
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| columns::tampered(EPOCH, "1"))?;
        let epoch = columns::number(&row, "value", EPOCH, "1")?;
        if epoch != state.epoch.saturating_add(1) {
            return Err(columns::tampered(EPOCH, "1"));
        }
        let state = LogState { epoch, ..state };
        let rows = Vec::new();
        let (account, token) = (None, None);
        Ok(Change { registry: self, tx, authorized, epoch, state, rows, account, token, _turn: turn })
    }
}

impl<'k> Change<'k> {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.tx
    }

    /// Checks of committed rows. Rows written by this change itself do not pass yet.
    pub(crate) fn check(&self) -> RowCheck<'k> {
        self.registry.check(self.epoch)
    }

    pub(crate) const fn actor(&self) -> Actor<'k> {
        self.authorized.actor
    }

    pub(crate) fn wrote(&mut self, table: &'static str, key: &str) {
        self.rows.push(ChangedRow { key: key.to_owned(), removed: false, table: table.to_owned() });
    }

    pub(crate) fn removed(&mut self, table: &'static str, key: &str) {
        self.rows.push(ChangedRow { key: key.to_owned(), removed: true, table: table.to_owned() });
    }

    /// Notes the rights of the operator that is added or removed, or whose token is replaced.
    pub(crate) fn concerns(&mut self, account: Authority) {
        self.account = Some(account);
    }

    /// Notes the ends of the token that is issued, and of the one that it replaces.
    pub(crate) const fn issued(&mut self, token: TokenRecord) {
        self.token = Some(token);
    }

    /// Records the change as it was authorized and commits it: it is in force when this returns.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let Authorized { actor, action, ref target } = *self.authorized;
        let record = OperatorRecord {
            account: self.account,
            action: action.to_owned(),
            at: actor.at,
            authority: actor.authority(),
            epoch: self.epoch,
            id: DecisionId(*random()?),
            lists: actor.lists(),
            operator: actor.operator.to_owned(),
            peer: actor.peer,
            rows: self.rows,
            target: target.clone(),
            token: self.token,
        };
        let log = &self.registry.log;
        let index = self.state.size();
        let leaf = Leaf::new(&log.keyring, index, &LogRecord::Operator(record.clone()))?;
        let state = append(&mut self.tx, &log.keyring, self.state, vec![leaf]).await?;
        self.tx.commit().await?;
        log.pins.apply(index, &record);
        log.pins.saw(&state);
        self.registry.forget_before(record.epoch);
        tracing::info!(event = "keystore.changed", action, epoch = record.epoch, record.id = %record.id);
        Ok(())
    }
}

/// Replaces an operator's token.
pub(super) const ROTATE: &str = "operator.rotate";
/// Approves a proposed update of a baseline.
pub(super) const APPROVE: &str = "baseline.approve";
/// Recorded in place of an operator's name. No operator's name contains a space.
const SIGNED_LIST: &str = "a signed list";
