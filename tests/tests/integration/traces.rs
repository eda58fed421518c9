//! Traces, as a collector takes them.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::collector::{Collector, Taken, attribute};

use crate::snp::alone;
use crate::world::{PROJECT, World, holds, simulated};

const PATH: &str = "prod/unmistakable-name/token";
const VALUE: &[u8] = b"an unmistakable value 4c3f2b1a";

/// A collector with a certificate of a CA of its own.
fn collector(folder: &TempDir) -> Collector {
    let made = Broker::init(folder.path()).unwrap();
    let read = |name: &str| fs::read(made.data().join("tls").join(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("certificate.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Collector::start(Some(tls.with_no_client_auth().with_single_cert(chain, key).unwrap())).unwrap()
}

fn traced(configuration: &str) -> World {
    let world = World::bare(configuration);
    world.policy("prod/app", &["--for", "app"]);
    world.put(PATH, "prod/app", VALUE);
    world
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn of(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

#[test]
fn a_release_is_one_trace_from_the_challenge_to_the_commit() {
    let others = TempDir::new().unwrap();
    let collector = collector(&others);
    let ca = others.path().join("data/tls/ca.pem");
    let section = format!("[traces]\nendpoint = \"{}\"\nca = {ca:?}\none_in = 1\n", collector.endpoint());
    let world = World::bare(&section);
    world.put_policy_text("prod/snp", &alone("@accepts(\"owner\")"));
    world.put(PATH, "prod/snp", VALUE);
    let boot = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &boot);
    let asked = world.request(&vm, Kinds::BOTH, &[PATH]);
    let answer = world.send(&asked);
    assert_eq!(answer.open(&asked)[0].secret.expose(), VALUE);
    let decision = answer.answer().decision.to_string();
    let spans = collector.wait_for(|spans| !named(spans, "POST /v1/release").is_empty()).unwrap();

    let (challenge, release) = (named(&spans, "POST /v1/challenge"), named(&spans, "POST /v1/release"));
    let ([challenge], [release]) = (&challenge[..], &release[..]) else { panic!("{spans:#?}") };
    assert_eq!(challenge.trace_id, release.trace_id);
    for request in [challenge, release] {
        assert_eq!((request.kind(), request.parent_span_id.len()), (SpanKind::Server, 0));
        assert_eq!(of(request, "http.request.method").as_deref(), Some("POST"));
        assert_eq!(of(request, "http.response.status_code").as_deref(), Some("200"));
        assert_eq!(of(request, "vouchsafe.listener").as_deref(), Some("guests"));
        assert!(request.status.is_none(), "{request:?}");
    }
    assert_eq!(of(release, "http.route").as_deref(), Some("/v1/release"));
    assert_eq!(of(release, "vouchsafe.decision.id"), Some(decision.clone()));
    assert_eq!(of(release, "vouchsafe.namespaces").as_deref(), Some("prod"));

    // The steps follow one another, within the request.
    let parts = |parent: &Span| -> Vec<&Span> {
        let mut parts: Vec<_> = spans.iter().filter(|span| span.parent_span_id == parent.span_id).collect();
        parts.sort_by_key(|span| span.start_time_unix_nano);
        let within = |part: &&Span| {
            part.start_time_unix_nano >= parent.start_time_unix_nano
                && part.end_time_unix_nano <= parent.end_time_unix_nano
        };
        assert!(parts.iter().all(|part| within(part) && part.trace_id == parent.trace_id), "{parts:#?}");
        let in_turn = |pair: &[&Span]| pair[0].end_time_unix_nano <= pair[1].start_time_unix_nano;
        assert!(parts.windows(2).all(in_turn), "{parts:#?}");
        parts
    };
    let names = |parts: &[&Span]| -> Vec<String> { parts.iter().map(|part| part.name.clone()).collect() };
    let steps = parts(release);
    assert_eq!(names(&steps), ["receive", "wait", "verify", "decide", "unseal", "wrap", "record"]);
    let verified = parts(steps[2]);
    assert_eq!(names(&verified), ["verify vtpm", "verify vtpm", "verify sev-snp", "verify vtpm"]);
    assert_eq!(of(verified[2], "vouchsafe.evidence.kind").as_deref(), Some("sev-snp"));

    // The log line names the trace.
    let log = world.broker.read_log();
    let line = log.lines().find(|line| line.contains("release.granted")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["trace"], hex::encode(&release.trace_id));
    assert_eq!((&line["decision"], &line["outcome"]), (&decision.into(), &"granted".into()));
    assert_eq!((&line["namespaces"], &line["secrets"]), (&"prod".into(), &1.into()));
    let instance = AkCertificateSpec::default().instance_id;
    assert_eq!(line["instance"], format!("{PROJECT}/{instance}"), "{line}");
}

#[test]
fn refusals_and_operators_are_traced_and_a_clients_parent_is_only_a_link() {
    let collector = Collector::start(None).unwrap();
    // By chance, no request of a guest is sampled.
    let world = traced(&format!("[traces]\nendpoint = \"{}\"\none_in = 4294967295\n", collector.endpoint()));
    let (agent, remote) = (world.broker.agent().unwrap(), "4bf92f3577b34da6a3ce929d0e0e4736");
    let parent = format!("00-{remote}-00f067aa0ba902b7-01");
    let asked = world.request(&simulated(), Kinds::VTPM, &["prod/absent"]);
    let url = format!("{}/v1/release", world.broker.guests_url());
    let answer = agent.post(url).header("traceparent", &parent).send(&asked.body[..]).unwrap();
    assert_eq!(answer.status(), ReasonCode::NotGranted.status());
    for (token, path) in
        [(world.broker.token(), "/v1/policies"), ("wrong", "/v1/policies"), ("", "/metrics"), ("", "/livez")]
    {
        let request = agent.get(format!("{}{path}", world.broker.operators_url()));
        let request = request.header("authorization", format!("Bearer {token}"));
        request.header("traceparent", &parent).call().unwrap();
    }
    let spans = collector.wait_for(|spans| spans.iter().any(|span| !span.links.is_empty())).unwrap();
    assert!(
        spans.iter().all(|span| of(span, "vouchsafe.listener").as_deref() == Some("operators")),
        "{spans:#?}"
    );
    let linked: Vec<_> = spans.iter().filter(|span| !span.links.is_empty()).collect();
    let [listed] = &linked[..] else { panic!("{linked:#?}") };
    assert_eq!(listed.name, "GET /v1/policies");
    assert_eq!(hex::encode(&listed.links[0].trace_id), remote);
    assert_ne!(listed.trace_id, listed.links[0].trace_id);
    assert_eq!(listed.parent_span_id.len(), 0);

    // Where guests are sampled, a refusal says its code and nothing else.
    let sampled = traced(&format!("[traces]\nendpoint = \"{}\"\none_in = 1\n", collector.endpoint()));
    let asked = sampled.request(&simulated(), Kinds::VTPM, &["prod/absent"]);
    let problem = sampled.send(&asked).signed_problem(&asked, ReasonCode::NotGranted);
    let spans = collector.wait_for(|spans| !named(spans, "POST /v1/release").is_empty()).unwrap();
    let refused = named(&spans, "POST /v1/release")[0];
    assert_eq!(of(refused, "vouchsafe.reason").as_deref(), Some("not-granted"));
    assert_eq!(of(refused, "vouchsafe.decision.id"), Some(problem.decision.unwrap().to_string()));
    assert_eq!((of(refused, "error.type"), refused.status.as_ref()), (None, None));
    assert_eq!(of(named(&spans, "decide")[0], "vouchsafe.reason").as_deref(), Some("not-granted"));
    assert!(named(&spans, "record").is_empty(), "{spans:#?}");
}

#[test]
fn t34_no_secret_token_path_or_evidence_is_in_a_trace() {
    let collector = Collector::start(None).unwrap();
    let mut world = traced(&format!("[traces]\nendpoint = \"{}\"\none_in = 1\n", collector.endpoint()));
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    assert_eq!(world.send(&asked).open(&asked)[0].secret.expose(), VALUE);
    let asked = world.request(&simulated(), Kinds::VTPM, &["prod/unmistakable-name/absent"]);
    world.send(&asked).problem(ReasonCode::NotGranted);
    world.get(
        &format!("{}/unmistakable-name?unmistakable-name", world.broker.operators_url()),
        Some("unmistakable-name"),
    );
    // The end of the broker sends what waits.
    world.broker.stop().unwrap();
    let Taken { bodies, requests, faults } = collector.taken();
    assert_eq!(faults, Vec::<String>::new());
    let spans = Taken { requests, ..Taken::default() }.spans();
    assert_eq!(named(&spans, "POST /v1/release").len(), 2);
    let evidence = asked.request.evidence.vtpm.unwrap();
    for secret in [
        VALUE,
        b"unmistakable",
        world.broker.token().as_bytes(),
        asked.bound.nonce().to_string().as_bytes(),
        &asked.bound.nonce().0,
        &evidence.quote.0[..32],
        b"127.0.0.1",
    ] {
        assert!(bodies.iter().all(|body| !holds(body, secret)), "{}", String::from_utf8_lossy(secret));
    }
    let known: BTreeSet<_> = [
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "url.scheme",
        "vouchsafe.decision.id",
        "vouchsafe.evidence.kind",
        "vouchsafe.listener",
        "vouchsafe.namespaces",
        "vouchsafe.reason",
    ]
    .into();
    for span in &spans {
        assert!(span.attributes.iter().all(|found| known.contains(found.key.as_str())), "{span:#?}");
        assert!(span.events.is_empty() && span.trace_state.is_empty(), "{span:#?}");
    }
}

#[test]
fn t44_no_request_waits_for_a_collector_that_hangs() {
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hanging.local_addr().unwrap();
    let mut world = traced(&format!("[traces]\nendpoint = \"http://{address}/v1/traces\"\none_in = 1\n"));
    for _ in 0..20 {
        assert_eq!(world.value(&simulated(), PATH), VALUE);
    }
    let log = world.broker.read_log();
    let took = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let took: Vec<_> = took.filter_map(|line| line["elapsed_us"].as_u64()).collect();
    assert_eq!(took.len(), 20, "{log}");
    assert!(took.iter().all(|micros| *micros < 2_000_000), "{took:?}");
    let stopping = Instant::now();
    world.broker.stop().unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}", stopping.elapsed());
    assert!(world.broker.read_log().contains("broker.stopped"));
}

/// The system's CAs do not know the collector's, and `SSL_CERT_FILE` adds none.
#[test]
fn t37_no_environment_variable_brings_in_a_ca_for_traces() {
    let others = TempDir::new().unwrap();
    let collector = collector(&others);
    let ca = others.path().join("data/tls/ca.pem");
    let section = format!("[traces]\nendpoint = \"{}\"\none_in = 1\n", collector.endpoint());
    let mut world = traced(&section);
    world.broker.stop().unwrap();
    world.broker.set_variable("SSL_CERT_FILE", ca.clone());
    world.broker.set_variable("SSL_CERT_DIR", ca.parent().unwrap().to_owned());
    let before = world.broker.read_log().len();
    world.broker.run().unwrap();
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    let deadline = Instant::now() + Duration::from_secs(20);
    let failed = loop {
        let log = world.broker.read_log();
        if let Some(line) = log[before..].lines().find(|line| line.contains("traces.failed")) {
            break line.to_owned();
        }
        assert!(Instant::now() < deadline, "{log}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(failed.contains("certificate"), "{failed}");
    let taken = collector.taken();
    assert!(taken.bodies.is_empty(), "{:?}", taken.faults);
}
