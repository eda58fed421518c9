//! Waits until a grant is recorded, and decides again if something changed meanwhile.

use tokio::sync::oneshot;
use vouchsafe_keystore::record::RecordError;
use vouchsafe_protocol::messages::ReleaseAnswer;

use super::error::{Failure, ReleaseError};
use super::pipeline::{Prepared, prepare};
use crate::attested::{Request, Verified};
use crate::broker::Broker;
use crate::pool::PoolError;

/// Verifies the request, and returns its answer once the grant for it is recorded.
pub(super) async fn commit(broker: &Broker, request: Request) -> Result<ReleaseAnswer, Failure> {
    let mut recorded = record(broker, move || prepare(request.verify()?)).await?;
    let mut decisions = 1;
    loop {
        let Recorded { verified, answer, result } = recorded;
        match result {
            Ok(_) => return Ok(answer),
            Err(RecordError::EpochMoved { .. }) if decisions < MAX_DECISIONS => {
                broker.metrics.redecided.inc();
                decisions += 1;
                recorded = record(broker, move || prepare(verified)).await?;
            }
            Err(RecordError::EpochMoved { .. }) => {
                return Err(Failure::new(ReleaseError::KeepsChanging, verified.context()));
            }
            Err(error) => return Err(Failure::new(error, verified.context())),
        }
    }
}

/// The result of recording a prepared answer.
struct Recorded {
    verified: Verified,
    answer: ReleaseAnswer,
    result: Result<u64, RecordError>,
}

/// Prepares an answer on the pool and records its grant from there, so that this task is woken only once, at
/// the end.
async fn record(
    broker: &Broker,
    job: impl FnOnce() -> Result<Prepared, Failure> + Send + 'static,
) -> Result<Recorded, Failure> {
    let (done, recorded) = oneshot::channel();
    let keystore = broker.keystore.clone();
    let job = move || {
        // The connection is gone, and nothing has been spent yet.
        if done.is_closed() {
            return;
        }
        // If sending fails, the connection is gone.
        let _gone = match job() {
            Ok(Prepared { verified, grant, answer }) => {
                return keystore.record_then(grant, move |result| {
                    let _gone = done.send(Ok(Recorded { verified, answer, result }));
                });
            }
            Err(failure) => done.send(Err(failure)),
        };
    };
    broker.pool.spawn(job)?;
    recorded.await.map_err(|_| PoolError::Failed)?
}

/// How often a release is decided when operators' changes interfere.
const MAX_DECISIONS: usize = 4;
