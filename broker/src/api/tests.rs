//! `openapi.yaml` against the types, in both directions.

mod calls;
mod description;
mod samples;

use std::collections::BTreeSet;

use serde_json::json;
use vouchsafe_protocol::ReasonCode;

use description::{Description, Seen};

#[test]
fn openapi_describes_every_call_by_its_types() {
    let description = Description::read();
    let mut seen = Seen::default();
    let mut findings = BTreeSet::new();
    let mut listed = BTreeSet::new();
    for call in calls::all() {
        let operation = description.operation(call.method, call.path);
        assert!(listed.insert(operation.clone()), "{} {} is listed once", call.method, call.path);
        for (part, pointer, examples) in [
            ("query", format!("{operation}/query"), &call.query),
            ("request", format!("{operation}/requestBody/content/application~1json/schema"), &call.request),
            ("answer", format!("{operation}/responses/200/content/application~1json/schema"), &call.answer),
        ] {
            let what = format!("{} {} {part}", call.method, call.path);
            assert_eq!(
                description.has(&pointer),
                !examples.is_empty(),
                "{what}: described and no example, or the reverse"
            );
            for example in examples {
                let found = description.check(&pointer, example, &mut seen);
                findings.extend(found.err().map(|found| format!("{what}: {found}")));
            }
        }
        let done = description.has(&format!("{operation}/responses/204"));
        assert_eq!(done, call.is_silent, "{} {}: 204", call.method, call.path);
    }
    assert_eq!(listed, description.operations());
    for problem in samples::problems() {
        findings.extend(description.check("/components/schemas/Problem", &problem, &mut seen).err());
    }
    findings.extend(seen.left_over(&description));
    assert_eq!(findings, BTreeSet::new());
}

#[test]
fn every_operator_route_in_openapi_requires_a_token_and_every_route_lists_every_problem() {
    let description = Description::read();
    for call in calls::all() {
        let operation = description.operation(call.method, call.path);
        let problem = description.at(&format!("{operation}/responses/default/$ref"));
        assert_eq!(problem, &json!("#/components/responses/Problem"), "{operation}");
        let security = description.has(&format!("{operation}/security/0/token"));
        assert_eq!(security, call.needs_token(), "{operation}");
    }
    assert_eq!(description.at("/components/schemas/ReasonCode/enum"), &json!(ReasonCode::ALL));
}

#[test]
fn a_differing_description_is_noticed() {
    let differs = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut document = json!({ "components": { "schemas": { "Thing": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string", "pattern": "^[a-z]+$" },
                "state": { "enum": ["on", "off"] },
            },
        } } } });
        change(&mut document);
        let (description, mut seen) = (Description::of(document), Seen::default());
        let examples = [
            json!({ "name": "a", "state": "on" }),
            json!({ "name": "b", "state": "off" }),
            json!({ "name": "c" }),
        ];
        let mut findings: Vec<_> = examples
            .iter()
            .filter_map(|value| description.check("/components/schemas/Thing", value, &mut seen).err())
            .collect();
        findings.extend(seen.left_over(&description));
        !findings.is_empty()
    };
    let thing = |document: &mut serde_json::Value, pointer: &str, value: serde_json::Value| {
        *document.pointer_mut(&format!("/components/schemas/Thing/{pointer}")).expect("it is there") = value;
    };
    assert!(!differs(&|_| ()), "as it is");
    for (pointer, value) in [
        ("required", json!([])),
        ("required", json!(["name", "state"])),
        ("properties", json!({ "name": { "type": "string" } })),
        ("properties/name", json!({ "type": "integer" })),
        ("properties/name/pattern", json!("^[a-b]$")),
        ("properties/name", json!({ "type": ["string", "null"] })),
        ("properties/name", json!({ "type": "string", "unheard-of": 1 })),
        ("properties/state/enum", json!(["on"])),
        ("properties/state/enum", json!(["on", "off", "broken"])),
        (
            "properties",
            json!({ "name": { "type": "string" }, "state": { "enum": ["on", "off"] }, "more": { "type": "integer" } }),
        ),
    ] {
        assert!(
            differs(&|document: &mut serde_json::Value| thing(document, pointer, value.clone())),
            "{pointer}: {value}"
        );
    }
}
