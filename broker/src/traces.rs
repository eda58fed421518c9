//! Traces: where the time of a request goes, from its challenge to the commit, for a collector that speaks OTLP.
//!
//! Off without a section `[traces]`; no variable of the environment is read. What a span can say is in `span`: names of steps, routes,
//! reason codes, namespaces and ids of decisions, and nothing else.
//!
//! No client decides whether it is traced. The trace of a guest's request follows from the nonce of its challenge under a
//! key of this process, so that challenge and request are one trace, and nobody can tell which nonces are sampled. Requests
//! under a valid token are always traced. A client's `traceparent` is only noted, as a link.

mod client;
mod error;
mod exporter;
mod id;
mod recording;
mod sampler;
mod span;
#[cfg(test)]
mod tests;

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use vouchsafe_protocol::{DecisionId, Nonce, ReasonCode};

use crate::problem::Audience;
use recording::{Recording, Remote};

pub(crate) use error::TracesError;
pub(crate) use id::TraceId;
pub(crate) use recording::Running;
pub(crate) use sampler::Traces;
pub(crate) use span::Step;

/// The trace of one request; nothing, if traces are off.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<Recording>>);

impl Trace {
    /// Begins the trace of a request, unless it is a probe or a scrape.
    pub(crate) fn begin(traces: Option<&Arc<Traces>>, audience: Audience, request: &ServiceRequest) -> Self {
        let Some(traces) = traces.filter(|_| !NOT_TRACED.contains(&request.path())) else {
            return Self::default();
        };
        let remote = Remote::of(request.headers());
        let trace = Self(Some(Arc::new(Recording::new(traces, audience, request.method(), remote))));
        request.extensions_mut().insert(trace.clone());
        trace
    }

    /// That of this request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// The request is about this nonce, which this broker issued.
    pub(crate) fn under(&self, nonce: &Nonce) {
        if let Self(Some(recording)) = self {
            recording.decide(|traces| traces.sample(traces.id_of(nonce)));
        }
    }

    /// The request has a valid token.
    pub(crate) fn keep(&self) {
        if let Self(Some(recording)) = self {
            recording.decide(|_| TraceId::random());
        }
    }

    /// The id of a trace that is sampled, for the log.
    pub(crate) fn id(&self) -> Option<TraceId> {
        self.sampled().and_then(|recording| recording.id())
    }

    /// Begins a step, which ends when the result is dropped.
    pub(crate) fn step(&self, step: Step) -> Running {
        self.sampled().map(|recording| recording.step(step, None)).unwrap_or_default()
    }

    /// The request as a whole up to now was this step.
    pub(crate) fn was(&self, step: Step) {
        if let Some(recording) = self.sampled() {
            drop(recording.step(step, Some(0)));
        }
    }

    /// What the request is about.
    pub(crate) fn about(&self, decision: DecisionId, namespaces: &str) {
        if let Some(recording) = self.sampled() {
            recording.about(decision, namespaces);
        }
    }

    /// The answer: the pattern of its route, if it has one, its status, and the code of a refusal.
    pub(crate) fn answered(&self, route: Option<&str>, status: u16, refusal: Option<ReasonCode>) {
        if let Self(Some(recording)) = self {
            recording.answered(route, status, refusal);
        }
    }

    fn sampled(&self) -> Option<&Arc<Recording>> {
        self.0.as_ref().filter(|recording| recording.id().is_some())
    }
}

impl FromRequest for Trace {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Asked for every few seconds by machines.
const NOT_TRACED: [&str; 3] = ["/livez", "/readyz", "/metrics"];
