//! Answers to operators, and routes that answer in their form.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage as _, HttpResponse, Resource, web};
use serde::Serialize;
use vouchsafe_protocol::ReasonCode;

use crate::api::operators::TOKEN_EXPIRES_IN;
use crate::methods::problem_for_other_methods;
use crate::problem::HttpProblem;

/// A route, whose answers also say when the token of the request ends.
pub(super) fn resource(
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
        .wrap(from_fn(|request, next| problem_for_other_methods(HttpProblem::new, request, next)))
        .wrap(from_fn(say_when_the_token_ends))
}

/// The end of the token that a request came with, noted when it was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenEnd {
    pub(super) seconds: u64,
}

async fn say_when_the_token_ends(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let end = response.request().extensions().get::<TokenEnd>().copied();
    if let Some(TokenEnd { seconds }) = end {
        let name = HeaderName::from_static(TOKEN_EXPIRES_IN);
        response.headers_mut().insert(name, HeaderValue::from(seconds));
    }
    Ok(response)
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
