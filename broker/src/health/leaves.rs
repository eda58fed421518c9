//! Whether the decision log in the database is the one that its head stands for: checked in the background after the start, which only
//! counts the records, and then once a day.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vouchsafe_keystore::StoreError;

use super::probe;
use crate::broker::Broker;

/// Checks until the broker is dropped, or the log was found to be damaged.
pub(crate) fn watch(broker: &Arc<Broker>) {
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        while let Some(broker) = broker.upgrade() {
            let next = match check(&broker).await {
                Checked::Sound => DAY,
                Checked::Unknown => AGAIN,
                Checked::Damaged => return,
            };
            drop(broker);
            tokio::time::sleep(next).await;
        }
    });
}

enum Checked {
    Sound,
    Damaged,
    /// The database did not answer.
    Unknown,
}

async fn check(broker: &Arc<Broker>) -> Checked {
    let (began, size) = (Instant::now(), broker.keystore.checkpoint().size);
    let error = match broker.keystore.verify_leaves().await {
        Ok(true) => {
            let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(event = "log.verified", size, elapsed_ms);
            return Checked::Sound;
        }
        Ok(false) => None,
        Err(error @ StoreError::RowTampered { .. }) => Some(error),
        Err(error) => {
            tracing::warn!(event = "log.not_verified", %error);
            return Checked::Unknown;
        }
    };
    let error = error.map(tracing::field::display);
    tracing::error!(
        event = "log.damaged",
        size,
        error,
        "the hashes of the records do not give the head of the decision log: `vouchsafe audit verify` says which record was changed"
    );
    broker.readiness.set_log_damaged();
    probe(broker).await;
    Checked::Damaged
}

const DAY: Duration = Duration::from_hours(24);
const AGAIN: Duration = Duration::from_mins(1);
