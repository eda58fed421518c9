//! Authentication by token, and authorization.
//!
//! A handler acts for an operator only through a [`Principal`], which cannot be obtained in any other way. It
//! gives a [`Permit`] for one action in one namespace, or [`Permits`] for lists: every change and read of the
//! keystore requires one.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use vouchsafe_keystore::registry::{Actor, Login, LoginError};
use vouchsafe_policy::operators::{Permit, Permits, WHOLE_BROKER, authorize_operator, operator_permits};
use vouchsafe_protocol::{Digest32, ReasonCode, UnixTime};

use super::failure::{expired_token, invalid_token};
use super::query;
use super::respond::TokenEnd;
use crate::broker::Broker;
use crate::clock;
use crate::problem::HttpProblem;
use crate::server::client::Client;
use crate::traces::Trace;

pub(crate) use vouchsafe_policy::operators::OperatorAction as Act;

/// An operator who presented a valid token with this request, whose query is empty.
#[derive(Debug)]
pub(crate) struct Principal {
    login: Login,
    peer: Option<IpAddr>,
    /// When the token was checked.
    pub(crate) at: UnixTime,
}

impl Principal {
    /// The actor and time of a change under this permit, for the record.
    pub(crate) fn by<'p>(&self, permit: &'p Permit) -> Actor<'p> {
        Actor::permitted(permit, self.at).connected_from(self.peer)
    }

    /// The actor of a change that every operator may make: to replace the token of this request.
    pub(super) fn by_token(&self) -> Actor<'_> {
        Actor::own(&self.login, self.at).connected_from(self.peer)
    }

    /// The operator's name.
    pub(super) fn name(&self) -> &str {
        &self.login.identity().name
    }

    /// The permits for this action, for answers that omit what the operator may not see instead of failing.
    pub(crate) fn permits(&self, act: Act) -> Permits {
        operator_permits(self.login.identity(), act)
    }

    /// The permit for this action in this namespace, or a 403.
    pub(crate) fn authorize(&self, act: Act, namespace: &str) -> Result<Permit, HttpProblem> {
        authorize_operator(self.login.identity(), act, namespace).map_err(|error| {
            let peer = self.peer.map(tracing::field::display);
            tracing::warn!(event = "operator.forbidden", operator = self.name(), action = %act, peer);
            HttpProblem::for_operator(ReasonCode::Forbidden, error.to_string())
        })
    }

    /// As [`Principal::authorize`], for an action on the whole broker.
    pub(crate) fn authorize_everywhere(&self, act: Act) -> Result<Permit, HttpProblem> {
        self.authorize(act, WHOLE_BROKER)
    }
}

/// An operator, and the query of the request. There is no other way to it, so that it is parsed under a valid token only;
/// and no query is ignored, since a [`Principal`] by itself is taken from a request without one.
#[derive(Debug)]
pub(crate) struct Queried<Q> {
    pub(crate) principal: Principal,
    pub(crate) query: Q,
}

/// The query of a route that takes no parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

impl<Q: DeserializeOwned + 'static> FromRequest for Queried<Q> {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpProblem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let broker = request.app_data::<Data<Broker>>().cloned();
        let (client, trace) = (Client::of(request), Trace::of(request));
        let token = bearer(request).map(str::to_owned);
        let query = request.query_string().to_owned();
        let request = request.clone();
        Box::pin(async move {
            let broker = broker.ok_or_else(|| HttpProblem::new(ReasonCode::Internal))?;
            let at = clock::now();
            let login = log_in(&broker, client, token.as_deref(), at).await?;
            trace.keep();
            if let Some(end) = login.ends_at() {
                request.extensions_mut().insert(TokenEnd { seconds: end.since(at) });
            }
            let principal = Principal { login, peer: client.peer, at };
            Ok(Self { principal, query: query::parse(&query)? })
        })
    }
}

impl FromRequest for Principal {
    type Error = HttpProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpProblem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let queried = Queried::<NoParameters>::from_request(request, payload);
        Box::pin(async move { Ok(queried.await?.principal) })
    }
}

/// The operator with this token.
async fn log_in(
    broker: &Broker,
    client: Client,
    token: Option<&str>,
    at: UnixTime,
) -> Result<Login, HttpProblem> {
    let Some(token) = token else {
        broker.logins.missing(client, Instant::now());
        let detail = "there is no bearer token with this request";
        return Err(HttpProblem::for_operator(ReasonCode::Unauthorized, detail));
    };
    let digest = Digest32::of(token.as_bytes());
    broker.logins.admit(client, &digest, Instant::now()).map_err(|limited| {
        let problem = HttpProblem::for_operator(ReasonCode::RateLimited, limited.to_string());
        problem.retry_after(limited.seconds)
    })?;
    match broker.keystore.authenticate(token, at).await {
        Ok(login) => {
            broker.logins.accepted(digest);
            Ok(login)
        }
        Err(LoginError::Unknown) => {
            broker.logins.unknown(client, &digest, Instant::now());
            Err(invalid_token())
        }
        Err(LoginError::Expired { operator, ended_at }) => {
            broker.logins.expired(client, &digest, Instant::now());
            Err(expired_token(&operator, ended_at))
        }
        Err(LoginError::Store(error)) => Err(error.into()),
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    // With two headers it would be ambiguous which one applies.
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let value = values.next().filter(|_| values.next().is_none())?;
    // RFC 9110 §11.1: the scheme is case-insensitive.
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}
