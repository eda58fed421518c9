//! The operators' listener: secrets, policies, baselines and proposals for them, guardrails, decisions, chips, volumes, collateral,
//! operators, the keyring.
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
mod identities;
mod keyring;
pub(crate) mod logins;
mod metrics;
mod policies;
mod principal;
mod proposals;
mod query;
mod respond;
mod secrets;
mod submission;
mod volumes;

use actix_web::web::{self, ServiceConfig};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;

use crate::body::BodyLimits;
use crate::broker::Broker;
use crate::health;
use crate::problem::Audience;
use respond::{refuse, resource};

/// The routes of the operators' listener.
pub fn configure(_: &Broker, app: &mut ServiceConfig) {
    app.app_data(BodyLimits { size: MAX_REQUEST, audience: Audience::Operators });
    for routes in [
        secrets::configure,
        policies::configure,
        baselines::configure,
        proposals::configure,
        guardrails::configure,
        decisions::configure,
        chips::configure,
        volumes::configure,
        accounts::configure,
    ] {
        routes(app);
    }
    collateral::configure(app);
    identities::configure(app);
    keyring::configure(app);
    app.service(resource("/metrics").route(web::get().to(metrics::get)))
        .service(resource("/livez").route(web::get().to(health::livez)))
        .service(resource("/readyz").route(web::get().to(health::readyz)))
        .default_service(web::to(|| async { refuse(ReasonCode::NoSuchRoute) }));
}

#[cfg(test)]
mod tests;
