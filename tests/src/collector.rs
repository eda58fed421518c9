//! A collector of traces: takes OTLP over HTTPS or HTTP, and checks the protocol of each request.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A collector on the loopback interface; its threads end with the process.
pub struct Collector {
    address: String,
    taken: Arc<Mutex<Taken>>,
}

/// What the collector was sent.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The requests, as they were sent.
    pub bodies: Vec<Vec<u8>>,
    /// The same, decoded.
    pub requests: Vec<ExportTraceServiceRequest>,
    /// What was wrong with requests.
    pub faults: Vec<String>,
}

impl Collector {
    /// Starts one, with TLS if there is a configuration for it.
    ///
    /// # Errors
    /// Without a free port.
    pub fn start(tls: Option<ServerConfig>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}/v1/traces", listener.local_addr()?);
        let (taken, tls) = (Arc::<Mutex<Taken>>::default(), tls.map(Arc::new));
        let taking = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, tls) = (Arc::clone(&taking), tls.clone());
                thread::spawn(move || {
                    let served = match tls {
                        None => serve(stream, &taken),
                        Some(tls) => ServerConnection::new(tls)
                            .map_err(Into::into)
                            .and_then(|connection| serve(StreamOwned::new(connection, stream), &taken)),
                    };
                    if let Err(fault) = served {
                        lock(&taken).faults.push(format!("{fault:#}"));
                    }
                });
            }
        });
        Ok(Self { address, taken })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.address
    }

    /// What it was sent so far.
    #[must_use]
    pub fn taken(&self) -> Taken {
        lock(&self.taken).clone()
    }

    /// Waits until `enough` of the spans it was sent.
    ///
    /// # Errors
    /// When that is not so within ten seconds.
    pub fn wait_for(&self, enough: impl Fn(&[Span]) -> bool) -> anyhow::Result<Vec<Span>> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let spans = self.taken().spans();
            if enough(&spans) {
                return Ok(spans);
            }
            ensure!(Instant::now() < end, "not within ten seconds: {spans:#?}, {:?}", self.taken().faults);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Taken {
    /// All spans.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let resources = self.requests.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }
}

/// The attribute as text; lists with blanks between their items.
#[must_use]
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(plain(found.value.as_ref()?.value.as_ref()?))
}

fn plain(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::ArrayValue(list) => {
            let items: Vec<_> =
                list.values.iter().filter_map(|item| item.value.as_ref().map(plain)).collect();
            items.join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// Serves the requests of one connection.
fn serve(stream: impl Read + Write, taken: &Mutex<Taken>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            // A client may close an idle connection, with or without a farewell of TLS.
            if stream.read_line(&mut line).unwrap_or(0) == 0 && lines.is_empty() {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_ascii_lowercase()),
            }
        }
        let header = |name: &str| {
            lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let first = lines.first().context("a request")?;
        ensure!(first == "post /v1/traces http/1.1", "{first}");
        ensure!(header("content-type") == Some("application/x-protobuf"), "{lines:?}");
        let length: usize = header("content-length").context("a length")?.parse()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let request = ExportTraceServiceRequest::decode(&body[..])?;
        check(&request)?;
        let mut taken = lock(taken);
        taken.bodies.push(body);
        taken.requests.push(request);
        drop(taken);
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.get_mut().write_all(&[head.as_bytes(), &answer].concat())?;
        stream.get_mut().flush()?;
    }
}

/// What OTLP demands of spans.
fn check(request: &ExportTraceServiceRequest) -> anyhow::Result<()> {
    for resource in &request.resource_spans {
        let about = &resource.resource.as_ref().context("a resource")?.attributes;
        ensure!(attribute(about, "service.name").is_some(), "a service has a name");
        for scope in &resource.scope_spans {
            ensure!(scope.scope.as_ref().is_some_and(|scope| !scope.name.is_empty()), "a scope has a name");
            for span in &scope.spans {
                ensure!(span.trace_id.len() == 16 && span.trace_id != [0; 16], "a trace's id: {span:?}");
                ensure!(span.span_id.len() == 8 && span.span_id != [0; 8], "a span's id: {span:?}");
                ensure!([0, 8].contains(&span.parent_span_id.len()), "a parent's id: {span:?}");
                ensure!(!span.name.is_empty() && span.kind != 0, "a name and a kind: {span:?}");
                ensure!(span.start_time_unix_nano > 0, "a start: {span:?}");
                ensure!(span.end_time_unix_nano >= span.start_time_unix_nano, "an end: {span:?}");
                let keys: BTreeSet<_> = span.attributes.iter().map(|attribute| &attribute.key).collect();
                ensure!(keys.len() == span.attributes.len(), "a key twice: {span:?}");
            }
        }
    }
    Ok(())
}

fn lock(taken: &Mutex<Taken>) -> std::sync::MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
