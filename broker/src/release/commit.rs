//! Waits until an action is recorded, and decides again if something changed meanwhile.

use tokio::sync::oneshot;
use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::record::RecordError;

use super::error::{Failure, ReleaseError};
use crate::attested::{Request, Verified};
use crate::broker::Broker;
use crate::pool::{Lane, PoolError};
use crate::traces::{Step, Trace};

/// What is done for a verified request: prepared, then recorded.
pub(super) trait Action: 'static {
    /// What is ready to be recorded.
    type Prepared;
    /// The result, once it is recorded.
    type Done: Send + 'static;

    /// Decides and prepares.
    fn prepare(verified: Verified) -> Result<Self::Prepared, Failure>;

    /// Records, and calls `then` with the result.
    fn record(
        prepared: Self::Prepared,
        keystore: &Keystore,
        then: impl FnOnce(Verified, Result<Self::Done, RecordError>) + Send + 'static,
    );
}

/// Verifies the request, and returns the result of its action once that is recorded.
pub(super) async fn commit<A: Action>(
    broker: &Broker,
    request: Request,
) -> Result<(Verified, A::Done), Failure> {
    let (lane, trace) = (request.lane(), request.trace().clone());
    let mut recorded = record::<A>(broker, lane, &trace, move || A::prepare(request.verify()?)).await?;
    let mut decisions = 1;
    loop {
        let (verified, result) = recorded;
        match result {
            Ok(done) => return Ok((verified, done)),
            Err(RecordError::EpochMoved { .. }) if decisions < MAX_DECISIONS => {
                broker.metrics.redecided.inc();
                decisions += 1;
                let lane = verified.session().lane();
                recorded = record::<A>(broker, lane, &trace, move || A::prepare(verified)).await?;
            }
            Err(RecordError::EpochMoved { .. }) => {
                return Err(Failure::new(ReleaseError::KeepsChanging, verified.context()));
            }
            // A policy has admitted this VM or its owner, so it is worth a durable record.
            Err(error @ (RecordError::Volume(_) | RecordError::Proposal(_))) => {
                return Err(Failure::new(error, verified.context_with_evidence()));
            }
            Err(error) => return Err(Failure::new(error, verified.context())),
        }
    }
}

/// The request, and the result of recording what was prepared for it.
type Recorded<A> = (Verified, Result<<A as Action>::Done, RecordError>);

/// Prepares on the pool and records from there, so that this task is woken only once, at the end.
async fn record<A: Action>(
    broker: &Broker,
    lane: Lane,
    trace: &Trace,
    job: impl FnOnce() -> Result<A::Prepared, Failure> + Send + 'static,
) -> Result<Recorded<A>, Failure> {
    let (done, recorded) = oneshot::channel();
    let keystore = broker.keystore.clone();
    let (trace, waiting) = (trace.clone(), trace.step(Step::Wait));
    let job = move |turn: Result<(), PoolError>| {
        drop(waiting);
        // The connection is gone, and nothing has been spent yet.
        if done.is_closed() {
            return;
        }
        // If sending fails, the connection is gone.
        let _gone = match turn.map_err(Failure::from).and_then(|()| job()) {
            Ok(prepared) => {
                let recording = trace.step(Step::Record);
                return A::record(prepared, &keystore, move |verified, result| {
                    drop(recording);
                    let _gone = done.send(Ok((verified, result)));
                });
            }
            Err(failure) => done.send(Err(failure)),
        };
    };
    broker.pool.spawn(lane, job)?;
    recorded.await.map_err(|_| PoolError::Failed)?
}

/// How often a request is decided when operators' changes interfere.
const MAX_DECISIONS: usize = 4;
