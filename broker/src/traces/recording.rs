//! The trace of one request while it is served. It is handed over when the last part of the work is done, which may be after the
//! client has gone.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use vouchsafe_protocol::{DecisionId, ReasonCode};

use super::id::TraceId;
use super::sampler::Traces;
use super::span::{self, Request, Step};
use crate::problem::Audience;
use crate::{clock, random};

/// The span that a client says it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    trace: [u8; 16],
    span: [u8; 8],
}

impl Remote {
    /// From the header `traceparent` (W3C Trace Context §3.2), of any version; anything else is ignored.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get("traceparent")?.to_str().ok()?)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version, trace, span, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_known = version.len() == 2 && flags.len() == 2 && version != "ff";
        if !is_known || ![version, trace, span, flags].into_iter().all(is_hex) {
            return None;
        }
        let (trace, span) =
            (hex::decode(trace).ok()?.try_into().ok()?, hex::decode(span).ok()?.try_into().ok()?);
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span })
    }

    fn link(self) -> Link {
        Link { trace_id: self.trace.to_vec(), span_id: self.span.to_vec(), flags: REMOTE, ..Link::default() }
    }
}

pub(super) struct Recording {
    traces: Arc<Traces>,
    /// Both at once, so that a clock that is set meanwhile bends no span.
    started: (Instant, u64),
    root: [u8; 8],
    /// The trace, once it is decided; `None` in it, if the request is not sampled.
    id: OnceLock<Option<TraceId>>,
    remote: Option<Remote>,
    state: Mutex<State>,
}

struct State {
    request: Request,
    steps: Vec<Span>,
}

impl Recording {
    pub(super) fn new(
        traces: &Arc<Traces>,
        audience: Audience,
        method: &Method,
        remote: Option<Remote>,
    ) -> Self {
        let request = Request {
            audience,
            method: span::known_method(method.as_str()),
            decision: None,
            namespaces: Vec::new(),
            route: None,
            status: None,
            refusal: None,
        };
        Self {
            traces: Arc::clone(traces),
            started: (Instant::now(), clock::now_in_nanoseconds()),
            root: random::bytes().unwrap_or_default(),
            id: OnceLock::new(),
            remote,
            state: Mutex::new(State { request, steps: Vec::new() }),
        }
    }

    /// Decides whether this request is sampled, unless that is decided.
    pub(super) fn decide(&self, sample: impl FnOnce(&Traces) -> Option<TraceId>) {
        self.id.get_or_init(|| sample(&self.traces));
    }

    pub(super) fn id(&self) -> Option<TraceId> {
        self.id.get().copied().flatten()
    }

    /// Begins a step, now or so many nanoseconds after the request.
    pub(super) fn step(self: &Arc<Self>, step: Step, after: Option<u64>) -> Running {
        let since = after.unwrap_or_else(|| self.elapsed());
        Running(Some(RunningStep {
            recording: Arc::clone(self),
            span: self.begun(step.span(), self.root, since),
        }))
    }

    pub(super) fn about(&self, decision: DecisionId, namespaces: &str) {
        let mut state = self.state();
        state.request.decision = Some(decision);
        state.request.namespaces = namespaces.split_whitespace().map(str::to_owned).collect();
    }

    pub(super) fn answered(&self, route: Option<&str>, status: u16, refusal: Option<ReasonCode>) {
        let mut state = self.state();
        state.request.route = route.map(str::to_owned);
        state.request.status = Some(status);
        state.request.refusal = refusal;
    }

    fn begun(&self, span: Span, parent: [u8; 8], since: u64) -> Span {
        let span_id = random::bytes::<8>().unwrap_or_default().to_vec();
        Span { span_id, parent_span_id: parent.to_vec(), start_time_unix_nano: self.at(since), ..span }
    }

    fn ended(&self, mut span: Span) {
        let Some(id) = self.id() else { return };
        span.end_time_unix_nano = self.at(self.elapsed());
        span.trace_id = id.0.to_vec();
        span.flags = SAMPLED;
        self.state().steps.push(span);
    }

    /// Nanoseconds since 1970, so many after the request.
    const fn at(&self, after: u64) -> u64 {
        self.started.1.saturating_add(after)
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic could at most lose a step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.decide(|traces| TraceId::random().and_then(|id| traces.sample(id)));
        if self.id().is_none() {
            return;
        }
        let mut span = self.state().request.span();
        span.span_id = self.root.to_vec();
        span.start_time_unix_nano = self.at(0);
        span.links.extend(self.remote.map(Remote::link));
        self.ended(span);
        let spans = std::mem::take(&mut self.state().steps);
        self.traces.exporter.offer(spans);
    }
}

/// A step that has begun; it ends when this is dropped.
#[derive(Default)]
#[must_use]
pub(crate) struct Running(Option<RunningStep>);

struct RunningStep {
    recording: Arc<Recording>,
    span: Span,
}

impl Running {
    /// Begins a step that is part of this one.
    pub(crate) fn within(&self, step: Step) -> Self {
        let Self(Some(RunningStep { recording, span })) = self else { return Self::default() };
        let parent = span.span_id.as_slice().try_into().unwrap_or_default();
        let span = recording.begun(step.span(), parent, recording.elapsed());
        Self(Some(RunningStep { recording: Arc::clone(recording), span }))
    }

    /// The step ends with a refusal.
    pub(crate) fn refused(&mut self, code: ReasonCode) {
        if let Self(Some(running)) = self {
            running.span.attributes.push(span::reason(code));
        }
    }
}

impl Drop for RunningStep {
    fn drop(&mut self) {
        self.recording.ended(std::mem::take(&mut self.span));
    }
}

/// W3C Trace Context §3.2.2.5.1, in the lowest byte of a span's flags.
const SAMPLED: u32 = 1;
/// OTLP's `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const REMOTE: u32 = 0x300;
