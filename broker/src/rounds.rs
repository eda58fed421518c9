//! What the broker looks at every ten minutes, and announces in its log at start and once a day.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Broker;

/// Looks again and again, until the broker is dropped. `look` is told whether to announce what it finds.
pub(crate) fn watch<F: Future<Output = ()> + Send>(
    broker: &Arc<Broker>,
    look: impl Fn(Arc<Broker>, bool) -> F + Send + 'static,
) {
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        let mut rounds = (0..PER_DAY).cycle();
        while let Some(round) = rounds.next()
            && let Some(broker) = broker.upgrade()
        {
            look(broker, round == 0).await;
            tokio::time::sleep(ROUND).await;
        }
    });
}

const ROUND: Duration = Duration::from_secs(600);
const PER_DAY: u32 = 144;
