//! The guests' listener. Every error is a problem with a decision id and without a detail.

mod challenge;
mod info;
mod proposals;
mod query;
mod release;
mod request;
mod succession;
mod volumes;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, Resource};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;

use crate::body::BodyLimits;
use crate::broker::Broker;
use crate::health;
use crate::methods::problem_for_other_methods;
use crate::problem::{Audience, HttpProblem};

/// The routes of the guests' listener.
pub fn configure(_: &Broker, app: &mut ServiceConfig) {
    let limits = BodyLimits { size: MAX_REQUEST, audience: Audience::Guests };
    app.app_data(limits)
        .service(resource("/v1/challenge").route(web::post().to(challenge::post)))
        .service(resource("/v1/release").route(web::post().to(release::post)))
        .service(resource("/v1/volumes").route(web::post().to(volumes::post)))
        .service(resource("/v1/baseline-proposals").route(web::post().to(proposals::post)))
        .service(resource("/v1/info").route(web::get().to(info::get)))
        .service(resource("/v1/succession").route(web::get().to(succession::get)))
        .service(resource("/livez").route(web::get().to(health::livez)))
        .service(resource("/readyz").route(web::get().to(health::readyz)))
        .default_service(web::to(|| async { refuse(ReasonCode::NoSuchRoute) }));
}

fn resource(
    path: &str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    web::resource(path)
        .wrap(from_fn(|request, next| problem_for_other_methods(HttpProblem::for_guest, request, next)))
}

fn refuse(code: ReasonCode) -> Result<actix_web::HttpResponse, HttpProblem> {
    Err(HttpProblem::for_guest(code))
}

#[cfg(test)]
mod tests;
