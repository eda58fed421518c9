//! Reports the durations of transactions.

use std::sync::OnceLock;
use std::time::Duration;

/// Duration of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Its name, such as `change`.
    pub name: &'static str,
    /// Number of retries of its begin.
    pub retries: u32,
    /// From begin to end, including the wait for a connection.
    pub took: Duration,
}

/// Called with every [`TransactionEnd`].
type Callback = Box<dyn Fn(TransactionEnd) + Send + Sync>;

/// The callback for measurements.
#[derive(Default)]
pub(crate) struct TxWatch(pub(super) OnceLock<Callback>);

impl TxWatch {
    /// Sets the callback. Later calls have no effect.
    pub(crate) fn set(&self, callback: impl Fn(TransactionEnd) + Send + Sync + 'static) {
        // An error means that one is already set.
        let _set = self.0.set(Box::new(callback));
    }
}

impl std::fmt::Debug for TxWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxWatch").finish_non_exhaustive()
    }
}
