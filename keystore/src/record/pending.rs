//! A grant, an action on a volume or a proposal for a baseline, on its way to the database.

use vouchsafe_protocol::messages::{ProposalState, VolumeState};

use super::sighting::Sighting;
use super::types::{NewGrant, NewProposal, NewVolume, RecordError};

/// A grant, with the callback for its result.
pub(crate) struct Pending {
    pub(crate) grant: NewGrant,
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) answer: Answer,
}

/// An action on a volume, with the callback for its result.
pub(crate) struct PendingVolume {
    pub(crate) new: NewVolume,
    pub(crate) answer: Answer<VolumeState>,
}

/// A proposal for a baseline, with the callback for its result.
pub(crate) struct PendingProposal {
    pub(crate) new: NewProposal,
    pub(crate) answer: Answer<ProposalState>,
}

/// An action with a transaction of its own.
pub(crate) enum PendingAction {
    Volume(Box<PendingVolume>),
    Proposal(Box<PendingProposal>),
}

impl PendingAction {
    /// Calls back with an error.
    pub(crate) fn fail(self, error: RecordError) {
        match self {
            Self::Volume(pending) => pending.answer.give(Err(error)),
            Self::Proposal(pending) => pending.answer.give(Err(error)),
        }
    }
}

type Callback<T> = Box<dyn FnOnce(Result<T, RecordError>) + Send>;

/// Calls back with the result exactly once; if it is dropped without a result, with
/// [`RecordError::Unknown`].
pub(crate) struct Answer<T = u64>(Option<Callback<T>>);

impl<T> Answer<T> {
    pub(crate) fn new(callback: impl FnOnce(Result<T, RecordError>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    pub(crate) fn give(mut self, result: Result<T, RecordError>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        // The writer ended without an answer, so whether anything is recorded is unknown.
        if let Some(callback) = self.0.take() {
            callback(Err(RecordError::Unknown));
        }
    }
}
