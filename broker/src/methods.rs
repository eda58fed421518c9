//! 405: the answer to a method that a route does not have.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::ALLOW;
use actix_web::middleware::Next;
use vouchsafe_protocol::ReasonCode;

use crate::problem::HttpProblem;

/// Makes a problem out of actix's own answer, which has no body. Its `Allow` (RFC 9110 §15.5.6) stays: it is made from the
/// methods that the route has. No handler answers 405.
pub(crate) async fn problem_for_other_methods<B: MessageBody + 'static>(
    problem: fn(ReasonCode) -> HttpProblem,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = next.call(request).await?;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return Ok(response.map_into_left_body());
    }
    let allowed = response.headers().get(ALLOW).cloned();
    let mut response = response.error_response(problem(ReasonCode::MethodNotAllowed));
    if let Some(allowed) = allowed {
        response.headers_mut().insert(ALLOW, allowed);
    }
    Ok(response.map_into_right_body())
}
