//! The routes of each listener, as `broker/openapi.yaml` describes them and as the code has them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Whose listener it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listener {
    Guests,
    Operators,
}

impl Listener {
    pub(crate) const BOTH: [Self; 2] = [Self::Guests, Self::Operators];
}

/// One method of one path of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) listener: Listener,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) needs_token: bool,
    /// The schema of its body, if that is JSON.
    pub(crate) json: Option<Value>,
    /// Whether its body is anything else.
    pub(crate) is_binary: bool,
    pub(crate) query: Vec<Parameter>,
}

/// A member of the query.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

impl Route {
    /// Method and path.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// `broker/openapi.yaml`.
pub(crate) struct Description(Value);

impl Description {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(broker().join("openapi.yaml")).unwrap();
        Self(serde_yaml_ng::from_str(&text).unwrap())
    }

    /// Every route; one of both listeners twice.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, operations)| {
            operations.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
        });
        operations.flat_map(|(path, method, operation)| self.route(path, method, operation)).collect()
    }

    fn route(&self, path: &str, method: &str, operation: &Value) -> Vec<Route> {
        let listeners = match (operation["tags"][0].as_str().unwrap(), path) {
            ("guests", _) => vec![Listener::Guests],
            ("operators", _) | ("health", "/metrics") => vec![Listener::Operators],
            ("health", _) => Listener::BOTH.to_vec(),
            (other, _) => panic!("{path}: unknown tag {other}"),
        };
        let body = &operation["requestBody"]["content"];
        let json = body["application/json"].get("schema").map(|schema| self.resolve(schema).clone());
        let query = operation["parameters"].as_array().into_iter().flatten().map(|parameter| Parameter {
            name: parameter["name"].as_str().unwrap().to_owned(),
            required: parameter["required"].as_bool().unwrap_or_default(),
            schema: self.resolve(&parameter["schema"]).clone(),
        });
        let route = |listener| Route {
            listener,
            method: method.to_uppercase(),
            path: path.to_owned(),
            needs_token: operation.get("security").is_some(),
            is_binary: json.is_none() && !body.is_null(),
            json: json.clone(),
            query: query.clone().collect(),
        };
        listeners.into_iter().map(route).collect()
    }

    /// What a `$ref` stands for.
    pub(crate) fn resolve<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(pointer) => self.resolve(self.0.pointer(pointer.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }

    /// Codes of problems.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        let codes = self.0["components"]["schemas"]["ReasonCode"]["enum"].as_array().unwrap();
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// Members of problems.
    pub(crate) fn problem_members(&self) -> BTreeSet<String> {
        let members = self.0["components"]["schemas"]["Problem"]["properties"].as_object().unwrap();
        members.keys().cloned().collect()
    }
}

fn broker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("broker")
}

/// Every call of `resource` in the sources of a listener, with the methods that follow it.
fn in_code(source: &str) -> Vec<(String, String)> {
    let calls = source.split("resource(\"").skip(1);
    calls
        .flat_map(|call| {
            let (path, rest) = call.split_once('"').unwrap();
            let methods: Vec<_> = rest
                .split("web::")
                .skip(1)
                .filter_map(|rest| rest.split_once("().to(").map(|(method, _)| method.to_uppercase()))
                .filter(|method| method.bytes().all(|byte| byte.is_ascii_uppercase()))
                .collect();
            assert!(!methods.is_empty(), "{path} has no method");
            methods.into_iter().map(|method| (method, path.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_routes_of_the_code_are_those_that_openapi_describes() {
    let read = |name: &str| fs::read_to_string(broker().join("src").join(name)).unwrap();
    let mut operators = read("operators.rs");
    for entry in fs::read_dir(broker().join("src/operators")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            operators += &fs::read_to_string(path).unwrap();
        }
    }
    let sources = [(Listener::Guests, read("guests.rs")), (Listener::Operators, operators)];
    let found: BTreeSet<_> = sources
        .iter()
        .flat_map(|(listener, text)| {
            in_code(text).into_iter().map(|(method, path)| (*listener, method, path))
        })
        .collect();
    let routes = Description::read().routes();
    let described: BTreeSet<_> =
        routes.iter().map(|route| (route.listener, route.method.clone(), route.path.clone())).collect();
    assert_eq!(found, described);
    assert!(found.len() > 45, "{}", found.len());
}
