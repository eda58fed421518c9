//! The decision log: recording and listing decisions, and the chips seen with grants.

use tokio::sync::oneshot;
use vouchsafe_protocol::DecisionId;
use vouchsafe_protocol::messages::VolumeState;

use crate::chips::{ChipEvent, Subject};
use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::log::record::{EvidencePiece, LogRecord};
use crate::log::{DecisionFilter, LoggedRecord};
use crate::record::health::GrantFailures;
use crate::record::pending::{Answer, Pending, PendingAction, PendingVolume};
use crate::record::sighting::Sighting;
use crate::record::types::{NewGrant, NewRefusal, NewVolume, RecordError};
use crate::registry::chips::{ChipFilter, SeenChip};
use crate::replay::{KeptPiece, evidence_of};

impl Keystore {
    /// Records a grant and spends its nonce; returns its index in the log. Secrets may only be sent after
    /// this.
    ///
    /// # Errors
    /// [`RecordError`]: the secrets must not leave.
    pub async fn record(&self, grant: NewGrant) -> Result<u64, RecordError> {
        let (answer, answered) = oneshot::channel();
        let pending = self.pending(grant, move |result| {
            // If this fails, the caller has been cancelled; the grant stays recorded.
            let _gone = answer.send(result);
        });
        self.0.recorder.grant(pending).await;
        answered.await.unwrap_or(Err(RecordError::Unknown))
    }

    /// As [`Self::record`], for a thread outside of any runtime: the thread that writes grants calls `then`
    /// with the result, exactly once, and waits for it. Blocks while too many grants are queued.
    pub fn record_then(&self, grant: NewGrant, then: impl FnOnce(Result<u64, RecordError>) + Send + 'static) {
        self.0.recorder.blocking_grant(self.pending(grant, then));
    }

    /// Records an action on a volume and spends its nonce; returns what is registered after it. An action that changes
    /// nothing is not recorded.
    ///
    /// # Errors
    /// [`RecordError`]: nothing has changed, unless it is unknown.
    pub async fn record_volume(&self, new: NewVolume) -> Result<VolumeState, RecordError> {
        let (answer, answered) = oneshot::channel();
        let pending = self.pending_volume(new, move |result| {
            // If this fails, the caller has been cancelled; the action stays recorded.
            let _gone = answer.send(result);
        });
        self.0.recorder.action(pending).await;
        answered.await.unwrap_or(Err(RecordError::Unknown))
    }

    /// As [`Self::record_volume`], for a thread outside of any runtime, like [`Self::record_then`].
    pub fn record_volume_then(
        &self,
        new: NewVolume,
        then: impl FnOnce(Result<VolumeState, RecordError>) + Send + 'static,
    ) {
        self.0.recorder.blocking_action(self.pending_volume(new, then));
    }

    fn pending_volume(
        &self,
        new: NewVolume,
        then: impl FnOnce(Result<VolumeState, RecordError>) + Send + 'static,
    ) -> PendingAction {
        let keystore = self.clone();
        let answer = Answer::new(move |result| {
            keystore.observe(&result);
            then(result);
        });
        PendingAction::Volume(Box::new(PendingVolume { new, answer }))
    }

    /// Notes what a result says about the database and about the epoch.
    pub(super) fn observe<T>(&self, result: &Result<T, RecordError>) {
        self.0.grants.observe(result);
        if let Err(RecordError::EpochMoved { epoch }) = result {
            self.0.registry.forget_before(*epoch);
        }
    }

    fn pending(
        &self,
        mut grant: NewGrant,
        then: impl FnOnce(Result<u64, RecordError>) + Send + 'static,
    ) -> Pending {
        grant.record.evidence = grant.evidence.iter().map(EvidencePiece::reference).collect();
        let keystore = self.clone();
        let answer = Answer::new(move |result| {
            keystore.observe(&result);
            then(result);
        });
        let sightings = Sighting::of(&grant.record, grant.chip.as_ref());
        Pending { grant, sightings, answer }
    }

    /// Number of grants that could not be recorded since the last success, for readiness.
    #[must_use]
    pub fn grant_failures(&self) -> Option<GrantFailures> {
        self.0.grants.failures()
    }

    /// Queues a refusal for the log; false if it was dropped, because its instance has used up its share of
    /// this hour or too many are queued.
    #[must_use]
    pub fn record_refusal(&self, mut refusal: NewRefusal) -> bool {
        refusal.record.evidence = refusal.evidence.iter().map(EvidencePiece::reference).collect();
        self.0.recorder.refusal(refusal)
    }

    /// Records of the log, the newest first; with `namespaces` those that name something in one of them.
    ///
    /// # Errors
    /// When the database fails or a leaf was changed.
    pub(crate) async fn decisions(
        &self,
        filter: &DecisionFilter,
        namespaces: Option<&[String]>,
    ) -> Result<Vec<LoggedRecord>, StoreError> {
        self.log().decisions(filter, namespaces).await
    }

    /// The record with this id.
    ///
    /// # Errors
    /// When the database fails or the leaf was changed.
    pub(crate) async fn decision(&self, id: DecisionId) -> Result<Option<LoggedRecord>, StoreError> {
        self.log().decision(id).await
    }

    /// The evidence of a decision, in the order of its record. `None` when it has no evidence, or a piece is
    /// missing.
    ///
    /// # Errors
    /// When the database fails, or a row was changed.
    pub(crate) async fn evidence_of(&self, record: &LogRecord) -> Result<Option<Vec<KeptPiece>>, StoreError> {
        evidence_of(self.log(), record).await
    }

    /// Chips by subject, newest first.
    ///
    /// # Errors
    /// When the database fails, or a row or the record of its grant was changed.
    pub(crate) async fn chips(&self, filter: &ChipFilter) -> Result<Vec<SeenChip>, StoreError> {
        self.0.registry.chips(filter).await
    }

    /// Has the thread that writes grants report new chips. Only the first call has an effect.
    pub fn watch_chips(&self, told: impl Fn(&Subject, ChipEvent) + Send + Sync + 'static) {
        self.0.chips.set(told)
    }
}
