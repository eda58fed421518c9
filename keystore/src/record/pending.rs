//! A grant on its way to the database.

use super::sighting::Sighting;
use super::types::{NewGrant, RecordError};

/// A grant and who waits for it.
pub(crate) struct Pending {
    pub(crate) grant: NewGrant,
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) answer: Answer,
}

type Callback = Box<dyn FnOnce(Result<u64, RecordError>) + Send>;

/// Tells whoever waits what became of a grant: once, and that it is not known when nothing else was said.
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
        // The writer ended while the grant was in its hands.
        if let Some(callback) = self.0.take() {
            callback(Err(RecordError::Unknown));
        }
    }
}
