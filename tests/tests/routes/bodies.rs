//! Bodies: what is no JSON, JSON of another form than the route's, and how a body is framed and announced.

use serde_json::{Map, Value};
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::cases::{Case, Expected, Request, case, spread};
use super::described::{Description, Route};
use super::examples::{STRANGE_TEXTS, example, of_other_types, written};

/// A body, and what has to come of it.
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) expected: Expected,
}

fn form(name: impl Into<String>, body: impl Into<Vec<u8>>, expected: Expected) -> Form {
    Form { name: name.into(), body: body.into(), expected }
}

/// What is an object for no route.
pub(crate) fn no_objects() -> Vec<Form> {
    let malformed = Expected::Code(ReasonCode::MalformedRequest);
    let utf16: Vec<u8> = "{\"path\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let texts = [
        "",
        " ",
        "null",
        "true",
        "7",
        "\"x\"",
        "[]",
        "[[]]",
        "{",
        "}",
        "{]",
        "{}{}",
        "{,}",
        "{\"\"}",
        "{\"x\":}",
        "{'x':1}",
        "{\"x\":1,}",
        "{\"x\":NaN}",
        "{x:1}",
        "// {}",
        "<?xml version=\"1.0\"?><x/>",
        "x=1&y=2",
        "{\"\\u0000\":1}",
        "{\"__proto__\":{}}",
        "{\"$ref\":\"#\"}",
        "\u{feff}{}",
        "%7b%7d",
    ];
    let mut forms: Vec<_> =
        texts.iter().map(|text| form(format!("body {text:?}"), *text, malformed)).collect();
    for (name, bytes) in [
        ("bytes that are no UTF-8", b"{\"\xff\":1}".to_vec()),
        ("NUL", vec![0; 16]),
        ("UTF-16", utf16),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0".to_vec()),
        ("CBOR", vec![0xa1, 0x61, 0x78, 1]),
        ("nested arrays", b"[".repeat(100_000)),
        ("nested objects", b"{\"x\":".repeat(50_000)),
        ("a number of 100,000 digits", [b"{\"x\":".to_vec(), b"9".repeat(100_000), b"}".to_vec()].concat()),
        ("blanks", b" ".repeat(70_000)),
    ] {
        forms.push(form(name, bytes, malformed));
    }
    forms
}

/// Objects that differ from a well-formed one in one thing. The example itself may be refused for what it says.
pub(crate) fn objects(description: &Description, schema: &Value) -> Vec<Form> {
    let malformed = Expected::Code(ReasonCode::MalformedRequest);
    let good = example(description, schema).as_object().unwrap().clone();
    let good_text = written(&good);
    let with = |name: &str, text: &str| {
        let mut members: Map<_, _> = good.clone();
        members.insert(name.to_owned(), Value::String(PLACE.to_owned()));
        written(&members).replace(&format!("\"{PLACE}\""), text)
    };
    let mut forms = vec![
        form("an unknown member", with("unheard_of", "1"), malformed),
        form("a member without a name", with("", "1"), malformed),
        form("something after the object", format!("{good_text}x"), malformed),
        form("a second object", format!("{good_text}{{}}"), malformed),
        form("an end that is missing", good_text.trim_end_matches('}'), malformed),
        form("the object in an array", format!("[{good_text}]"), malformed),
        form("members without names", array_of(&good), malformed),
    ];
    for (name, schema) in schema["properties"].as_object().unwrap() {
        let schema = description.resolve(schema);
        let is_required = good.contains_key(name);
        if is_required {
            let mut members = good.clone();
            members.remove(name);
            forms.push(form(format!("without {name}"), written(&members), malformed));
            let twice = format!("{},{name:?}:{}}}", good_text.trim_end_matches('}'), good[name]);
            forms.push(form(format!("{name} twice"), twice, malformed));
        }
        for text in of_other_types(schema) {
            // An absent member may be written as null.
            if is_required || text != "null" {
                forms.push(form(format!("{name}: {text}"), with(name, text), malformed));
            }
        }
        if schema["type"] == "string" || schema.get("enum").is_some() {
            let texts = spread(STRANGE_TEXTS.to_vec(), name.len(), 2).map(str::to_owned);
            for text in texts.chain([format!("\"{}\"", "a".repeat(70_000))]) {
                let shown: String = text.chars().take(20).collect();
                forms.push(form(format!("{name}: {shown}"), with(name, &text), Expected::NoFault));
            }
        }
    }
    forms
}

/// The values of an object without their names.
fn array_of(members: &Map<String, Value>) -> String {
    Value::Array(members.values().cloned().collect()).to_string()
}

/// A body that is framed, announced or labelled in another way than usual; `request` asks for the route.
pub(crate) fn framed(route: &Route, request: &Request, limit: usize) -> Vec<Case> {
    let malformed = Expected::Code(ReasonCode::MalformedRequest);
    let too_large = Expected::Code(ReasonCode::RequestTooLarge);
    let timeout = Expected::Code(ReasonCode::RequestTimeout);
    // The second request is answered where the first body has been read.
    let after = Expected::OneOf(&[ReasonCode::MalformedRequest, ReasonCode::NoSuchRoute]);
    let mut cases = Vec::new();
    let mut push = |name: &str, request: Request, expected| {
        cases.push(case(route.listener, format!("{}: {name}", route.name()), &request, expected));
    };
    let chunked = |body: &[u8]| request.clone().field("transfer-encoding: chunked").followed_by(body);
    let announced = |length: usize, body: &[u8]| {
        request.clone().field(format!("content-length: {length}")).followed_by(body)
    };
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x",
        "",
        "application/json; charset=utf-16",
    ] {
        push(
            &format!("content-type {kind}"),
            request.clone().field(format!("content-type: {kind}")).body("{"),
            malformed,
        );
    }
    for coding in ["gzip", "br", "zstd", "deflate, gzip", "x-unheard-of"] {
        let labelled = request.clone().field(format!("content-encoding: {coding}"));
        push(&format!("content-encoding {coding}"), labelled.body("{"), malformed);
    }
    push("no body and no length", request.clone(), malformed);
    push("the largest length", announced(limit, b"["), Expected::Refused);
    push("one byte more", announced(limit + 1, b"{"), too_large);
    push("the largest number", announced(usize::MAX, b"{"), too_large);
    push("a body that does not come", announced(10, b""), timeout);
    push("a request after the body", announced(1, b"[GET /v1/none HTTP/1.1\r\nhost: x\r\n\r\n"), after);
    push("chunks", chunked(b"1\r\n[\r\n0\r\n\r\n"), malformed);
    push("chunks with extensions", chunked(b"1;x=\"y\"\r\n[\r\n0\r\n\r\n"), Expected::Refused);
    push("chunks with trailers", chunked(b"1\r\n[\r\n0\r\nx: y\r\n\r\n"), Expected::Refused);
    push("chunks that do not end", chunked(b"1\r\n \r\n"), timeout);
    push("no chunks", chunked(b""), timeout);
    for size in ["zz", "-1", "", "0x1", "fffffffffffffffff", "1 ", "\0"] {
        let body = format!("{size}\r\n[\r\n0\r\n\r\n");
        push(&format!("size of a chunk {size:?}"), chunked(body.as_bytes()), Expected::Refused);
    }
    push("a chunk that is longer", chunked(b"1\r\n[[[[\r\n0\r\n\r\n"), malformed);
    push("a chunk of all memory", chunked(b"7fffffffffffffff\r\n["), Expected::Refused);
    push("an endless size", chunked(&b"0".repeat(10_000)), Expected::Refused);
    push("an endless extension", chunked(&[b"1;", &b"x".repeat(12_000)[..]].concat()), Expected::Refused);
    cases
}

/// A body without end: more than the limit, in chunks.
pub(crate) fn too_many_chunks(route: &Route, request: &Request) -> Case {
    let chunk = [b"10000\r\n", &b" ".repeat(0x10000)[..], b"\r\n"].concat();
    let body = chunk.repeat(MAX_REQUEST / 0x10000 + 1);
    let request = request.clone().field("transfer-encoding: chunked").followed_by(body);
    case(route.listener, format!("{}: more chunks than allowed", route.name()), &request, Expected::Refused)
}

const PLACE: &str = "@place@";
