//! A grant on its way to the database.

use super::sighting::Sighting;
use super::types::{NewGrant, RecordError};

/// A grant, with the callback for its result.
pub(crate) struct Pending {
    pub(crate) grant: NewGrant,
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) answer: Answer,
}

type Callback = Box<dyn FnOnce(Result<u64, RecordError>) + Send>;

/// Calls back with the result of a grant exactly once; if it is dropped without a result, with
/// [`RecordError::Unknown`].
pub(crate) struct Answer(Option<Callback>);

impl Answer {
    pub(crate) fn new(callback: impl FnOnce(Result<u64, RecordError>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    pub(crate) fn give(mut self, result: Result<u64, RecordError>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The writer ended without an answer, so whether the grant is recorded is unknown.
        if let Some(callback) = self.0.take() {
            callback(Err(RecordError::Unknown));
        }
    }
}
