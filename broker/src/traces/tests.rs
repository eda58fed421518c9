//! Sampling, and a collector that is slow, away, or wants nothing. What a whole trace looks like is tested end to end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::*;
use crate::config::TracesConfig;
use crate::metrics::{Metrics, TraceMetrics};
use crate::random;

/// A collector that gives these answers, one for each request, and then no more.
fn collector(answers: Vec<(u16, Vec<u8>)>) -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().expect("an address"));
    let (taken, requests) = mpsc::channel();
    thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let request = ExportTraceServiceRequest::decode(&receive(&mut stream)[..]).expect("protobuf");
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat()).expect("sent");
            taken.send(request).expect("the test waits");
        }
    });
    (endpoint, requests)
}

/// The body of a request.
fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut more = [0; 4096];
        let count = stream.read(&mut more).expect("a request");
        bytes.extend_from_slice(&more[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase() + "\r\n";
        assert!(head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).expect("a length");
        if bytes.len() >= end + 4 + length {
            return bytes.split_off(end + 4);
        }
    }
}

fn traces(endpoint: &str, one_in: u32) -> (Arc<Traces>, TraceMetrics) {
    let metrics = Metrics::new().expect("metrics").traces;
    let config = TracesConfig { endpoint: endpoint.to_owned(), ca: None, one_in };
    (Traces::start(&config, metrics.clone()).expect("a thread"), metrics)
}

fn spans(request: &ExportTraceServiceRequest) -> usize {
    request.resource_spans[0].scope_spans[0].spans.len()
}

fn some(count: usize) -> Vec<Span> {
    vec![Step::Wait.span(); count]
}

const AWAY: &str = "http://127.0.0.1:9/v1/traces";
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn t44_one_of_so_many_nonces_is_sampled_and_only_this_process_knows_which() {
    let (ours, others) = (traces(AWAY, 10).0, traces(AWAY, 10).0);
    let nonces: Vec<_> = (0..10_000).map(|_| random::nonce().expect("randomness")).collect();
    let sampled = |traces: &Traces| -> Vec<bool> {
        nonces.iter().map(|nonce| traces.sample(traces.id_of(nonce)).is_some()).collect()
    };
    let (here, there) = (sampled(&ours), sampled(&others));
    assert_eq!(here, sampled(&ours), "a challenge and its request are one trace");
    let count = |sampled: &[bool]| sampled.iter().filter(|sampled| **sampled).count();
    assert!((800..1200).contains(&count(&here)), "{}", count(&here));
    let both: Vec<_> = here.iter().zip(&there).map(|(one, other)| *one && *other).collect();
    assert!(count(&both) < 250, "{}", count(&both));
    let all = traces(AWAY, 1).0;
    assert_eq!(count(&sampled(&all)), nonces.len());
}

#[test]
fn a_traceparent_is_read_as_the_standard_says() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for text in [format!("00-{id}-00f067aa0ba902b7-01"), format!("01-{id}-00f067aa0ba902b7-00-more")] {
        let remote = Remote::parse(&text).expect("a parent");
        assert_eq!(remote, Remote::parse(&format!("00-{id}-00f067aa0ba902b7-00")).expect("a parent"));
    }
    for text in [
        String::new(),
        format!("ff-{id}-00f067aa0ba902b7-01"),
        format!("00-{id}-00f067aa0ba902b7"),
        format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
        format!("00-{id}00-00f067aa0ba902b7-01"),
        format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        format!("00-{id}-0000000000000000-01"),
        format!("00-{id}-00f067aa0ba902b-01"),
        format!("00-{id}-\u{1b}[31m-01"),
    ] {
        assert_eq!(Remote::parse(&text), None, "{text}");
    }
}

#[test]
fn what_a_collector_does_not_take_now_is_sent_again_and_counted_once() {
    let partly = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess { rejected_spans: 2, error_message: String::new() }),
    };
    let answers =
        vec![(503, vec![]), (200, partly.encode_to_vec()), (400, vec![]), (200, b"not protobuf".to_vec())];
    let (endpoint, requests) = collector(answers);
    let (traces, metrics) = traces(&endpoint, 1);
    let counts = || (metrics.exported.get(), metrics.dropped.get(), metrics.rejected.get());
    traces.exporter.offer(some(5));
    for _ in 0..2 {
        assert_eq!(spans(&requests.recv_timeout(LIMIT).expect("sent")), 5);
    }
    traces.flush(LIMIT);
    assert_eq!(counts(), (3, 0, 2));
    traces.exporter.offer(some(1));
    traces.flush(LIMIT);
    assert_eq!(counts(), (3, 0, 3), "a refused batch is not sent again");
    traces.exporter.offer(some(4));
    traces.flush(LIMIT);
    assert_eq!(counts(), (7, 0, 3));
}

#[test]
fn t44_a_collector_that_is_away_or_hangs_costs_neither_time_nor_memory() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hangs = format!("http://{}/v1/traces", hanging.local_addr().expect("an address"));
    for endpoint in [AWAY, &hangs] {
        let (traces, metrics) = traces(endpoint, 1);
        let (started, offered) = (Instant::now(), 40_000);
        for _ in 0..offered {
            traces.exporter.offer(some(10));
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{endpoint}: {:?}", started.elapsed());
        let kept = offered * 10 - metrics.dropped.get();
        assert!(kept <= 16_384 + 2 * 10_240, "{endpoint}: {kept}");
        assert!(kept >= 10_000, "{endpoint}: {kept}");
        let flushing = Instant::now();
        traces.flush(Duration::from_millis(300));
        assert!(flushing.elapsed() < Duration::from_secs(1), "{endpoint}: {:?}", flushing.elapsed());
        assert_eq!((metrics.exported.get(), metrics.rejected.get()), (0, 0));
    }
}

#[test]
fn a_missing_ca_is_named_at_the_start() {
    let ca = Some(PathBuf::from("/nonexistent/collector.pem"));
    let config = TracesConfig { endpoint: AWAY.to_owned(), ca, one_in: 1 };
    let error = Traces::start(&config, Metrics::new().expect("metrics").traces).err().expect("no CA");
    assert!(error.to_string().starts_with("traces.ca: /nonexistent/collector.pem: "), "{error}");
}

#[test]
fn this_process_has_a_uuid_of_version_4() {
    let resource = span::resource([0xff; 16]);
    let id = resource.attributes.iter().find(|attribute| attribute.key == "service.instance.id");
    let id = format!("{:?}", id.expect("an id").value);
    assert!(id.contains("ffffffff-ffff-4fff-bfff-ffffffffffff"), "{id}");
}
