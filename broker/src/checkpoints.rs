//! Signed checkpoints of the decision log in the broker's log: kept elsewhere, as logs are, they show later that the decision log
//! was cut off or rewritten (`vouchsafe audit verify`).
//!
//! At start, once a minute if there are new records, and at the end.

use std::sync::Arc;
use std::time::Duration;

use vouchsafe_protocol::Checkpoint;

use crate::broker::Broker;

/// Logs checkpoints until the broker is dropped.
pub(crate) fn watch(broker: &Arc<Broker>) {
    let mut logged = log(broker, None);
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ROUND).await;
            let Some(broker) = broker.upgrade() else { return };
            logged = log(&broker, Some(logged));
        }
    });
}

/// Logs the newest checkpoint, unless it is this one; returns it.
pub(crate) fn log(broker: &Broker, logged: Option<Checkpoint>) -> Checkpoint {
    let newest = broker.keystore.checkpoint();
    if logged != Some(newest) {
        let checkpoint = newest.sign(&broker.signing_key());
        tracing::info!(event = "log.checkpoint", size = newest.size, root = %newest.root, checkpoint);
    }
    newest
}

const ROUND: Duration = Duration::from_secs(60);
