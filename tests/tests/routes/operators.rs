//! What an operator with a valid token may get wrong.

use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::bundle::MAX_BUNDLE;
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::bodies::{framed, no_objects, objects};
use super::cases::{Case, Expected, Request, case, spread};
use super::described::{Description, Listener, Parameter, Route};
use super::examples::example;

/// Queries and bodies of every route.
pub(crate) fn cases(description: &Description, routes: &[Route], token: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, route) in routes.iter().filter(|route| route.needs_token).enumerate() {
        cases.extend(queries(description, route, token));
        let request = Request::new(&route.method, &route.path).token(token);
        let Some(schema) = &route.json else {
            if route.is_binary {
                cases.extend(files(route, &request));
            }
            continue;
        };
        for form in spread(no_objects(), index, 4).chain(objects(description, schema)) {
            let name = format!("{}: {}", route.name(), form.name);
            // A name that is wrong in itself may be found wrong later: as an object that does not exist.
            cases.push(case(Listener::Operators, name, &request.clone().body(form.body), form.expected));
        }
    }
    // How a body is framed is the same for all.
    let framing = routes.iter().find(|route| route.needs_token && route.json.is_some()).unwrap();
    cases.extend(framed(framing, &Request::new(&framing.method, &framing.path).token(token), MAX_REQUEST));
    cases
}

/// Queries with what no route takes, or with what this one does not.
fn queries(description: &Description, route: &Route, token: &str) -> Vec<Case> {
    let malformed = Expected::Code(ReasonCode::MalformedRequest);
    let required: Vec<String> = route
        .query
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| pair(description, parameter))
        .collect();
    let with = |more: &str| [&required[..], &[more.to_owned()]].concat().join("&");
    let mut queries = vec![
        (with("unheard_of=1"), malformed),
        (with("=1"), malformed),
        (with("%ff=%fe"), malformed),
        (with("x"), malformed),
    ];
    for parameter in &route.query {
        let name = &parameter.name;
        let others: Vec<String> = route
            .query
            .iter()
            .filter(|other| other.required && other.name != *name)
            .map(|other| pair(description, other))
            .collect();
        let alone = |value: &str| [&others[..], &[format!("{name}={value}")]].concat().join("&");
        let good = pair(description, parameter);
        queries.push(([&others[..], &[good.clone(), good]].concat().join("&"), malformed));
        if parameter.required {
            queries.push((others.join("&"), malformed));
        }
        let is_text = parameter.schema["type"] == "string" && parameter.schema.get("pattern").is_none();
        for value in [
            "",
            "%00",
            "%ff",
            "-1",
            "99999999999999999999",
            "1.5",
            "..%2f..%2fetc",
            "a%20b",
            "%",
            "%zz",
            "null",
        ] {
            // Names and paths have no pattern; some of these are names.
            queries.push((alone(value), if is_text { Expected::NoFault } else { malformed }));
        }
        // An instance is any text.
        let expected = if name == "instance" { Expected::NoFault } else { Expected::Refused };
        queries.push((alone(&"a".repeat(8_000)), expected));
    }
    let cases = queries.into_iter().map(|(query, expected)| {
        let request = Request::new(&route.method, &format!("{}?{query}", route.path)).token(token);
        let shown: String = query.chars().take(60).collect();
        case(Listener::Operators, format!("{}?{shown}", route.name()), &request, expected)
    });
    cases.collect()
}

fn pair(description: &Description, parameter: &Parameter) -> String {
    let value = example(description, &parameter.schema);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("{}={text}", parameter.name)
}

/// Files that are no collateral.
fn files(route: &Route, request: &Request) -> Vec<Case> {
    let pem = |label: &str, text: &str| format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("zeros", vec![0; 1000]),
        ("text", b"hello".to_vec()),
        ("an object", b"{}".to_vec()),
        ("an array", b"[]".to_vec()),
        ("nested arrays", b"[".repeat(100_000)),
        ("nested objects", b"{\"items\":".repeat(50_000)),
        ("a CRL that is none", pem("X509 CRL", "AAAA").into_bytes()),
        ("a CRL that is no base64", pem("X509 CRL", "!").into_bytes()),
        ("a certificate that is none", pem("CERTIFICATE", "MAA=").into_bytes()),
        ("a key", pem("PRIVATE KEY", "MAA=").into_bytes()),
        ("no end", b"-----BEGIN X509 CRL-----\n".to_vec()),
        ("DER", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("nested DER", [0x30, 0x80].repeat(50_000)),
        ("keys", b"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}]}".to_vec()),
        ("a bundle", b"{\"bundle\":{},\"signature\":\"\"}".to_vec()),
        ("a large file", vec![b'x'; MAX_REQUEST + 1]),
    ];
    let name = route.name();
    let mut cases: Vec<_> = bodies
        .into_iter()
        .map(|(what, body)| {
            case(route.listener, format!("{name}: {what}"), &request.clone().body(body), Expected::Refused)
        })
        .collect();
    let length = |length: usize| request.clone().field(format!("content-length: {length}"));
    let too_large = Expected::Code(ReasonCode::RequestTooLarge);
    cases.push(case(route.listener, format!("{name}: one byte more"), &length(MAX_BUNDLE + 1), too_large));
    cases
}
