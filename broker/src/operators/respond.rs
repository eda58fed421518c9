//! Answers to operators, and routes that answer in their form.

use actix_web::HttpResponse;
use actix_web::web;
use serde::Serialize;
use vouchsafe_protocol::ReasonCode;

use crate::problem::HttpProblem;

pub(super) fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(|| async { refuse(ReasonCode::MethodNotAllowed) }))
}

pub(super) fn refuse(code: ReasonCode) -> Result<HttpResponse, HttpProblem> {
    Err(HttpProblem::new(code))
}

pub(super) fn answer(body: &impl Serialize) -> Result<HttpResponse, HttpProblem> {
    Ok(HttpResponse::Ok().json(body))
}

/// Runs blocking work on a thread pool, so that the listener's threads can handle other requests.
pub(super) async fn blocking<T: Send + 'static, E: Send + 'static>(
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
pub(super) fn done() -> Result<HttpResponse, HttpProblem> {
    Ok(HttpResponse::NoContent().finish())
}
