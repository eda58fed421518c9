//! The query of a guest's request: no route takes one.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use vouchsafe_protocol::ReasonCode;

use crate::problem::HttpProblem;

/// A request without a query. What is in one would be ignored, and whoever sent it would not know.
pub(super) struct NoQuery;

impl FromRequest for NoQuery {
    type Error = HttpProblem;
    type Future = Ready<Result<Self, HttpProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is_empty = request.query_string().is_empty();
        ready(is_empty.then_some(Self).ok_or_else(|| HttpProblem::for_guest(ReasonCode::MalformedRequest)))
    }
}
