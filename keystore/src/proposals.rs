//! Proposed updates of baselines: which there are, which VMs ask for each, and how many there may be.
//!
//! A member of a baseline proposes what its next boot will measure. All VMs with the same update propose the same, since
//! the id is that of what is new. The newest record of a proposal in the decision log is its state, with the VMs that ask
//! for it, until an operator or a signed list approves it, or an operator rejects it: then the record of that change names
//! the proposal. A proposal that no VM has asked for during [`MAX_AGE`] is gone.
//!
//! **Limits.** A proposal names digests. That they are those of the distribution's files is for the operator to find out,
//! or for a signed list: a VM whose user space has been taken over can propose anything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_policy::ExaminedList;
use vouchsafe_protocol::messages::ProposalState;
use vouchsafe_protocol::{Digest32, ObjectName, ProposalId, UnixTime, UpdateSigner};

/// A proposal for a baseline: `prod/web@` and the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaselineProposalId {
    /// The baseline.
    pub baseline: ObjectName,
    /// The id.
    pub id: ProposalId,
}

/// The text does not name a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proposal is `baseline@id`")]
pub struct UnknownProposal;

impl fmt::Display for BaselineProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.baseline, self.id)
    }
}

impl FromStr for BaselineProposalId {
    type Err = UnknownProposal;

    fn from_str(text: &str) -> Result<Self, UnknownProposal> {
        let (baseline, id) = text.split_once('@').ok_or(UnknownProposal)?;
        let baseline = baseline.parse().map_err(|_| UnknownProposal)?;
        Ok(Self { baseline, id: id.parse().map_err(|_| UnknownProposal)? })
    }
}

/// What was decided about a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProposalStatus {
    /// Nothing yet.
    Pending,
    /// It is part of the baseline, or was when it was approved.
    Approved,
    /// An operator has rejected it.
    Rejected,
}

impl ProposalStatus {
    /// Every status.
    pub const ALL: &'static [Self] = &[Self::Pending, Self::Approved, Self::Rejected];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// A VM that asks for a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposer {
    /// When it last asked, to within [`REFRESH`].
    pub at: UnixTime,
    /// `project number/instance id`.
    pub instance: String,
}

/// A component list that a VM has sent with a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentList {
    /// SHA-256 of the list.
    pub digest: Digest32,
    /// Why it does not count. Absent if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who has signed it. Absent unless it is one of the baseline's signers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<UpdateSigner>,
}

impl From<&ExaminedList> for SentList {
    fn from(ExaminedList { digest, signer, fault }: &ExaminedList) -> Self {
        Self { digest: *digest, reason: fault.as_ref().map(ToString::to_string), signer: *signer }
    }
}

/// Why a proposal is not recorded. For operators: a guest learns only a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalRefusal {
    /// Too many are pending for the baseline.
    #[error(
        "{MAX_OF_BASELINE} proposals for baseline {baseline} are pending: approve or reject some (`vouchsafe baseline pending`)"
    )]
    TooManyOfBaseline {
        /// The baseline.
        baseline: ObjectName,
    },
    /// The VM asks for too many.
    #[error(
        "instance {instance} has {MAX_OF_INSTANCE} pending proposals for baseline {baseline}: approve or reject some (`vouchsafe baseline pending`)"
    )]
    TooManyOfInstance {
        /// The baseline.
        baseline: ObjectName,
        /// `project number/instance id`.
        instance: String,
    },
}

/// What is known about a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    pub(crate) id: ProposalId,
    pub(crate) status: ProposalStatus,
    /// When it was last recorded.
    pub(crate) at: UnixTime,
    pub(crate) proposers: &'a [Proposer],
    /// What became of the component lists that came with it.
    pub(crate) lists: &'a [SentList],
}

/// A proposal by a VM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proposing<'a> {
    pub(crate) baseline: &'a ObjectName,
    pub(crate) id: ProposalId,
    pub(crate) instance: &'a str,
    pub(crate) at: UnixTime,
    /// Where the boot is allowed for now: until when.
    pub(crate) until: Option<UnixTime>,
    /// What became of the component lists that came with it.
    pub(crate) lists: &'a [SentList],
}

/// What a proposal comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is recorded, with these VMs.
    Record {
        /// The VMs that ask for it.
        proposers: Vec<Proposer>,
        /// Whether it was pending before.
        known: bool,
    },
    /// Nothing changes.
    Unchanged(ProposalState),
}

/// Takes a proposal in: `all` are those for this baseline, the rejected ones whatever their age.
pub(crate) fn propose(proposing: Proposing<'_>, all: &[Known<'_>]) -> Result<Effect, ProposalRefusal> {
    let Proposing { baseline, id, instance, at, until, lists } = proposing;
    let is_pending = |known: &&Known<'_>| known.status == ProposalStatus::Pending && !is_gone(known.at, at);
    let same = all.iter().find(|known| known.id == id);
    if same.is_some_and(|known| known.status == ProposalStatus::Rejected) {
        return Ok(Effect::Unchanged(ProposalState::Rejected { id, until }));
    }
    let own = Proposer { at, instance: instance.to_owned() };
    if let Some(known) = same.filter(is_pending) {
        let mut proposers = known.proposers.to_vec();
        let unchanged = Ok(Effect::Unchanged(ProposalState::Pending { id, until }));
        let is_full = proposers.len() >= MAX_PROPOSERS;
        match proposers.iter_mut().find(|proposer| proposer.instance == instance) {
            Some(proposer) if at.since(proposer.at) < REFRESH && known.lists == lists => return unchanged,
            Some(proposer) => *proposer = own,
            None if is_full => return unchanged,
            None => proposers.push(own),
        }
        return Ok(Effect::Record { proposers, known: true });
    }
    let pending: Vec<_> = all.iter().filter(is_pending).collect();
    let asks = |known: &&&Known<'_>| known.proposers.iter().any(|proposer| proposer.instance == instance);
    if pending.iter().filter(asks).count() >= MAX_OF_INSTANCE {
        let (baseline, instance) = (baseline.clone(), instance.to_owned());
        return Err(ProposalRefusal::TooManyOfInstance { baseline, instance });
    }
    if pending.len() >= MAX_OF_BASELINE {
        return Err(ProposalRefusal::TooManyOfBaseline { baseline: baseline.clone() });
    }
    Ok(Effect::Record { proposers: vec![own], known: false })
}

/// Whether a proposal that was last recorded at `at` is gone.
pub(crate) const fn is_gone(at: UnixTime, now: UnixTime) -> bool {
    now.since(at) >= MAX_AGE
}

impl Serialize for BaselineProposalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BaselineProposalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Seconds after which a proposal is gone that nobody asks for: 30 days.
pub const MAX_AGE: u64 = 30 * 86_400;
/// Seconds after which a VM that asks again with the same component lists is recorded again: 7 days.
pub const REFRESH: u64 = 7 * 86_400;
/// Pending proposals for one baseline.
pub const MAX_OF_BASELINE: usize = 32;
/// Pending proposals for one baseline that one instance asks for.
pub const MAX_OF_INSTANCE: usize = 4;
/// VMs that are recorded with one proposal. Further ones get the same answer, and are not counted.
pub const MAX_PROPOSERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(100 * 86_400);

    fn baseline() -> ObjectName {
        "prod/web".parse().unwrap()
    }

    fn id(byte: u8) -> ProposalId {
        ProposalId(Digest32([byte; 32]))
    }

    fn proposer(instance: &str, at: UnixTime) -> Proposer {
        Proposer { at, instance: instance.to_owned() }
    }

    fn known(byte: u8, status: ProposalStatus, proposers: &[Proposer]) -> Known<'_> {
        let at = proposers.iter().map(|proposer| proposer.at).max().unwrap();
        Known { id: id(byte), status, at, proposers, lists: &[] }
    }

    fn by(instance: &str, byte: u8, all: &[Known<'_>]) -> Result<Effect, ProposalRefusal> {
        let baseline = baseline();
        let (id, lists) = (id(byte), &[]);
        propose(Proposing { baseline: &baseline, id, instance, at: NOW, until: None, lists }, all)
    }

    fn recorded(proposers: Vec<Proposer>, known: bool) -> Result<Effect, ProposalRefusal> {
        Ok(Effect::Record { proposers, known })
    }

    const PENDING: fn(u8) -> ProposalState = |byte| ProposalState::Pending { id: id(byte), until: None };

    #[test]
    fn an_id_has_one_spelling() {
        let id = BaselineProposalId { baseline: baseline(), id: id(1) };
        assert_eq!(id.to_string(), format!("prod/web@{}", "01".repeat(32)));
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["prod/web", "prod/web@01", "web@x", "@"] {
            assert_eq!(text.parse::<BaselineProposalId>(), Err(UnknownProposal), "{text}");
        }
    }

    #[test]
    fn a_fleet_with_the_same_update_is_one_proposal() {
        let first = [proposer("1/1", NOW)];
        assert_eq!(by("1/1", 1, &[]), recorded(first.to_vec(), false));
        let all = [known(1, ProposalStatus::Pending, &first)];
        assert_eq!(by("1/1", 1, &all), Ok(Effect::Unchanged(PENDING(1))));
        assert_eq!(by("1/2", 1, &all), recorded(vec![proposer("1/1", NOW), proposer("1/2", NOW)], true));
        assert_eq!(by("1/2", 2, &all), recorded(vec![proposer("1/2", NOW)], false));
    }

    #[test]
    fn t44_the_vms_of_a_proposal_are_bounded() {
        let full: Vec<_> = (0..MAX_PROPOSERS).map(|n| proposer(&format!("1/{n}"), NOW)).collect();
        let all = [known(1, ProposalStatus::Pending, &full)];
        assert_eq!(by("1/99", 1, &all), Ok(Effect::Unchanged(PENDING(1))));
    }

    #[test]
    fn a_vm_that_keeps_asking_keeps_its_proposal() {
        let ago = |seconds: u64| UnixTime(NOW.0 - seconds);
        let before = [proposer("1/1", ago(REFRESH - 1))];
        let all = [known(1, ProposalStatus::Pending, &before)];
        assert_eq!(by("1/1", 1, &all), Ok(Effect::Unchanged(PENDING(1))));
        let before = [proposer("1/2", ago(REFRESH)), proposer("1/1", ago(REFRESH))];
        let all = [known(1, ProposalStatus::Pending, &before)];
        assert_eq!(by("1/1", 1, &all), recorded(vec![before[0].clone(), proposer("1/1", NOW)], true));
        // After 30 days it starts anew.
        let before = [proposer("1/2", ago(MAX_AGE))];
        let all = [known(1, ProposalStatus::Pending, &before)];
        assert_eq!(by("1/1", 1, &all), recorded(vec![proposer("1/1", NOW)], false));
    }

    #[test]
    fn a_vm_that_asks_with_other_lists_is_recorded_again() {
        let first = [proposer("1/1", NOW)];
        let sent = |reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            [SentList { digest: Digest32([1; 32]), reason, signer: None }]
        };
        let (ended, counting) = (sent(Some("it ended at 1")), sent(None));
        let all = [Known { lists: &ended, ..known(1, ProposalStatus::Pending, &first) }];
        let baseline = baseline();
        let with = |lists| {
            let (id, instance) = (id(1), "1/1");
            propose(Proposing { baseline: &baseline, id, instance, at: NOW, until: None, lists }, &all)
        };
        assert_eq!(with(&ended), Ok(Effect::Unchanged(PENDING(1))));
        assert_eq!(with(&counting), recorded(first.to_vec(), true));
        assert_eq!(with(&[]), recorded(first.to_vec(), true));
    }

    #[test]
    fn what_an_operator_decided_stands() {
        let first = [proposer("1/1", UnixTime(0))];
        let rejected = [known(1, ProposalStatus::Rejected, &first)];
        let state = ProposalState::Rejected { id: id(1), until: None };
        assert_eq!(by("1/2", 1, &rejected), Ok(Effect::Unchanged(state)), "whatever its age");
        // What was approved and is not in the baseline any more is proposed anew.
        let first = [proposer("1/1", NOW)];
        let approved = [known(1, ProposalStatus::Approved, &first)];
        assert_eq!(by("1/2", 1, &approved), recorded(vec![proposer("1/2", NOW)], false));
    }

    #[test]
    fn t44_pending_proposals_are_bounded() {
        let baseline = baseline();
        let own = [proposer("1/1", NOW)];
        let all: Vec<_> = (1..=4).map(|byte| known(byte, ProposalStatus::Pending, &own)).collect();
        let refused =
            ProposalRefusal::TooManyOfInstance { baseline: baseline.clone(), instance: "1/1".to_owned() };
        assert_eq!(by("1/1", 9, &all), Err(refused));
        assert_eq!(by("1/1", 4, &all), Ok(Effect::Unchanged(PENDING(4))));
        assert!(by("1/2", 9, &all).is_ok());
        let decided: Vec<_> = (1..=4).map(|byte| known(byte, ProposalStatus::Rejected, &own)).collect();
        assert!(by("1/1", 9, &decided).is_ok());
        let others: Vec<_> = (0..32).map(|n| [proposer(&format!("2/{}", n / 4), NOW)]).collect();
        let all: Vec<_> =
            others.iter().zip(1..).map(|(own, byte)| known(byte, ProposalStatus::Pending, own)).collect();
        assert_eq!(by("1/1", 99, &all), Err(ProposalRefusal::TooManyOfBaseline { baseline }));
        assert!(by("1/1", 99, &all[1..]).is_ok());
    }
}
