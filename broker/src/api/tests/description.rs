//! The subset of JSON Schema that `openapi.yaml` uses: a keyword that is not implemented here is an error.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::{Map, Value, json};

/// The document. An operation's parameters are added to it as one schema, `query`.
pub(super) struct Description(Value);

/// What the examples have covered of each schema, by JSON pointer.
#[derive(Clone, Default)]
pub(super) struct Seen {
    objects: BTreeMap<String, Members>,
    /// Values of an `enum`, alternatives of a `oneOf`, types of a list of types.
    cases: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone)]
struct Members {
    in_some: BTreeSet<String>,
    in_all: BTreeSet<String>,
}

impl Description {
    pub(super) fn read() -> Self {
        Self::of(serde_yaml_ng::from_str(include_str!("../../../openapi.yaml")).expect("YAML"))
    }

    pub(super) fn of(mut document: Value) -> Self {
        let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
        for operation in paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten()) {
            let operation = operation.1.as_object_mut().expect("an operation");
            if let Some(parameters) = operation.get("parameters").and_then(Value::as_array) {
                let query = query(parameters);
                operation.insert("query".to_owned(), query);
            }
        }
        Self(document)
    }

    /// The pointer of an operation.
    pub(super) fn operation(&self, method: &str, path: &str) -> String {
        let pointer = format!("/paths/{}/{}", path.replace('/', "~1"), method.to_lowercase());
        assert!(self.has(&pointer), "{method} {path} is not described");
        pointer
    }

    /// The pointers of all operations.
    pub(super) fn operations(&self) -> BTreeSet<String> {
        let paths = self.at("/paths").as_object().expect("paths").iter();
        let methods = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.map(move |method| format!("/paths/{}/{method}", path.replace('/', "~1")))
        });
        methods.collect()
    }

    pub(super) fn has(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some()
    }

    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not described"))
    }

    /// Checks that the value matches the schema, and notes what it covers.
    pub(super) fn check(&self, pointer: &str, value: &Value, seen: &mut Seen) -> Result<(), String> {
        let schema = self.at(pointer).as_object().expect("a schema");
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let others = schema.keys().filter(|key| !["$ref", "description"].contains(&key.as_str()));
            assert_eq!(others.count(), 0, "{pointer}: no other keyword may accompany $ref");
            return self.check(reference.strip_prefix('#').expect("in this document"), value, seen);
        }
        let wrong = |what: &str| Err(format!("{pointer}: {value} {what}"));
        seen.objects.entry(pointer.to_owned()).or_insert_with(|| Members::of(value)).note(value);
        for (keyword, argument) in schema {
            let number = argument.as_u64();
            let holds = match keyword.as_str() {
                "description" | "examples" | "default" | "contentMediaType" => true,
                "type" => self.is_of_type(pointer, argument, value, seen),
                "enum" => seen.case(pointer, argument, value),
                "const" => argument == value,
                "pattern" => {
                    let pattern = Regex::new(argument.as_str().expect("a pattern")).expect("a pattern");
                    value.as_str().is_some_and(|text| pattern.is_match(text))
                }
                "maxLength" => {
                    value.as_str().is_some_and(|text| text.len() as u64 <= number.expect("a length"))
                }
                "minimum" => value.as_u64() >= number,
                "maximum" => value.as_u64() <= number,
                "minItems" => value.as_array().map(|items| items.len() as u64) >= number,
                "maxItems" => value.as_array().map(|items| items.len() as u64) <= number,
                "oneOf" => self.is_one_of(pointer, argument, value, seen)?,
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.check(&format!("{pointer}/items"), item, seen)?;
                    }
                    true
                }
                "required" | "properties" | "additionalProperties" => continue,
                other => return Err(format!("{pointer}: this test does not support the keyword {other}")),
            };
            if !holds {
                return wrong(&format!("violates {keyword}: {argument}"));
            }
        }
        self.check_members(pointer, schema, value, seen)
    }

    fn check_members(
        &self,
        pointer: &str,
        schema: &Map<String, Value>,
        value: &Value,
        seen: &mut Seen,
    ) -> Result<(), String> {
        let Some(members) = value.as_object() else { return Ok(()) };
        for (name, member) in members {
            let property = format!("{pointer}/properties/{}", name.replace('/', "~1"));
            let other = format!("{pointer}/additionalProperties");
            if self.has(&property) {
                self.check(&property, member, seen)?;
            } else if schema.get("additionalProperties").is_some_and(Value::is_object) {
                self.check(&other, member, seen)?;
            } else {
                return Err(format!("{pointer}: member {name} is not described"));
            }
        }
        Ok(())
    }

    fn is_of_type(&self, pointer: &str, types: &Value, value: &Value, seen: &mut Seen) -> bool {
        let is = |name: &&Value| match name.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            _ => panic!("{pointer}: type {name}"),
        };
        match types.as_array() {
            None => is(&types),
            Some(types) => {
                types.iter().find(is).is_some_and(|found| seen.case(pointer, &json!(types), found))
            }
        }
    }

    fn is_one_of(
        &self,
        pointer: &str,
        alternatives: &Value,
        value: &Value,
        seen: &mut Seen,
    ) -> Result<bool, String> {
        let count = alternatives.as_array().expect("alternatives").len();
        let fits = |index: &usize| {
            self.check(&format!("{pointer}/oneOf/{index}"), value, &mut Seen::default()).is_ok()
        };
        let [index] = (0..count).filter(fits).collect::<Vec<_>>()[..] else { return Ok(false) };
        seen.cases.entry(pointer.to_owned()).or_default().insert(index.to_string());
        self.check(&format!("{pointer}/oneOf/{index}"), value, seen).map(|()| true)
    }
}

impl Seen {
    /// Whether the value is one of these; notes which.
    fn case(&mut self, pointer: &str, all: &Value, value: &Value) -> bool {
        self.cases.entry(pointer.to_owned()).or_default().insert(value.to_string());
        all.as_array().expect("a list").contains(value)
    }

    /// Everything in the description that no example has covered.
    pub(super) fn left_over(&self, description: &Description) -> Vec<String> {
        let mut findings = Vec::new();
        for (pointer, members) in &self.objects {
            let schema = description.at(pointer);
            let names = |key: &str| -> BTreeSet<String> {
                let listed = schema.get(key);
                let keys = listed.and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned();
                let items = listed.and_then(Value::as_array).into_iter().flatten();
                keys.chain(items.filter_map(Value::as_str).map(str::to_owned)).collect()
            };
            let properties = names("properties");
            if schema.get("type") == Some(&json!("object"))
                && properties.is_empty()
                && schema.get("additionalProperties").is_none()
            {
                findings.push(format!("{pointer}: an object without described members"));
            }
            let unseen = properties.difference(&members.in_some);
            findings.extend(unseen.map(|name| format!("{pointer}: no Rust type has the member {name}")));
            let always: BTreeSet<_> = members.in_all.intersection(&properties).cloned().collect();
            if always != names("required") {
                findings.push(format!(
                    "{pointer}: always present: {always:?}; required: {:?}",
                    names("required")
                ));
            }
        }
        for (pointer, cases) in &self.cases {
            let schema = description.at(pointer);
            let all = match (schema.get("enum"), schema.get("oneOf"), schema.get("type")) {
                (Some(Value::Array(all)), _, _) | (None, None, Some(Value::Array(all))) => {
                    all.iter().map(ToString::to_string).collect()
                }
                (_, Some(Value::Array(all)), _) => (0..all.len()).map(|index| index.to_string()).collect(),
                _ => BTreeSet::new(),
            };
            findings.extend(
                all.difference(cases).map(|case| format!("{pointer}: no Rust type has the case {case}")),
            );
        }
        let schemas = description.at("/components/schemas").as_object().expect("schemas").keys();
        let unused = schemas.map(|name| format!("/components/schemas/{name}"));
        let unused = unused.filter(|pointer| !self.objects.contains_key(pointer));
        findings.extend(unused.map(|pointer| format!("{pointer}: no value has this schema")));
        findings
    }
}

impl Members {
    fn of(value: &Value) -> Self {
        Self { in_some: BTreeSet::new(), in_all: names(value) }
    }

    fn note(&mut self, value: &Value) {
        // Where an object may be null, a null value has none of its members.
        if value.is_object() {
            let names = names(value);
            self.in_all.retain(|name| names.contains(name));
            self.in_some.extend(names);
        }
    }
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

fn query(parameters: &[Value]) -> Value {
    let name = |parameter: &Value| parameter["name"].as_str().expect("a name").to_owned();
    let required = parameters.iter().filter(|parameter| parameter.get("required") == Some(&json!(true)));
    let required: Vec<_> = required.map(name).collect();
    let properties: Map<_, _> =
        parameters.iter().map(|parameter| (name(parameter), parameter["schema"].clone())).collect();
    assert!(parameters.iter().all(|parameter| parameter["in"] == "query"), "parameters are in the query");
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}
