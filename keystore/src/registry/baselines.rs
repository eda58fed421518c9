//! Stored baselines and their state.

use serde::{Deserialize, Serialize};
use vouchsafe_policy::Baseline;
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::change::Actor;
use super::documents::mark_revoked;
use super::documents::types::{Document, DocumentError, DocumentKind};
use super::handle::Registry;
use crate::db::StoreError;

/// Seconds before expiry from which a baseline is reported as expiring: 30 days.
pub const BASELINE_NOTICE: u64 = 30 * 86_400;

/// One baseline of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineSummary {
    /// Its name.
    pub name: ObjectName,
    /// Its current version.
    pub version: u64,
    /// Whether it is in force.
    pub state: BaselineState,
    /// Time of expiry. `None` if this version cannot read the document.
    pub ends_at: Option<UnixTime>,
}

/// The state of a baseline, and when it ends where that can be read.
pub type BaselineValidity = (BaselineState, Option<UnixTime>);

/// Whether VMs can be members of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineState {
    /// In force, for more than [`BASELINE_NOTICE`].
    InForce,
    /// In force, but expires within [`BASELINE_NOTICE`].
    EndsSoon,
    /// Expired: no VM is a member.
    Ended,
    /// Revoked permanently: no VM is a member.
    Revoked,
    /// This version cannot read it: secrets whose policies rely on it are refused.
    Unreadable,
}

impl BaselineState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::InForce, Self::EndsSoon, Self::Ended, Self::Revoked, Self::Unreadable];

    /// The name in lists and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::EndsSoon => "ends-soon",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
            Self::Unreadable => "unreadable",
        }
    }

    fn of(revoked: bool, ends_at: Option<UnixTime>, now: UnixTime) -> Self {
        match ends_at {
            _ if revoked => Self::Revoked,
            None => Self::Unreadable,
            Some(end) if end <= now => Self::Ended,
            Some(end) if end.since(now) <= BASELINE_NOTICE => Self::EndsSoon,
            Some(_) => Self::InForce,
        }
    }
}

impl std::fmt::Display for BaselineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Registry {
    /// Revokes a baseline permanently: policies that rely on it alone deny from now on.
    pub(crate) async fn revoke_baseline(
        &self,
        actor: Actor<'_>,
        name: &ObjectName,
    ) -> Result<(), DocumentError> {
        let kind = DocumentKind::Baseline;
        let authorized = actor.authorize("baseline.revoke", name.as_str())?;
        let mut change = self.change(&authorized).await?;
        let before = mark_revoked(&mut change, kind, name).await?;
        before.ok_or_else(|| DocumentError::Unknown { kind, name: name.clone() })?;
        change.commit().await?;
        Ok(())
    }

    /// All baselines by name, with their state at `now`.
    pub(crate) async fn baselines(&self, now: UnixTime) -> Result<Vec<BaselineSummary>, StoreError> {
        let documents = self.current_documents(DocumentKind::Baseline).await?;
        let summary = |document: Document| {
            let ends_at = Baseline::parse(&document.text).ok().map(|baseline| baseline.ends_at);
            let state = BaselineState::of(document.revoked, ends_at, now);
            BaselineSummary { name: document.name, version: document.version, state, ends_at }
        };
        Ok(documents.into_iter().map(summary).collect())
    }
}
