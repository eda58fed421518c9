//! Errors of the API: always an RFC 9457 problem, whatever went wrong.
//!
//! A guest gets the code, the decision id and, under a valid challenge, the signature. The detail of a
//! problem is for operators only.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{DecisionId, ReasonCode};

use crate::random;

/// A problem, as an HTTP response.
#[derive(Debug)]
pub struct HttpProblem {
    problem: Box<Problem>,
    retry_after: Option<u32>,
    /// What a guest's problem does not say.
    reason: Option<String>,
}

impl HttpProblem {
    /// A problem with only its code.
    #[must_use]
    pub fn new(code: ReasonCode) -> Self {
        Problem::new(code).into()
    }

    /// A problem of the guests' listener: it has a decision id and no detail.
    #[must_use]
    pub fn for_guest(code: ReasonCode) -> Self {
        let mut problem = Problem::new(code);
        // Without randomness the answer has no id; nothing could be released then either.
        problem.decision = random::decision_id().ok();
        problem.into()
    }

    /// A problem of the operators' listener, with its detail.
    #[must_use]
    pub fn for_operator(code: ReasonCode, detail: impl Into<String>) -> Self {
        Problem::new(code).with_detail(detail).into()
    }

    /// Sets the id of a decision that already has one.
    #[must_use]
    pub fn under(mut self, decision: DecisionId) -> Self {
        self.problem.decision = Some(decision);
        self
    }

    /// Sets the time after which the same request may be sent again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Its body.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.problem).unwrap_or_default()
    }

    /// Notes the reason for operators, who see it under the decision's id. It is not sent.
    #[must_use]
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The reason for operators.
    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().or(self.problem.detail.as_deref()).unwrap_or(self.problem.code.title())
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        self.problem.code
    }
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
    /// A problem in the form for this audience.
    #[must_use]
    pub fn problem(self, code: ReasonCode, detail: impl Into<String>) -> HttpProblem {
        match self {
            Self::Guests => HttpProblem::for_guest(code).because(detail),
            Self::Operators => HttpProblem::for_operator(code, detail),
        }
    }
}

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), retry_after: None, reason: None }
    }
}

impl fmt::Display for HttpProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.problem.code, f)
    }
}

impl ResponseError for HttpProblem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if matches!(self.problem.code, ReasonCode::RequestTimeout | ReasonCode::RequestTooLarge) {
            // The rest of the body is not read.
            response.force_close();
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        response.content_type(Problem::MEDIA_TYPE).body(self.json())
    }
}
