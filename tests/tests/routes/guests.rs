//! Bodies of guests: without a live challenge, and under one.

use serde_json::{Value, json};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::bodies::{framed, no_objects, objects, too_many_chunks};
use super::cases::{Case, Expected, Request, case};
use super::described::{Description, Listener, Route};
use super::examples::{CHALLENGE, example, written};

/// All of them, for each route with evidence.
pub(crate) fn cases(description: &Description, routes: &[Route]) -> Vec<Case> {
    let mut cases = Vec::new();
    let with_evidence = |route: &&Route| route.listener == Listener::Guests && route.json.is_some();
    for route in routes.iter().filter(with_evidence) {
        let schema = route.json.as_ref().unwrap();
        let request = Request::new(&route.method, &route.path);
        cases.extend(framed(route, &request, MAX_REQUEST));
        cases.push(too_many_chunks(route, &request));
        let good = example(description, schema);
        let forms = no_objects().into_iter().map(|form| (form.name, form.body, form.expected));
        let changed = objects(description, schema).into_iter().map(|form| {
            // The challenge is looked at first.
            let of_challenge = form.name.starts_with("challenge:");
            (form.name, form.body, if of_challenge { Expected::Refused } else { form.expected })
        });
        let opened =
            opened(&good).into_iter().map(|(name, body, expected)| (name, body.into_bytes(), expected));
        let evidence =
            evidence(&good).into_iter().map(|(name, body)| (name, body.into_bytes(), Expected::Refused));
        for (name, body, expected) in forms.chain(changed).chain(opened).chain(evidence) {
            let request = request.clone().body(body);
            cases.push(case(Listener::Guests, format!("{}: {name}", route.name()), &request, expected));
        }
    }
    for route in routes.iter().filter(|route| route.listener == Listener::Guests) {
        if route.json.is_none() {
            cases.extend(unasked_bodies(route));
        }
        let request = Request::new(&route.method, &format!("{}?x=1", route.path));
        // What asks for health may add parameters of its own.
        let is_probe = route.path.ends_with('z');
        let expected = if is_probe { Expected::Served } else { Expected::Code(ReasonCode::MalformedRequest) };
        cases.push(case(Listener::Guests, format!("{}?x=1", route.name()), &request, expected));
    }
    cases
}

/// Where the challenge is, and what is in it.
fn opened(good: &Value) -> Vec<(String, String, Expected)> {
    let malformed = Expected::Code(ReasonCode::MalformedRequest);
    let invalid = Expected::Code(ReasonCode::ChallengeInvalid);
    let text = written(good.as_object().unwrap());
    let with = |challenge: &Value| text.replace(&format!("\"{CHALLENGE}\""), &challenge.to_string());
    let key = |byte: char| byte.to_string().repeat(43);
    let foreign =
        json!({ "nonce": key('A'), "issued_at": 1, "expires_at": 4_000_000_000_u64, "mac": key('A') });
    let mut cases = vec![
        ("a foreign challenge".to_owned(), with(&foreign), invalid),
        ("a challenge alone".to_owned(), format!("{{\"challenge\":\"{CHALLENGE}\"}}"), malformed),
        ("another member first".to_owned(), text.replacen('{', "{\"suite\":1,", 1), malformed),
        ("a late challenge".to_owned(), text.replacen('{', &format!("{{{}", " ".repeat(1100)), 1), malformed),
        (
            "two challenges".to_owned(),
            text.replacen('{', &format!("{{\"challenge\":\"{CHALLENGE}\","), 1),
            malformed,
        ),
    ];
    for (name, value) in [
        ("nonce", json!("")),
        ("nonce", json!("=")),
        ("nonce", json!("A".repeat(44))),
        ("nonce", json!(1)),
        ("issued_at", json!(-1)),
        ("issued_at", json!(1.5)),
        ("issued_at", json!("1")),
        ("expires_at", json!(u64::MAX)),
        ("expires_at", json!(null)),
        ("expires_at", json!(1e300)),
        ("mac", json!("A")),
        ("mac", json!([1, 2])),
        ("unheard_of", json!(1)),
    ] {
        let mut challenge = foreign.clone();
        challenge[name] = value.clone();
        let expected = Expected::OneOf(&[ReasonCode::MalformedRequest, ReasonCode::ChallengeInvalid]);
        cases.push((format!("challenge with {name} {value}"), with(&challenge), expected));
    }
    cases
}

/// Under a live challenge and with a key of the right length, evidence that is none.
fn evidence(good: &Value) -> Vec<(String, String)> {
    let vtpm = json!({ "ak_certificate": "AAAA", "quote": "AAAA", "signature": "AAAA", "pcrs": {}, "event_log": "AAAA" });
    let mut pieces = vec![
        json!({}),
        json!([]),
        json!({ "vtpm": null }),
        json!({ "vtpm": [] }),
        json!({ "vtpm": {} }),
        json!({ "vtpm": vtpm }),
        json!({ "sev_snp": { "report": "" } }),
        json!({ "sev_snp": { "report": "A".repeat(1579) } }),
        json!({ "sev_snp": { "report": "AAAA", "vek_certificate": "AAAA", "ca_certificates": ["", "AAAA"] } }),
        json!({ "tdx": { "quote": "A".repeat(100_000) } }),
        json!({ "tdx": { "quote": "AAAA", "event_log": "AAAA" } }),
        json!({ "google_token": { "token": "" } }),
        json!({ "google_token": { "token": "a.b.c" } }),
        json!({ "google_token": { "token": "eyJhbGciOiJub25lIn0.e30." } }),
        json!({ "google_token": { "token": ".".repeat(50_000) } }),
        json!({ "vtpm": vtpm, "sev_snp": { "report": "AAAA" }, "tdx": { "quote": "AAAA" } }),
        json!({ "unheard_of": {} }),
    ];
    for (name, value) in [
        ("ak_certificate", json!("!")),
        ("ak_certificate", json!("A".repeat(200_000))),
        ("ca_certificates", json!(vec!["AAAA"; 1000])),
        ("pcrs", json!({ "-1": "00" })),
        ("pcrs", json!({ "24": "0".repeat(64) })),
        ("pcrs", json!([])),
        ("event_log", json!("A".repeat(1_000_000))),
        ("userspace_log", json!("A")),
        ("signature", json!("\u{0}")),
    ] {
        let mut changed = vtpm.clone();
        changed[name] = value;
        pieces.push(json!({ "vtpm": changed }));
    }
    let x_wing = "A".repeat(1622);
    let pieces = pieces.into_iter().map(|piece| {
        let mut request = good.as_object().unwrap().clone();
        request.insert("evidence".to_owned(), piece.clone());
        request.insert("public_key".to_owned(), json!(x_wing));
        let shown: String = piece.to_string().chars().take(50).collect();
        (format!("evidence {shown}"), written(&request))
    });
    pieces.collect()
}

/// Bodies where none belongs.
fn unasked_bodies(route: &Route) -> Vec<Case> {
    let request = || Request::new(&route.method, &route.path);
    let requests = [
        ("a body", request().body("{}")),
        ("a large body", request().body(vec![b' '; 300_000])),
        ("a body that does not come", request().field("content-length: 10")),
        ("a huge body that does not come", request().field(format!("content-length: {}", u64::MAX))),
        ("chunks that do not end", request().field("transfer-encoding: chunked").followed_by("1\r\nx\r\n")),
        ("chunks that are none", request().field("transfer-encoding: chunked").followed_by("zz\r\n")),
    ];
    let name = route.name();
    let requests = requests.iter();
    requests
        .map(|(what, request)| case(route.listener, format!("{name}: {what}"), request, Expected::NoFault))
        .collect()
}
