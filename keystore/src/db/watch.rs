//! Who is told how long transactions take.

use std::sync::OnceLock;
use std::time::Duration;

/// What a transaction took, from its begin to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Its name, such as `change`.
    pub name: &'static str,
    /// How often its begin was tried again.
    pub retries: u32,
    /// From begin to end, with the wait for a connection.
    pub took: Duration,
}

/// Is told of every [`TransactionEnd`].
type Callback = Box<dyn Fn(TransactionEnd) + Send + Sync>;

/// Whoever measures.
#[derive(Default)]
pub(crate) struct TxWatch(pub(super) OnceLock<Callback>);

impl TxWatch {
    /// The first callback counts, others are dropped.
    pub(crate) fn set(&self, callback: impl Fn(TransactionEnd) + Send + Sync + 'static) {
        // There is one already when this fails.
        let _set = self.0.set(Box::new(callback));
    }
}

impl std::fmt::Debug for TxWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxWatch").finish_non_exhaustive()
    }
}
