//! A request's body: bounded in size before it is read and in time while it is read.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use vouchsafe_protocol::ReasonCode;

use crate::problem::HttpProblem;

/// What bodies of a listener may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes.
    pub size: usize,
    /// From the first byte to the last.
    pub time: Duration,
    /// The detail of problems is for operators; guests get a decision id.
    pub audience: Audience,
}

/// Who reads the answers of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// VMs.
    Guests,
    /// Operators.
    Operators,
}

impl Audience {
    /// A problem as this audience is told it.
    #[must_use]
    pub fn problem(self, code: ReasonCode, detail: impl Into<String>) -> HttpProblem {
        match self {
            Self::Guests => HttpProblem::for_guest(code),
            Self::Operators => HttpProblem::for_operator(code, detail),
        }
    }
}

/// The bytes of a body.
#[derive(Debug)]
pub struct Body {
    bytes: Bytes,
    audience: Audience,
}

impl Body {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The JSON in it.
    ///
    /// # Errors
    /// `malformed-request`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpProblem> {
        self.parse().map_err(|error| self.audience.problem(ReasonCode::MalformedRequest, error.to_string()))
    }

    /// The JSON in it, of which an error repeats nothing: some of it is a secret.
    ///
    /// # Errors
    /// `malformed-request`.
    pub fn secret_json<T: DeserializeOwned>(&self) -> Result<T, HttpProblem> {
        self.parse().map_err(|error| {
            let place = format!("malformed at line {}, column {}", error.line(), error.column());
            self.audience.problem(ReasonCode::MalformedRequest, place)
        })
    }

    /// The JSON in it, with the parser's own words for what is wrong.
    ///
    /// # Errors
    /// Those of the parser.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.audience == Audience::Operators {
            // It may have been a secret. Where the bytes are shared, whoever shares them is done with them.
            if let Ok(mut bytes) = std::mem::take(&mut self.bytes).try_into_mut() {
                let bytes: &mut BytesMut = &mut bytes;
                zeroize::Zeroize::zeroize(&mut bytes[..]);
            }
        }
    }
}

impl FromRequest for Body {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpProblem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.app_data::<BodyLimits>().copied();
        let announced = announced_length(request);
        let payload = web::Payload::from_request(request, payload);
        Box::pin(async move {
            let limits = limits.ok_or_else(|| HttpProblem::new(ReasonCode::Internal))?;
            let problem = |code| limits.audience.problem(code, format!("{code}"));
            if announced.is_some_and(|length| length > limits.size) {
                return Err(problem(ReasonCode::RequestTooLarge));
            }
            let payload = payload.await.map_err(|_| problem(ReasonCode::MalformedRequest))?;
            let read = tokio::time::timeout(limits.time, payload.to_bytes_limited(limits.size)).await;
            let read = read.map_err(|_| problem(ReasonCode::RequestTimeout))?;
            let bytes = read.map_err(|_| problem(ReasonCode::RequestTooLarge))?;
            let bytes = bytes.map_err(|_| problem(ReasonCode::MalformedRequest))?;
            Ok(Self { bytes, audience: limits.audience })
        })
    }
}

fn announced_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
