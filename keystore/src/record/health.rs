//! Health of recent grants.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::types::RecordError;

/// Number of grants that could not be recorded since the last success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantFailures {
    /// Number of them.
    pub count: u64,
    /// When the last one failed.
    pub last: Instant,
}

/// Health of recent grants.
#[derive(Debug, Default)]
pub(crate) struct GrantHealth(Mutex<Option<GrantFailures>>);

impl GrantHealth {
    pub(crate) fn observe<T>(&self, result: &Result<T, RecordError>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *failures = match result {
            Ok(_) => None,
            Err(RecordError::Unknown | RecordError::Closed) => {
                let count = failures.map_or(0, |failures| failures.count).saturating_add(1);
                Some(GrantFailures { count, last: Instant::now() })
            }
            // These concern the request; the database works.
            Err(
                RecordError::NonceSpent
                | RecordError::EpochMoved { .. }
                | RecordError::Volume(_)
                | RecordError::Proposal(_),
            ) => return,
        };
    }

    pub(crate) fn failures(&self) -> Option<GrantFailures> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
