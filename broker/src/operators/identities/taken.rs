//! After a step: the broker uses the identities as they are now.

use std::sync::Arc;

use vouchsafe_protocol::ReasonCode;

use crate::broker::Broker;
use crate::problem::HttpProblem;

/// Has the broker use what a step has made of its identities.
pub(in crate::operators) async fn read_again(broker: &Arc<Broker>) -> Result<(), HttpProblem> {
    broker.observe_identities().await.map_err(|error| {
        let detail = format!(
            "the step is taken, but this broker has not read it, and goes on as before: {error}. It reads the identities again with each \
             probe of readiness; its log has identity.not_read"
        );
        HttpProblem::for_operator(ReasonCode::Unavailable, detail)
    })
}
