//! Registration of policies and baselines. A policy is checked against the registered baselines, and a
//! baseline against the policies that name it; the result still holds when the new version takes effect.
//!
//! Such a check compiles and evaluates policies, which takes longer than a transaction may hold the writer,
//! since grants would wait for it. So it is made before the transaction, off the async workers and at one
//! epoch; the change is committed only if nothing else has changed since, and is otherwise checked again.
//! Every other rule is checked in the transaction itself.

use vouchsafe_policy::Baseline;
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::change::{Actor, Authorized, Change};
use super::compiled::compile;
use super::documents::put_version;
use super::documents::types::{DocumentError, DocumentKind};
use super::error::RegisterError;
use super::handle::Registry;
use super::purpose;

impl Registry {
    /// Puts a new version of a policy, effective at once. Returns the version.
    pub(crate) async fn put_policy(
        &self,
        actor: Actor<'_>,
        name: &ObjectName,
        text: &str,
    ) -> Result<u64, RegisterError> {
        let authorized = actor.authorize("policy.put", name.as_str())?;
        let policy = compile(name, text).await?;
        let check = async || self.check_compiled(&policy, actor.at).await.map(drop);
        let mut change = self.checked_change(&authorized, check).await?;
        let rows = change.check();
        purpose::require_guarded::<RegisterError>(change.connection(), rows, &policy).await?;
        let version = put_version(&mut change, DocumentKind::Policy, name, text).await?;
        change.commit().await?;
        Ok(version)
    }

    /// Puts a new version of a baseline, effective at once. Returns the version.
    pub(crate) async fn put_baseline(
        &self,
        actor: Actor<'_>,
        name: &ObjectName,
        json: &str,
    ) -> Result<u64, RegisterError> {
        let authorized = actor.authorize("baseline.put", name.as_str())?;
        let baseline = Baseline::parse(json)?;
        let check = async || {
            self.require_update_version(name, &baseline).await?;
            self.require_sound(name, &baseline, actor.at).await
        };
        let mut change = self.checked_change(&authorized, check).await?;
        let version = put_version(&mut change, DocumentKind::Baseline, name, json).await?;
        change.commit().await?;
        Ok(version)
    }

    /// Checks that component lists which do not count for the version in force do not for this one either (T28).
    async fn require_update_version(
        &self,
        name: &ObjectName,
        baseline: &Baseline,
    ) -> Result<(), RegisterError> {
        let document = self.document(DocumentKind::Baseline, name, None).await?;
        let current = document.and_then(|document| Baseline::parse(&document.text).ok());
        // Without signers no list counts. An unreadable version gives no floor: it is being replaced.
        let least = current.map_or(0, |current| match current.update_signers.as_slice() {
            [] => current.update_version,
            _ => current.update_version.max(current.version),
        });
        if baseline.update_version.max(baseline.version) < least {
            return Err(RegisterError::LowersUpdateVersion { name: name.clone(), least });
        }
        Ok(())
    }

    /// Checks that a version of a baseline is in force at `now`, and leaves nothing open in policies that name it.
    pub(super) async fn require_sound(
        &self,
        name: &ObjectName,
        baseline: &Baseline,
        now: UnixTime,
    ) -> Result<(), RegisterError> {
        if baseline.ends_at <= now {
            return Err(RegisterError::EndedBaseline { name: name.clone(), ends_at: baseline.ends_at });
        }
        let policies = self.opened_by(name, baseline, now).await?;
        if policies.is_empty() {
            Ok(())
        } else {
            Err(RegisterError::OpensPolicies { name: name.clone(), policies })
        }
    }

    /// A change that `check` has accepted, with nothing changed since.
    async fn checked_change<'k>(
        &'k self,
        authorized: &'k Authorized<'k>,
        check: impl AsyncFn() -> Result<(), RegisterError>,
    ) -> Result<Change<'k>, RegisterError> {
        for _ in 0..ATTEMPTS {
            let epoch = self.operator_epoch().await?;
            check().await?;
            match self.change_as_of(authorized, epoch).await {
                Err(DocumentError::Overtaken) => {}
                change => return Ok(change?),
            }
        }
        Err(DocumentError::Overtaken.into())
    }

    /// A change, if nothing has changed since `epoch`.
    pub(crate) async fn change_as_of<'k>(
        &'k self,
        authorized: &'k Authorized<'k>,
        epoch: u64,
    ) -> Result<Change<'k>, DocumentError> {
        let change = self.change(authorized).await?;
        if change.epoch == epoch.saturating_add(1) { Ok(change) } else { Err(DocumentError::Overtaken) }
    }
}

/// How often a check is repeated because of other changes.
const ATTEMPTS: usize = 5;
