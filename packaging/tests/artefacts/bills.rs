//! Bills of materials: valid CycloneDX, and of what is really built.

use std::collections::BTreeSet;
use std::fs;

use jsonschema::{Registry, Resource};
use serde_json::Value;

use crate::{json, list, text, tool};

const BILLS: [&str; 3] =
    ["vouchsafe_0.1.0.cdx.json", "vouchsafe-guest_0.1.0.cdx.json", "vouchsafe-guest-initrd_0.1.0.cdx.json"];

/// Names of components, with their scope.
fn components(bill: &Value, scope: &str) -> BTreeSet<String> {
    let components = list(&bill["components"]).iter().filter(|one| one["scope"] == scope);
    components.map(|one| text(&one["name"]).to_owned()).collect()
}

fn component<'a>(bill: &'a Value, name: &str) -> &'a Value {
    let found = list(&bill["components"]).iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn features(component: &Value) -> BTreeSet<&str> {
    let features = list(&component["properties"]).iter().filter(|one| one["name"] == "vouchsafe:feature");
    features.map(|one| text(&one["value"])).collect()
}

#[test]
fn bills_are_valid_cyclonedx() {
    let folder = tool("cyclonedx-schemas").join("cyclonedx/schema/_res");
    let schema = |name: &str| -> Value {
        let text = fs::read_to_string(folder.join(format!("{name}.SNAPSHOT.schema.json"))).expect("a schema");
        serde_json::from_str(&text).expect("JSON")
    };
    let mut registry = Registry::new();
    for name in ["spdx", "jsf-0.82", "cryptography-defs"] {
        let uri = format!("http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json");
        registry = registry.add(uri, Resource::from_contents(schema(name))).expect("a schema");
    }
    let registry = registry.prepare().expect("schemas");
    let validator =
        jsonschema::options().with_registry(&registry).build(&schema("bom-1.6")).expect("a schema");
    for name in BILLS {
        let mut bill = json(name);
        let errors: Vec<_> = validator.iter_errors(&bill).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
        bill["components"][0]["type"] = "other".into();
        assert!(!validator.is_valid(&bill), "the schema is looked at");
    }
}

#[test]
fn bills_have_what_is_built_and_nothing_else() {
    let [broker, guest, initrd] = BILLS.map(json);
    for (bill, has, lacks) in [
        (
            &broker,
            ["cedar-policy", "sqlx", "aws-lc", "sqlite", "mimalloc", "rust-std"].as_slice(),
            "tss-esapi",
        ),
        (&guest, &["tss-esapi", "google-cloud-auth", "aws-lc", "rust-std"], "sqlite"),
        (&initrd, &["tss-esapi", "aws-lc"], "google-cloud-auth"),
    ] {
        let linked = components(bill, "required");
        for name in has {
            assert!(linked.contains(*name), "{name}");
        }
        assert!(!linked.contains(lacks), "{lacks}");
        // Procedural macros and build scripts run at the build.
        let excluded = components(bill, "excluded");
        assert!(
            excluded.contains("serde_derive") && excluded.contains("cc") && !linked.contains("serde_derive")
        );
        let unlicensed = list(&bill["components"]).iter().filter(|one| one.get("licenses").is_none());
        assert_eq!(unlicensed.count(), 0);
    }
    // Features that the program asks for, and none that only tests do.
    assert!(features(&guest["metadata"]["component"]).contains("google"));
    assert!(!features(&initrd["metadata"]["component"]).contains("google"));
    assert!(!features(component(&broker, "vouchsafe-attestation")).contains("test-util"));
    let sqlite = component(&broker, "sqlite");
    assert!(text(&sqlite["cpe"]).starts_with("cpe:2.3:a:sqlite:sqlite:3."), "{sqlite}");
}

#[test]
fn every_dependency_is_a_component() {
    for name in BILLS {
        let bill = json(name);
        let mut known: BTreeSet<_> =
            list(&bill["components"]).iter().map(|one| text(&one["bom-ref"])).collect();
        assert_eq!(known.len(), list(&bill["components"]).len(), "references are unique");
        known.insert(text(&bill["metadata"]["component"]["bom-ref"]));
        for row in list(&bill["dependencies"]) {
            assert!(known.contains(text(&row["ref"])), "{row}");
            for on in list(&row["dependsOn"]) {
                assert!(known.contains(text(on)), "{on}");
            }
        }
        let crates = list(&bill["components"]).iter().filter(|one| text(&one["bom-ref"]).contains('@'));
        let with_hash = crates.filter(|one| one.get("hashes").is_some()).count();
        assert!(with_hash > 100, "{with_hash} crates with the digest of Cargo.lock");
    }
}
