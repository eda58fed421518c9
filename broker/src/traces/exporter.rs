//! The queue of spans and the thread that sends them. Nothing ever waits for it: what does not fit is dropped and counted.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::client::{Client, Outcome};
use super::span;
use crate::log::sampled::Notice;
use crate::metrics::TraceMetrics;

/// Takes spans and sends them from a thread of its own, which ends when this is dropped.
pub(super) struct Exporter {
    queue: SyncSender<Message>,
    metrics: TraceMetrics,
}

enum Message {
    /// The spans of a request.
    Spans(Vec<Span>),
    /// Send what is there, and answer.
    Flush(SyncSender<()>),
}

impl Exporter {
    pub(super) fn start(client: Client, resource: Resource, metrics: TraceMetrics) -> std::io::Result<Self> {
        let (queue, messages) = mpsc::sync_channel(QUEUE);
        let worker = Worker {
            messages,
            client,
            resource,
            metrics: metrics.clone(),
            waiting: Vec::new(),
            due: Instant::now(),
            failures: 0,
            notice: Notice::default(),
        };
        thread::Builder::new().name("traces".to_owned()).spawn(move || worker.run())?;
        Ok(Self { queue, metrics })
    }

    /// Takes the spans of a request, or drops them at once.
    pub(super) fn offer(&self, spans: Vec<Span>) {
        let count = spans.len();
        if self.queue.try_send(Message::Spans(spans)).is_err() {
            self.metrics.dropped.inc_by(amount(count));
        }
    }

    /// Waits until what was offered has been sent, or for this long.
    pub(super) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let (done, flushed) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        while Instant::now() < end {
            match self.queue.try_send(message) {
                Ok(()) => {
                    // It has been sent, or the time is over.
                    let _ended = flushed.recv_timeout(end.saturating_duration_since(Instant::now()));
                    return;
                }
                Err(TrySendError::Full(again)) => message = again,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(BETWEEN_TRIES);
        }
    }
}

struct Worker {
    messages: Receiver<Message>,
    client: Client,
    resource: Resource,
    metrics: TraceMetrics,
    waiting: Vec<Span>,
    /// When to send next.
    due: Instant,
    /// Since the collector last took something.
    failures: u32,
    notice: Notice,
}

impl Worker {
    fn run(mut self) {
        loop {
            let pause = if self.waiting.is_empty() {
                IDLE
            } else {
                self.due.saturating_duration_since(Instant::now())
            };
            match self.messages.recv_timeout(pause) {
                Ok(Message::Spans(spans)) => self.take(spans),
                Ok(Message::Flush(done)) => {
                    self.send();
                    // Nobody waits any more if the time is over.
                    let _over = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.send(),
            }
            if Instant::now() >= self.due || (self.waiting.len() >= BATCH && self.failures == 0) {
                self.send();
            }
        }
    }

    fn take(&mut self, spans: Vec<Span>) {
        if self.waiting.len().saturating_add(spans.len()) > MOST_WAITING {
            self.metrics.dropped.inc_by(amount(spans.len()));
            return;
        }
        if self.waiting.is_empty() && self.failures == 0 {
            self.due = Instant::now() + INTERVAL;
        }
        self.waiting.extend(spans);
    }

    fn send(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let count = amount(self.waiting.len());
        let resource_spans =
            vec![span::of_resource(self.resource.clone(), std::mem::take(&mut self.waiting))];
        let mut request = ExportTraceServiceRequest { resource_spans };
        match self.client.send(&request) {
            Outcome::Taken { rejected } => {
                self.metrics.exported.inc_by(count.saturating_sub(rejected));
                self.metrics.rejected.inc_by(rejected.min(count));
                if self.failures > 0 {
                    tracing::info!(event = "traces.resumed", "the collector takes traces again");
                }
                self.failures = 0;
                self.due = Instant::now() + INTERVAL;
            }
            Outcome::Later { reason, after } => {
                let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
                self.waiting = scopes.flat_map(|scope| std::mem::take(&mut scope.spans)).collect();
                let pause = INTERVAL.saturating_mul(1 << self.failures.min(6));
                self.failed(&reason, after.unwrap_or(pause).min(LONGEST_PAUSE));
            }
            Outcome::Refused { reason } => {
                self.metrics.rejected.inc_by(count);
                self.failed(&reason, INTERVAL);
            }
        }
    }

    fn failed(&mut self, reason: &str, pause: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.due = Instant::now() + pause;
        if self.notice.due(BETWEEN_LINES, Instant::now()).is_some() {
            tracing::warn!(
                event = "traces.failed",
                reason,
                waiting = self.waiting.len(),
                "the collector takes no traces: check traces.endpoint; requests are served all the same"
            );
        }
    }
}

fn amount(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Requests whose spans wait for the thread. A request has about ten spans of 300 bytes each.
const QUEUE: usize = 1024;
/// Spans that wait for the collector.
const MOST_WAITING: usize = 16_384;
/// Spans that are sent before they are due.
const BATCH: usize = 2048;
/// How long spans are gathered.
const INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(60);
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
const BETWEEN_LINES: Duration = Duration::from_secs(60);
