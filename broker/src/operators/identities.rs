//! `/v1/identities`: one file per route.

mod add;
mod list;
mod promote;
mod remove;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use vouchsafe_protocol::ReasonCode;

use super::respond::resource;
use crate::broker::Broker;
use crate::problem::HttpProblem;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/identities").route(web::get().to(list::get)))
        .service(resource("/v1/identities/add").route(web::post().to(add::post)))
        .service(resource("/v1/identities/promote").route(web::post().to(promote::post)))
        .service(resource("/v1/identities/remove").route(web::post().to(remove::post)));
}

/// Has the broker use what a step has made of its identities.
pub(super) async fn read_again(broker: &Arc<Broker>) -> Result<(), HttpProblem> {
    broker.observe_identities().await.map_err(|error| {
        let detail = format!(
            "the step is taken, but this broker has not read it, and goes on as before: {error}. It reads the identities again with each \
             probe of readiness; its log has identity.not_read"
        );
        HttpProblem::for_operator(ReasonCode::Unavailable, detail)
    })
}
