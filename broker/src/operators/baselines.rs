//! `/v1/baselines`: one file per route.

mod list;
mod put;
mod revoke;
mod show;

use actix_web::web::{self, ServiceConfig};
use vouchsafe_protocol::ObjectName;

use super::principal::Act;
use super::{Principal, resource};
use crate::broker::Broker;
use crate::problem::HttpProblem;

/// The policies that name a baseline and that the operator may read.
async fn naming(
    broker: &Broker,
    principal: &Principal,
    baseline: &ObjectName,
) -> Result<Vec<ObjectName>, HttpProblem> {
    let mut policies = broker.keystore.policies_naming(baseline).await?;
    policies.retain(|policy| principal.may(Act::ReadObjects, policy.namespace()));
    Ok(policies)
}

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/baselines").route(web::get().to(list::get)))
        .service(resource("/v1/baselines/show").route(web::get().to(show::get)))
        .service(resource("/v1/baselines/put").route(web::post().to(put::post)))
        .service(resource("/v1/baselines/revoke").route(web::post().to(revoke::post)));
}
