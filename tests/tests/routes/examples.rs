//! Examples for the schemas of `broker/openapi.yaml`: one that is well formed, and what is not.

use serde_json::{Map, Value, json};

use super::described::Description;

/// Stands for a live challenge, which the client puts in its place.
pub(crate) const CHALLENGE: &str = "@challenge@";

/// A well-formed value, without members that may be absent.
pub(crate) fn example(description: &Description, schema: &Value) -> Value {
    let schema = description.resolve(schema);
    if let Some(first) = ["examples", "enum", "oneOf"].iter().find_map(|key| schema[key].get(0)) {
        return if schema.get("oneOf").is_some() { example(description, first) } else { first.clone() };
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if schema["properties"].get("mac").is_some() {
        return json!(CHALLENGE);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match kind {
        "string" => json!(text(schema)),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "array" => json!([example(description, &schema["items"])]),
        "object" => {
            let required = schema["required"].as_array().into_iter().flatten();
            let members = required.map(|name| {
                let name = name.as_str().unwrap();
                (name.to_owned(), example(description, &schema["properties"][name]))
            });
            Value::Object(members.collect())
        }
        other => panic!("no example for type {other:?}: {schema}"),
    }
}

/// A text of the schema's pattern, for the patterns that requests have.
fn text(schema: &Value) -> String {
    let hex = |length| "0".repeat(length);
    match schema["pattern"].as_str() {
        None => "x".to_owned(),
        Some("^[A-Za-z0-9_-]*$") => "AAAA".to_owned(),
        Some("^[0-9a-f]{16}$") => hex(16),
        Some("^[0-9a-f]{32}$") => hex(32),
        Some("^[0-9a-f]{64}$") => hex(64),
        Some("^[0-9a-f]{96}$") => hex(96),
        Some("^ed25519:[A-Za-z0-9_-]{43}$") => format!("ed25519:{}", "A".repeat(43)),
        Some(other) => panic!("no example for pattern {other}: add it here"),
    }
}

/// JSON of an object, member by member; the challenge comes first.
pub(crate) fn written(members: &Map<String, Value>) -> String {
    let (first, rest): (Vec<_>, Vec<_>) = members.iter().partition(|(name, _)| *name == "challenge");
    let members: Vec<_> =
        first.into_iter().chain(rest).map(|(name, value)| format!("{name:?}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// JSON of another type than the schema's.
pub(crate) fn of_other_types(schema: &Value) -> Vec<&'static str> {
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        // A choice of a text or a number.
        Value::Null if schema.get("oneOf").is_some() => {
            vec!["string", "integer", "below", "beyond", "fraction"]
        }
        // Enumerations of texts.
        _ => vec!["string"],
    };
    let values = [
        ("null", "null"),
        ("boolean", "true"),
        ("integer", "7"),
        ("fraction", "1.5"),
        ("below", "-1"),
        ("beyond", "99999999999999999999999"),
        ("beyond", "1e999"),
        ("string", "\"7\""),
        ("array", "[]"),
        ("array", "[[]]"),
        ("object", "{}"),
        ("object", "{\"x\":1}"),
    ];
    values.into_iter().filter(|(kind, _)| !types.contains(kind)).map(|(_, text)| text).collect()
}

/// JSON texts whose content no member has.
pub(crate) const STRANGE_TEXTS: &[&str] = &[
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\x41\"",
    "\"../../etc/passwd\"",
    "\"a\u{202e}b\"",
    "\"%00\"",
    "\"' OR 1=1 --\"",
    "\"\u{7f}\u{9b}31m\"",
];
