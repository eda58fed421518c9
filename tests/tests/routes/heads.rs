//! Heads of requests: methods, targets, fields, framing of the body.

use vouchsafe_protocol::ReasonCode;

use super::cases::{Case, Expected, Request, case, spread};
use super::described::{Listener, Route};

/// Every other method on every path.
pub(crate) fn methods(routes: &[Route]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let same = |other: &&Route| (other.listener, &other.path) == (route.listener, &route.path);
        let allowed: Vec<_> = routes.iter().filter(same).map(|other| other.method.as_str()).collect();
        let expected = Expected::OnlyMethods(allowed.join(", ").leak());
        let methods = METHODS.iter().copied().chain(spread(RARE_METHODS.to_vec(), index, 3));
        for method in methods.filter(|method| !allowed.contains(method)) {
            let request = Request::new(method, &route.path);
            cases.push(case(route.listener, format!("{method} {}", route.path), &request, expected));
        }
    }
    cases
}

/// What looks like a path of this listener and is none.
pub(crate) fn targets(routes: &[Route]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut push = |listener, method: &str, target: &str, expected| {
        let request = Request::new(method, target);
        let name: String = target.chars().take(60).collect();
        cases.push(case(listener, format!("{method} {name}"), &request, expected));
    };
    let none = Expected::Code(ReasonCode::NoSuchRoute);
    for Route { listener, method, path, .. } in routes {
        let upper = path.to_uppercase();
        let doubled = path.replacen('/', "//", 1);
        let encoded = path.replacen("/v1/", "/v1%2f", 1);
        for target in
            [format!("{path}/"), doubled, upper, format!("{path};x=1"), format!("{path}%00"), encoded]
        {
            if target != *path {
                push(*listener, method, &target, none);
            }
        }
        // Each listener has its own routes alone.
        let other = Listener::BOTH.into_iter().find(|other| other != listener).unwrap();
        if !routes.iter().any(|route| route.listener == other && route.path == *path) {
            push(other, method, path, none);
        }
    }
    for listener in Listener::BOTH {
        for target in STRANGE_PATHS {
            push(listener, "GET", target, none);
        }
        for target in STRANGE_TARGETS {
            push(listener, "GET", target, Expected::NoFault);
        }
        push(listener, "GET", &format!("/{}", "a".repeat(15_000)), none);
        push(listener, "GET", &format!("/{}", "%61".repeat(5_000)), none);
        push(
            listener,
            "GET",
            &format!("/{}", "a".repeat(17_000)),
            Expected::Code(ReasonCode::RequestTooLarge),
        );
    }
    cases
}

/// What is no request, or a strange one. [`Listener`]s differ in nothing here.
pub(crate) fn heads() -> Vec<Case> {
    let malformed = Expected::Code(ReasonCode::MalformedRequest);
    let mut cases = Vec::new();
    for listener in Listener::BOTH {
        for (name, text) in NO_REQUESTS {
            let bytes = text.as_bytes().to_vec();
            cases.push(Case { name: (*name).to_owned(), listener, request: bytes, expected: malformed });
        }
        for (number, noise) in noise().into_iter().enumerate() {
            let request = [&noise[..], b"\r\n\r\n"].concat();
            cases.push(Case {
                name: format!("noise {number}"),
                listener,
                request,
                expected: Expected::Refused,
            });
        }
        for (line, expected) in FIELDS {
            let request = Request::new("GET", "/v1/none").field(line);
            let expected = match expected {
                Field::Ignored => Expected::Code(ReasonCode::NoSuchRoute),
                Field::Malformed => malformed,
                Field::Either => Expected::Refused,
            };
            cases.push(case(listener, format!("field {line:?}"), &request, expected));
        }
        for bytes in [&b"x: \xff\xfe"[..], b"x\xff: y", b"x: a\0b", b"x: a\x7fb", b"x: a\rb", b"x: a\nb"] {
            let request = Request::new("GET", "/v1/none").field(bytes);
            cases.push(case(listener, format!("bytes {bytes:?}"), &request, Expected::Refused));
        }
        for (name, line) in [("one field", "x: y".to_owned()), ("long", format!("x: {}", "y".repeat(200)))] {
            let request = (0..200).fold(Request::new("GET", "/v1/none"), |request, _| request.field(&line));
            let expected = Expected::Code(ReasonCode::RequestTooLarge);
            cases.push(case(listener, format!("200 times {name}"), &request, expected));
        }
    }
    cases
}

/// Bytes that are the same in every run.
fn noise() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (1..=12).map(|size| (0..size * 20).map(|_| next()).collect()).collect()
}

const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "HEAD"];
const RARE_METHODS: &[&str] = &["PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "M-SEARCH"];

/// Paths that have nothing.
const STRANGE_PATHS: &[&str] = &[
    "/",
    "/v1",
    "/v1/",
    "/v2/info",
    "/metrics/..",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/v1/info/../secrets",
    "/v1/./info",
    "/.git/config",
    "/%ff%fe",
    "/%",
    "/%zz",
    "/%c0%af",
    "/v1/info%20",
    "/v1/info%0d%0aset-cookie:x",
    "//v1/info",
    "/\\..\\",
    "/~root",
    "/v1/secrets/prod/db",
];

/// Targets that a proxy would take, or that have another form.
const STRANGE_TARGETS: &[&str] = &[
    "*",
    "broker:443",
    "http://broker/v1/info",
    "http://169.254.169.254/computeMetadata/v1/",
    "ftp://broker/",
    "?",
    "/?",
    "#",
    "/v1/info#x",
    "http://",
    "http://[::1",
    "/v1/info?a=b?c=d&&&==",
    "/%76%31/info",
];

const NO_REQUESTS: &[(&str, &str)] = &[
    ("an empty line and no method", " / HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("HTTP/0.9", "GET /\r\n\r\n"),
    ("HTTP/3", "GET / HTTP/3\r\nhost: x\r\n\r\n"),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nhost: x\r\n\r\n"),
    ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ("an answer", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("a blank in the target", "GET /v1 /info HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("no colon", "GET / HTTP/1.1\r\nhost: x\r\nnothing\r\n\r\n"),
    ("a blank before the colon", "GET / HTTP/1.1\r\nhost: x\r\nname : y\r\n\r\n"),
    ("an empty name", "GET / HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"),
    ("no host", "POST /v1/challenge HTTP/1.1\r\n\r\n"),
    ("a signed length", "POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\n{"),
    ("a length in hex", "POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-length: 0x1\r\n\r\n{"),
    ("a list of lengths", "POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 1\r\n\r\n{"),
    ("an empty length", "POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-length:\r\n\r\n"),
    (
        "a length beyond 64 bits",
        "POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
    ),
    (
        "two lengths",
        "POST /v1/volumes HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{",
    ),
    (
        "length and chunks",
        "POST /v1/volumes HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    ),
    ("gzip as transfer", "POST /v1/volumes HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n{}"),
    (
        "chunks twice",
        "POST /v1/volumes HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks that are not last",
        "POST /v1/volumes HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks in HTTP/1.0",
        "POST /v1/volumes HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
];

/// What a field does to a request.
enum Field {
    Ignored,
    Malformed,
    /// Both are right.
    Either,
}

const FIELDS: &[(&str, Field)] = &[
    ("accept: image/png", Field::Ignored),
    ("accept-encoding: identity;q=0, *;q=0", Field::Ignored),
    ("connection: x, y, z", Field::Ignored),
    ("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: AAAA", Field::Ignored),
    ("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAAA", Field::Ignored),
    ("content-encoding: gzip", Field::Ignored),
    ("content-type: \u{1f4a9}/x", Field::Either),
    ("cookie: a=b; token=vouchsafe", Field::Ignored),
    ("date: yesterday", Field::Ignored),
    ("expect: 100-continue", Field::Ignored),
    ("expect: 200-ok", Field::Either),
    ("forwarded: for=127.0.0.1", Field::Ignored),
    ("host: second", Field::Malformed),
    ("if-none-match: *", Field::Ignored),
    ("origin: https://evil.example", Field::Ignored),
    ("range: bytes=0-0", Field::Ignored),
    ("te: trailers, deflate;q=-1", Field::Ignored),
    ("trailer: host", Field::Ignored),
    ("transfer-encoding: identity", Field::Either),
    ("user-agent: () { :; }; reboot", Field::Ignored),
    ("x-forwarded-for: 10.0.0.1", Field::Ignored),
    ("x-http-method-override: DELETE", Field::Ignored),
    (" folded: y", Field::Malformed),
    ("x:y", Field::Ignored),
    ("x:", Field::Ignored),
    ("x\u{e9}: y", Field::Malformed),
];
