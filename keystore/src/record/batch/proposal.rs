//! Proposals for baselines, each in a transaction of its own.

use vouchsafe_protocol::messages::ProposalState;

use super::Batches;
use crate::db::{Connection, StoreError};
use crate::log::lock_head;
use crate::log::record::{EvidencePiece, LogRecord, ProposalRecord};
use crate::proposals::{Effect, Known, Proposer, Proposing, SentList, propose};
use crate::record::pending::PendingProposal;
use crate::record::types::{NewProposal, RecordError};
use crate::registry::proposals::{Proposed, decided_before, of_baseline};

impl Batches {
    /// Takes a proposal in, in a transaction of its own.
    pub(super) async fn proposal(&mut self, PendingProposal { new, answer }: PendingProposal) {
        let result = match self.write_proposal(&new).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(event = "record.proposal_failed", %error);
                Err(RecordError::Unknown)
            }
        };
        answer.give(result);
    }

    async fn write_proposal(
        &mut self,
        new: &NewProposal,
    ) -> Result<Result<ProposalState, RecordError>, StoreError> {
        let mut connection = self.connection().await?;
        let written = self.write_proposal_on(&mut connection, new).await;
        self.give_back(connection, written.is_ok());
        written
    }

    async fn write_proposal_on(
        &mut self,
        connection: &mut Connection,
        new: &NewProposal,
    ) -> Result<Result<ProposalState, RecordError>, StoreError> {
        let mut tx = self.log.pools.write_on(connection, "proposal").await?;
        let state = lock_head(&mut tx, &self.log.keyring, &self.log.pins.state()).await?;
        if new.epoch != state.epoch {
            tx.rollback().await?;
            return Ok(Err(RecordError::EpochMoved { epoch: state.epoch }));
        }
        let (keyring, pins) = (&self.log.keyring, &self.log.pins);
        let found = of_baseline(&mut tx, keyring, pins, &new.proposal.baseline, (new.id, new.at)).await?;
        let lists = self.lists(&mut tx, new).await?;
        let record = match decided(new, lists, &found) {
            Ok(record) => record,
            Err(unchanged) => {
                tx.rollback().await?;
                return Ok(unchanged);
            }
        };
        let nonce = (new.nonce, new.nonce_expires_at);
        if !self.spend_once(&mut tx, nonce).await? {
            tx.rollback().await?;
            return Ok(Err(RecordError::NonceSpent));
        }
        self.append_alone(tx, state, &LogRecord::Proposal(Box::new(record)), &new.evidence, nonce).await?;
        Ok(Ok(ProposalState::Pending { id: new.id, until: new.until }))
    }

    /// The lists, with a reason on each that would count but covers something decided before.
    async fn lists(&self, tx: &mut Connection, new: &NewProposal) -> Result<Vec<SentList>, StoreError> {
        let mut lists = new.lists.clone();
        if lists.iter().any(|list| list.reason.is_none()) {
            let (keyring, pins, baseline) = (&self.log.keyring, &self.log.pins, &new.proposal.baseline);
            let before = decided_before(tx, keyring, pins, baseline, new.new.as_slice()).await?;
            for list in lists.iter_mut().filter(|list| list.reason.is_none()) {
                list.reason = before.as_ref().map(ToString::to_string);
            }
        }
        Ok(lists)
    }
}

/// The record of a proposal, or the answer to one that changes nothing.
fn decided(
    new: &NewProposal,
    lists: Vec<SentList>,
    found: &[Proposed],
) -> Result<ProposalRecord, Result<ProposalState, RecordError>> {
    let all: Vec<_> = found.iter().map(known).collect();
    let (baseline, instance) = (&new.proposal.baseline, new.instance.as_str());
    let proposing = Proposing { baseline, id: new.id, instance, at: new.at, until: new.until, lists: &lists };
    match propose(proposing, &all) {
        Ok(Effect::Record { proposers, known }) => {
            let last = found.iter().find(|found| found.record.id == new.id).filter(|_| known);
            Ok(record_of((new, lists), last.map(|found| &found.record), proposers))
        }
        Ok(Effect::Unchanged(state)) => Err(Ok(state)),
        Err(refusal) => Err(Err(Box::new(refusal).into())),
    }
}

fn known(Proposed { record, status, .. }: &Proposed) -> Known<'_> {
    let (proposers, lists) = (&record.proposers, &record.lists);
    Known { id: record.id, status: *status, at: record.at, proposers, lists }
}

/// The record of a proposal, after which these VMs ask for it.
fn record_of(
    (new, lists): (&NewProposal, Vec<SentList>),
    last: Option<&ProposalRecord>,
    proposers: Vec<Proposer>,
) -> ProposalRecord {
    let (mut kept, mut replaced) = (new.kept.clone(), new.replaced.clone());
    if let Some(last) = last {
        kept.extend(&last.kept);
        replaced.extend(&last.replaced);
    }
    ProposalRecord {
        at: new.at,
        binding: new.binding.clone(),
        claims: new.claims,
        decision: new.decision,
        epoch: new.epoch,
        evidence: new.evidence.iter().map(EvidencePiece::reference).collect(),
        id: new.id,
        instance: new.instance.clone(),
        kept,
        lists,
        new: new.new.clone(),
        nonce: new.nonce,
        peer: new.peer,
        proposal: new.proposal.clone(),
        proposed_at: last.map_or(new.at, |last| last.proposed_at),
        proposers,
        replaced,
    }
}
