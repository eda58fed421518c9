//! Proposals as the log has them: the newest record of each, and what operators have decided since.
//!
//! The column by which records are found is checked when a record is read, so an edited one is noticed by whoever
//! reads the log; until then it can hide a proposal, as with every filter of the log.

mod decided;

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_policy::{Baseline, BaselineError, KeepOld, SignedApproval, UpdateError};
use vouchsafe_protocol::reference_values::ReferenceEvent;
use vouchsafe_protocol::{ObjectName, ProposalId, UnixTime};

pub use self::decided::DecidedBefore;
pub(crate) use self::decided::decided_before;
use super::change::{APPROVE, Actor, Authorized};
use super::documents::put_version;
use super::documents::types::{DocumentError, DocumentKind};
use super::error::RegisterError;
use super::handle::Registry;
use crate::db::columns::{tampered, time};
use crate::db::{Connection, Db, StoreError, run};
use crate::keyring::Keyring;
use crate::log::record::{LogRecord, ProposalRecord};
use crate::log::{Pins, read_leaf};
use crate::proposals::{BaselineProposalId, MAX_AGE, ProposalStatus, is_gone};

/// The newest record of a proposal, and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The record.
    pub record: ProposalRecord,
    /// What was decided.
    pub status: ProposalStatus,
    /// Whether it was signed lists that decided.
    pub signed: bool,
}

/// Why a proposal was neither approved nor rejected.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// There is no such proposal, or nobody has asked for it for too long.
    #[error("there is no proposal {proposal}: `vouchsafe baseline pending` lists those that can be approved")]
    Unknown {
        /// The proposal.
        proposal: BaselineProposalId,
    },
    /// It has been approved.
    #[error(
        "proposal {proposal} has been approved: to withdraw it, put a version of the baseline without it; no list approves it again"
    )]
    Approved {
        /// The proposal.
        proposal: BaselineProposalId,
    },
    /// An operator has rejected it.
    #[error("proposal {proposal} has been rejected: only an operator can approve it")]
    Rejected {
        /// The proposal.
        proposal: BaselineProposalId,
    },
    /// Signed lists would approve what was decided before.
    #[error(transparent)]
    DecidedBefore(#[from] DecidedBefore),
    /// The stored baseline cannot be read by this version.
    #[error("baseline {name} cannot be read by this version of the broker: {error}")]
    Unreadable {
        /// Its name.
        name: ObjectName,
        /// Why.
        error: BaselineError,
    },
    /// The baseline cannot allow it any more.
    #[error("baseline {name} cannot allow it: {error}")]
    Update {
        /// Its name.
        name: ObjectName,
        /// Why.
        error: UpdateError,
    },
    /// The new version of the baseline was rejected, or not stored.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl From<StoreError> for ProposalError {
    fn from(error: StoreError) -> Self {
        Self::Register(error.into())
    }
}

impl From<DocumentError> for ProposalError {
    fn from(error: DocumentError) -> Self {
        Self::Register(error.into())
    }
}

/// How long what an approved update replaces stays allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepOldFor {
    /// This many seconds from the approval.
    Seconds(u64),
    /// As long as the baseline.
    Forever,
}

impl KeepOldFor {
    /// Unless an operator says otherwise: 14 days.
    pub const DEFAULT: Self = Self::Seconds(14 * 86_400);

    fn at(self, now: UnixTime) -> KeepOld {
        match self {
            Self::Seconds(seconds) => KeepOld::Until(now.plus(seconds)),
            Self::Forever => KeepOld::Forever,
        }
    }
}

/// Who approves.
#[derive(Clone, Copy)]
enum By<'a> {
    /// An operator, who says how long what is replaced stays allowed.
    Operator(KeepOldFor),
    /// Signed lists.
    Lists(&'a SignedApproval),
}

impl Registry {
    /// Proposals by baseline and id: those that a VM has asked for within [`MAX_AGE`], and all rejected ones.
    pub(crate) async fn proposals(&self, now: UnixTime) -> Result<Vec<Proposed>, StoreError> {
        let mut view = self.operator_view().await?;
        let newest = "SELECT MAX(idx) FROM log_leaves WHERE proposal IS NOT NULL GROUP BY proposal";
        let query = QueryBuilder::<Db>::new(format!(
            "SELECT * FROM log_leaves WHERE idx IN ({newest}) ORDER BY proposal"
        ));
        let mut found = read(&mut view.tx, self.keyring(), &self.log.pins, query).await?;
        found.retain(|found| found.is_current(now));
        Ok(found)
    }

    /// Approves a proposal: puts a version of the baseline that allows it, effective at once. Returns the version.
    pub(crate) async fn approve_proposal(
        &self,
        actor: Actor<'_>,
        proposal: &BaselineProposalId,
        keep: KeepOldFor,
    ) -> Result<u64, ProposalError> {
        let authorized = actor.authorize(APPROVE, proposal.baseline.as_str())?;
        for _ in 0..ATTEMPTS {
            let epoch = self.operator_epoch().await?;
            let text = self.approved(proposal, By::Operator(keep), actor.at).await?;
            match self.put_approved(&authorized, epoch, proposal, &text).await {
                Err(ProposalError::Register(RegisterError::Document(DocumentError::Overtaken))) => {}
                done => return done,
            }
        }
        Err(DocumentError::Overtaken.into())
    }

    /// Approves a proposal that has been recorded, as [`Self::approve_proposal`] does, in the epoch in which it was decided
    /// that signed lists approve it. What an operator has rejected stays rejected.
    pub(crate) async fn approve_signed(
        &self,
        approval: SignedApproval,
        at: UnixTime,
    ) -> Result<u64, ProposalError> {
        let proposal = BaselineProposalId { baseline: approval.baseline().clone(), id: approval.id() };
        let authorized = Actor::signed(&approval, at).authorize(APPROVE, proposal.baseline.as_str())?;
        let text = self.approved(&proposal, By::Lists(&approval), at).await?;
        self.put_approved(&authorized, approval.epoch(), &proposal, &text).await
    }

    async fn put_approved(
        &self,
        authorized: &Authorized<'_>,
        epoch: u64,
        proposal: &BaselineProposalId,
        text: &str,
    ) -> Result<u64, ProposalError> {
        let mut change = self.change_as_of(authorized, epoch).await?;
        let version = put_version(&mut change, DocumentKind::Baseline, &proposal.baseline, text).await?;
        change.wrote(PROPOSALS, &proposal.to_string());
        change.commit().await?;
        Ok(version)
    }

    /// The baseline that allows a proposal.
    async fn approved(
        &self,
        proposal: &BaselineProposalId,
        by: By<'_>,
        now: UnixTime,
    ) -> Result<String, ProposalError> {
        let Proposed { record, status, .. } = self.proposal(proposal, now).await?;
        match (status, by) {
            (ProposalStatus::Approved, _) => {
                return Err(ProposalError::Approved { proposal: proposal.clone() });
            }
            (ProposalStatus::Rejected, By::Lists(_)) => {
                return Err(ProposalError::Rejected { proposal: proposal.clone() });
            }
            (ProposalStatus::Pending, By::Lists(approval)) => {
                self.require_undecided(&proposal.baseline, approval.new_events()).await?;
            }
            (ProposalStatus::Pending | ProposalStatus::Rejected, By::Operator(_)) => {}
        }
        let name = proposal.baseline.clone();
        let document = self.document(DocumentKind::Baseline, &name, None).await?;
        let unknown = || DocumentError::Unknown { kind: DocumentKind::Baseline, name: name.clone() };
        let document = document.ok_or_else(unknown)?;
        let current = Baseline::parse(&document.text)
            .map_err(|error| ProposalError::Unreadable { name: name.clone(), error })?;
        let refused = |error| ProposalError::Update { name: name.clone(), error };
        // The baseline may be for another kind of boot since the proposal.
        current.propose(record.proposal.events.as_slice(), now).map_err(refused)?;
        let obsolete = record.obsolete();
        let approved = match by {
            By::Operator(keep) => current.approve(record.new.as_slice(), &obsolete, keep.at(now), now),
            By::Lists(approval) => {
                current.approve_signed(approval, &obsolete, KeepOldFor::DEFAULT.at(now), now)
            }
        };
        let approved = approved.map_err(refused)?;
        self.require_sound(&name, &approved, now).await?;
        let heading = format!("Version {} with proposal {}", document.version.saturating_add(1), proposal.id);
        let text = approved.to_commented(&heading, &std::collections::BTreeMap::new());
        // What cannot be read again, such as a text that has become too long, would refuse every VM.
        Baseline::parse(&text).map_err(|error| refused(error.into()))?;
        Ok(text)
    }

    async fn require_undecided(
        &self,
        baseline: &ObjectName,
        new: &[ReferenceEvent],
    ) -> Result<(), ProposalError> {
        let mut view = self.operator_view().await?;
        let before = decided_before(&mut view.tx, self.keyring(), &self.log.pins, baseline, new).await?;
        before.map_or(Ok(()), |before| Err(before.into()))
    }

    /// Rejects a proposal: VMs that ask for it learn so.
    pub(crate) async fn reject_proposal(
        &self,
        actor: Actor<'_>,
        proposal: &BaselineProposalId,
    ) -> Result<(), ProposalError> {
        let authorized = actor.authorize("baseline.reject", proposal.baseline.as_str())?;
        let mut change = self.change(&authorized).await?;
        let key = (proposal.id, actor.at);
        let (keyring, pins) = (self.keyring(), &self.log.pins);
        let found = of_baseline(change.connection(), keyring, pins, &proposal.baseline, key).await?;
        let found = found.into_iter().find(|found| found.record.id == proposal.id);
        match found.map(|found| found.status) {
            None => return Err(ProposalError::Unknown { proposal: proposal.clone() }),
            Some(ProposalStatus::Approved) => {
                return Err(ProposalError::Approved { proposal: proposal.clone() });
            }
            Some(ProposalStatus::Pending | ProposalStatus::Rejected) => {}
        }
        change.removed(PROPOSALS, &proposal.to_string());
        Ok(change.commit().await?)
    }

    async fn proposal(
        &self,
        proposal: &BaselineProposalId,
        now: UnixTime,
    ) -> Result<Proposed, ProposalError> {
        let mut view = self.operator_view().await?;
        let key = (proposal.id, now);
        let found =
            of_baseline(&mut view.tx, self.keyring(), &self.log.pins, &proposal.baseline, key).await?;
        let found = found.into_iter().find(|found| found.record.id == proposal.id && found.is_current(now));
        found.ok_or_else(|| ProposalError::Unknown { proposal: proposal.clone() })
    }
}

impl Proposed {
    /// Whether a VM has asked for it recently, or it was rejected.
    fn is_current(&self, now: UnixTime) -> bool {
        self.status == ProposalStatus::Rejected || !is_gone(self.record.at, now)
    }
}

/// The proposals for a baseline that were recorded within [`MAX_AGE`], and the one with this id whatever its age.
pub(crate) async fn of_baseline(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    baseline: &ObjectName,
    (id, now): (ProposalId, UnixTime),
) -> Result<Vec<Proposed>, StoreError> {
    let since = time(UnixTime(now.0.saturating_sub(MAX_AGE)))?;
    let same = BaselineProposalId { baseline: baseline.clone(), id };
    let mut query = newest_of(baseline);
    query
        .push(" AND (at >= ")
        .push_bind(since)
        .push(" OR proposal = ")
        .push_bind(same.to_string())
        .push(") ORDER BY proposal");
    read(connection, keyring, pins, query).await
}

/// The newest record of each proposal for a baseline.
fn newest_of(baseline: &ObjectName) -> QueryBuilder<Db> {
    let mut query = QueryBuilder::<Db>::new("SELECT * FROM log_leaves WHERE idx IN (");
    // The character after the separator ends the range.
    query
        .push("SELECT MAX(idx) FROM log_leaves WHERE proposal >= ")
        .push_bind(format!("{baseline}@"))
        .push(" AND proposal < ")
        .push_bind(format!("{baseline}A"))
        .push(" GROUP BY proposal)");
    query
}

async fn read(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    mut query: QueryBuilder<Db>,
) -> Result<Vec<Proposed>, StoreError> {
    let (rows, _) = run(connection, query.build()).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let named: String = row.try_get("proposal")?;
        match read_leaf(keyring, row)?.record {
            LogRecord::Proposal(record) => {
                let (status, signed) = status(pins, &record);
                found.push(Proposed { record: *record, status, signed });
            }
            _ => return Err(tampered("log_leaves", &named)),
        }
    }
    Ok(found)
}

/// What was decided since this record, and whether by signed lists. No change may be newer than the pins.
fn status(pins: &Pins, record: &ProposalRecord) -> (ProposalStatus, bool) {
    match pins.get(PROPOSALS, &record.proposal_id().to_string()) {
        Some(pin) if pin.epoch > record.epoch && pin.removed => (ProposalStatus::Rejected, pin.signed),
        Some(pin) if pin.epoch > record.epoch => (ProposalStatus::Approved, pin.signed),
        _ => (ProposalStatus::Pending, false),
    }
}

/// In the record of a decision: written by an approval, removed by a rejection.
const PROPOSALS: &str = "baseline_proposals";
/// How often an approval is prepared because of other changes.
const ATTEMPTS: usize = 5;
