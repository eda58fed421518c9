//! The operators' listener: secrets, policies, baselines, guardrails, decisions, chips, collateral, operators.
//!
//! Every handler except health and metrics takes a `Principal`, which can only be made from a valid token,
//! and asks it for a `Permit` before anything is read or written. Objects are named in the query or in the
//! JSON body, never in the path of the URL. Values of secrets are accepted and never returned.

mod accounts;
mod baselines;
mod chips;
mod collateral;
mod decisions;
mod failure;
mod guardrails;
mod metrics;
mod policies;
mod principal;
mod query;
mod secrets;
mod submission;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;

use crate::body::{Audience, BodyLimits};
use crate::broker::Broker;
use crate::health;
use crate::problem::HttpProblem;

pub(crate) use principal::Principal;
pub(crate) use query::Query;
use submission::Submission;

/// The routes of the operators' listener.
pub fn configure(_: &Broker, app: &mut ServiceConfig) {
    app.app_data(BodyLimits { size: MAX_REQUEST, audience: Audience::Operators });
    for routes in [
        secrets::configure,
        policies::configure,
        baselines::configure,
        guardrails::configure,
        decisions::configure,
        chips::configure,
        accounts::configure,
    ] {
        routes(app);
    }
    collateral::configure(app);
    app.service(resource("/metrics").route(web::get().to(metrics::get)))
        .service(resource("/livez").route(web::get().to(health::livez)))
        .service(resource("/readyz").route(web::get().to(health::readyz)))
        .default_service(web::to(|| async { refuse(ReasonCode::NoSuchRoute) }));
}

fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(|| async { refuse(ReasonCode::MethodNotAllowed) }))
}

fn refuse(code: ReasonCode) -> Result<HttpResponse, HttpProblem> {
    Err(HttpProblem::new(code))
}

fn answer(body: &impl Serialize) -> Result<HttpResponse, HttpProblem> {
    Ok(HttpResponse::Ok().json(body))
}

/// Runs blocking work on a thread pool, so that the listener's own threads can serve other requests.
async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, HttpProblem>
where
    HttpProblem: From<E>,
{
    match web::block(work).await {
        Ok(done) => Ok(done?),
        // The work panicked, which is a bug.
        Err(_) => Err(HttpProblem::new(ReasonCode::Internal)),
    }
}

/// The answer to a change without a result: 204.
fn done() -> Result<HttpResponse, HttpProblem> {
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests;
