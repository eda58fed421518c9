//! An operator's request with a body.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::principal::{NoParameters, Principal, Queried};
use crate::body::{Body, BodyReader};
use crate::problem::HttpProblem;

/// The operator and the body. The token is checked first: without a valid one the body is discarded before
/// the answer is sent, since a client that is still sending would not see the answer. It is checked again after
/// the body, which can be long in coming: an operator who was removed meanwhile reads and imports nothing, and
/// the keystore looks at the account once more in the transaction of a change. This is one extractor because
/// actix-web runs a handler's extractors concurrently and answers with the first error.
pub(super) struct Submission {
    pub(super) principal: Principal,
    pub(super) body: Body,
}

/// A submission with parameters in its query.
pub(super) struct QueriedSubmission<Q> {
    pub(super) principal: Principal,
    pub(super) body: Body,
    pub(super) query: Q,
}

impl<Q: DeserializeOwned + 'static> FromRequest for QueriedSubmission<Q> {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpProblem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let first = Queried::<Q>::from_request(request, payload);
        let again = Queried::<Q>::from_request(request, payload);
        let reader = BodyReader::from_request(request, payload);
        Box::pin(async move {
            match first.await {
                Ok(_) => {
                    let body = reader.await?.whole().await?;
                    let Queried { principal, query } = again.await?;
                    Ok(Self { principal, body, query })
                }
                Err(problem) => {
                    // Without a usable length there is nothing to discard.
                    if let Ok(reader) = reader.await {
                        reader.discard().await;
                    }
                    Err(problem)
                }
            }
        })
    }
}

impl FromRequest for Submission {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpProblem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let queried = QueriedSubmission::<NoParameters>::from_request(request, payload);
        Box::pin(async move {
            let QueriedSubmission { principal, body, query: NoParameters {} } = queried.await?;
            Ok(Self { principal, body })
        })
    }
}
