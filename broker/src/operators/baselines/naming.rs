//! The policies that a change of a baseline concerns.

use vouchsafe_protocol::ObjectName;

use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::problem::HttpProblem;

/// The policies that name a baseline and that the operator may read.
pub(in crate::operators) async fn naming(
    broker: &Broker,
    principal: &Principal,
    baseline: &ObjectName,
) -> Result<Vec<ObjectName>, HttpProblem> {
    let readable = principal.permits(Act::ReadObjects);
    Ok(broker.keystore.permitted_lists(&readable).policies_naming(baseline).await?)
}
