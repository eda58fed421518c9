//! Authority: who asks, proved by a token, and what they may do.
//!
//! A handler that does not take an [`Operator`] cannot act for one, and there is no other way to get one.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use vouchsafe_keystore::store::{Authority, By, Operator as Account};
use vouchsafe_policy::operators::{OperatorIdentity, WHOLE_BROKER, authorize_operator};
use vouchsafe_protocol::{ReasonCode, UnixTime};

use crate::broker::Broker;
use crate::clock;
use crate::problem::HttpProblem;

pub(crate) use vouchsafe_policy::operators::OperatorAction as Act;

/// An operator who showed a valid token with this request.
#[derive(Debug)]
pub(crate) struct Operator {
    identity: OperatorIdentity,
    authority: Authority,
    at: UnixTime,
}

impl Operator {
    /// Who changes something, and when, for the record.
    pub(crate) fn by(&self) -> By<'_> {
        By { operator: &self.identity.name, authority: Some(&self.authority), at: self.at }
    }

    /// Whether the operator may do this there, by the operators' policy.
    pub(crate) fn may(&self, act: Act, namespace: &str) -> bool {
        authorize_operator(&self.identity, act, namespace).is_ok()
    }

    /// The namespaces in which the operator may do this; `None` where that is everywhere.
    pub(crate) fn namespaces(&self, act: Act) -> Option<Vec<String>> {
        let may = |namespace: &&String| self.may(act, namespace);
        (!self.may_everywhere(act)).then(|| self.identity.namespaces.iter().filter(may).cloned().collect())
    }

    /// As [`Operator::may`], for what concerns the whole broker.
    pub(crate) fn may_everywhere(&self, act: Act) -> bool {
        self.may(act, WHOLE_BROKER)
    }

    /// Goes on only when the operator may.
    pub(crate) fn must(&self, act: Act, namespace: &str) -> Result<(), HttpProblem> {
        authorize_operator(&self.identity, act, namespace).map_err(|error| {
            tracing::warn!(event = "operator.forbidden", operator = self.identity.name, action = %act);
            HttpProblem::for_operator(ReasonCode::Forbidden, error.to_string())
        })
    }

    /// As [`Operator::must`], for what concerns the whole broker.
    pub(crate) fn must_everywhere(&self, act: Act) -> Result<(), HttpProblem> {
        self.must(act, WHOLE_BROKER)
    }
}

impl FromRequest for Operator {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpProblem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let broker = request.app_data::<Data<Broker>>().cloned();
        let token = bearer(request).map(str::to_owned);
        Box::pin(async move {
            let broker = broker.ok_or_else(|| HttpProblem::new(ReasonCode::Internal))?;
            let token = token.ok_or_else(|| unauthorized("there is no bearer token with this request"))?;
            let account = broker.keystore.authenticate(&token).await?;
            let account = account.ok_or_else(|| unauthorized("invalid or revoked operator token"))?;
            let authority = account.authority();
            Ok(Self { identity: identity(account), authority, at: clock::now() })
        })
    }
}

fn identity(account: Account) -> OperatorIdentity {
    OperatorIdentity {
        name: account.name,
        role: account.role,
        namespaces: account.namespaces.into_iter().collect(),
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    // Two headers would leave it open which one counts.
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()?.strip_prefix("Bearer ")
}

fn unauthorized(detail: &str) -> HttpProblem {
    HttpProblem::for_operator(ReasonCode::Unauthorized, detail)
}
