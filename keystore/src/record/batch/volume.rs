//! Actions on volumes, each in a transaction of its own (T32, T33).

use vouchsafe_protocol::VolumeAction;
use vouchsafe_protocol::messages::VolumeState;

use super::Batches;
use crate::db::{Connection, StoreError, Tx};
use crate::log::record::{EvidencePiece, LogRecord, VolumeChange, VolumeRecord};
use crate::log::{LogState, lock_head};
use crate::record::pending::PendingVolume;
use crate::record::types::{NewVolume, RecordError};
use crate::registry::volumes::registered;
use crate::volumes::{Effect, act};

/// What an action comes to.
enum Decided {
    /// A change, to be recorded.
    Record(Box<VolumeRecord>),
    /// Nothing changes.
    Unchanged(Result<VolumeState, RecordError>),
}

impl Batches {
    /// Carries out an action on a volume, in a transaction of its own.
    pub(super) async fn volume(&mut self, PendingVolume { new, answer }: PendingVolume) {
        let result = match self.write_volume(&new).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(event = "record.volume_failed", %error);
                Err(RecordError::Unknown)
            }
        };
        answer.give(result);
    }

    async fn write_volume(
        &mut self,
        new: &NewVolume,
    ) -> Result<Result<VolumeState, RecordError>, StoreError> {
        let mut connection = self.connection().await?;
        let written = self.write_volume_on(&mut connection, new).await;
        self.give_back(connection, written.is_ok());
        written
    }

    async fn write_volume_on(
        &mut self,
        connection: &mut Connection,
        new: &NewVolume,
    ) -> Result<Result<VolumeState, RecordError>, StoreError> {
        let mut tx = self.log.pools.write_on(connection, "volume").await?;
        let state = lock_head(&mut tx, &self.log.keyring, &self.log.pins.state()).await?;
        match self.decide(&mut tx, state.epoch, new).await? {
            Decided::Record(record) => self.append_volume(tx, state, new, *record).await.map(Ok),
            Decided::Unchanged(result) => {
                tx.rollback().await?;
                Ok(result)
            }
        }
    }

    /// Spends the nonce of an action that changes something.
    async fn decide(
        &self,
        connection: &mut Connection,
        epoch: u64,
        new: &NewVolume,
    ) -> Result<Decided, StoreError> {
        let unchanged = |result| Ok(Decided::Unchanged(result));
        if new.epoch != epoch {
            return unchanged(Err(RecordError::EpochMoved { epoch }));
        }
        let volume = new.volume();
        let last = registered(connection, &self.log.keyring, &self.log.pins, &volume).await?;
        let state = match act(&volume, last.as_ref().map(|last| (last.state, last.changes)), &new.action) {
            Ok(Effect::Changed(state)) => state,
            Ok(Effect::Unchanged(state)) => return unchanged(Ok(state)),
            Err(refusal) => return unchanged(Err(refusal.into())),
        };
        if !self.spend_once(connection, (new.nonce, new.nonce_expires_at)).await? {
            return unchanged(Err(RecordError::NonceSpent));
        }
        Ok(Decided::Record(Box::new(record_of(new, last.as_ref(), state))))
    }

    async fn append_volume(
        &mut self,
        tx: Tx<'_>,
        state: LogState,
        new: &NewVolume,
        record: VolumeRecord,
    ) -> Result<VolumeState, StoreError> {
        let (volume, registered) = (record.volume(), record.state);
        let nonce = (new.nonce, new.nonce_expires_at);
        self.append_alone(tx, state, &LogRecord::Volume(record), &new.evidence, nonce).await?;
        self.note_volumes([volume]);
        Ok(registered)
    }
}

/// The record of an action, after which `state` is registered.
fn record_of(new: &NewVolume, last: Option<&VolumeRecord>, state: VolumeState) -> VolumeRecord {
    let change = match new.action {
        VolumeAction::RegisterVolume { .. } => VolumeChange::Registered,
        VolumeAction::AdvanceVolume { .. } => VolumeChange::Advanced,
    };
    VolumeRecord {
        at: new.at,
        binding: Some(new.binding.clone()),
        change,
        changes: last.map_or(0, |last| last.changes).saturating_add(1),
        claims: new.claims,
        decision: new.decision,
        epoch: new.epoch,
        evidence: new.evidence.iter().map(EvidencePiece::reference).collect(),
        guardrails: Some(new.guardrails),
        instance: new.instance.clone(),
        nonce: new.nonce,
        path: new.action.path().clone(),
        peer: new.peer,
        policy: new.policy.clone(),
        policy_digest: new.policy_digest,
        registered_at: last.map_or(new.at, |last| last.registered_at),
        state,
    }
}
