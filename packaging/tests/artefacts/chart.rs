//! The chart, rendered by Helm's own engine: valid for Kubernetes, with the settings that matter, and an error for values that are
//! missing or unknown. It has not been installed in a cluster; `container.rs` runs what it renders.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use jsonschema::{Registry, Resource};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::image::{files, unzip};
use crate::{list, made, read, text, tool, tree};

fn helm(action: &str, chart: &str, values: &Value) -> std::process::Output {
    let mut helm = Command::new(tree().join("scripts/helm"));
    helm.args([action, chart, &values.to_string()]).output().expect("python3")
}

fn chart() -> String {
    tree().join("packaging/helm/vouchsafe").display().to_string()
}

/// What has to be given.
pub(crate) fn least() -> Value {
    json!({
        "image": { "repository": "registry.example.com/vouchsafe" },
        "hosts": ["broker.example.com"],
        "keyring": { "secretName": "vouchsafe-keyring" },
    })
}

/// Everything that can be switched on.
fn most() -> Value {
    let mut values = least();
    let more = json!({
        "init": { "enabled": true },
        "hosts": ["broker.example.com", "10.0.0.7", "fd00::7"],
        "imagePullSecrets": [{ "name": "registry" }],
        "commands": [["restore", "--config", "/etc/vouchsafe/broker.toml", "/var/lib/vouchsafe/backup-1"]],
        "settings": "challenge_ttl = 30",
        "tables": "[limits]\nqueue = 3",
        "guests": { "service": { "annotations": { "a": "b" }, "loadBalancerSourceRanges": ["192.0.2.0/24"] } },
        "persistence": { "storageClassName": "ssd" },
        "networkPolicy": {
            "operatorsFrom": [{ "namespaceSelector": { "matchLabels": { "a": "b" } } }],
            "egress": [{ "ports": [{ "port": 8080 }] }],
        },
        "serviceMonitor": { "enabled": true, "ca": { "secretName": "c" } },
        "serviceAccount": { "annotations": { "a": "b" } },
        "podAnnotations": { "a": "b" },
        "podLabels": { "a": "b" },
        "nodeSelector": { "a": "b" },
        "tolerations": [{ "key": "a", "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "priorityClassName": "high",
        "extraVolumes": [{ "name": "backup", "persistentVolumeClaim": { "claimName": "backup" } }],
        "extraVolumeMounts": [{ "name": "backup", "mountPath": "/backup" }],
    });
    let (Some(all), Value::Object(more)) = (values.as_object_mut(), more) else { panic!("objects") };
    all.extend(more);
    values
}

/// Rendered objects by kind and name.
pub(crate) fn rendered(values: &Value) -> BTreeMap<(String, String), Value> {
    let output = helm("template", &chart(), values);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let templates: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut objects = BTreeMap::new();
    for (path, text) in templates.iter().filter(|(path, _)| path.ends_with(".yaml")) {
        for document in serde_yaml_ng::Deserializer::from_str(text) {
            let object = Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"));
            if object.is_null() {
                continue;
            }
            let key =
                (self::text(&object["kind"]).to_owned(), self::text(&object["metadata"]["name"]).to_owned());
            assert!(objects.insert(key, object).is_none(), "{path}: an object is there twice");
        }
    }
    objects
}

pub(crate) fn object<'a>(
    objects: &'a BTreeMap<(String, String), Value>,
    kind: &str,
    name: &str,
) -> &'a Value {
    objects.get(&(kind.to_owned(), name.to_owned())).unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn helm_has_nothing_to_complain_about() {
    for values in [least(), most()] {
        let output = helm("lint", &chart(), &values);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn missing_and_unknown_values_are_errors() {
    let mut without = BTreeMap::new();
    for (pointer, message) in [
        ("/image", "image.repository is required"),
        ("/hosts", "hosts is required"),
        ("/keyring", "keyring.secretName is required"),
    ] {
        let mut values = least();
        values.as_object_mut().expect("an object").remove(pointer.trim_start_matches('/'));
        without.insert(message, values);
    }
    let with = |key: &str, value: Value| {
        let mut values = least();
        values[key] = value;
        values
    };
    without.insert("additional properties 'replicas' not allowed", with("replicas", json!(2)));
    without.insert(
        "serviceMonitor.ca.secretName is required",
        with("serviceMonitor", json!({ "enabled": true })),
    );
    // Ports below 1024 need a capability that the pod has not.
    without.insert("minimum: got 443, want 1,024", with("guests", json!({ "port": 443 })));
    for (message, values) in without {
        let output = helm("template", &chart(), &values);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(message), "{message}: {said}");
    }
}

/// Against the schemas of the oldest and the newest version, which know no other members.
#[test]
fn kubernetes_knows_every_member() {
    for version in ["v1.29.0", "v1.37.0"] {
        let folder = tool("kubernetes-schemas")
            .join(format!("kubernetes_validate/kubernetes-json-schema/{version}-local-strict"));
        let schema = |name: &str| -> Value {
            let path: PathBuf = folder.join(format!("{name}.json"));
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_json::from_str(&text).expect("JSON")
        };
        let definitions = Resource::from_contents(schema("_definitions"));
        let base = "http://kubernetes/api/";
        let registry =
            Registry::new().add(format!("{base}_definitions.json"), definitions).expect("a schema");
        let registry = registry.prepare().expect("schemas");
        for values in [least(), most()] {
            for ((kind, name), object) in rendered(&values) {
                // Prometheus Operator's kinds are not Kubernetes' own.
                if kind == "ServiceMonitor" {
                    continue;
                }
                let api = text(&object["apiVersion"]).replace(".k8s.io", "").replace('/', "-");
                let schema = schema(&format!("{}-{api}", kind.to_lowercase()));
                let options = jsonschema::options()
                    .with_registry(&registry)
                    .with_base_uri(format!("{base}{kind}.json"));
                let validator = options.build(&schema).expect("a schema");
                let errors: Vec<_> = validator
                    .iter_errors(&object)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert_eq!(errors, Vec::<String>::new(), "{version}: {kind} {name}");
                let mut wrong = object.clone();
                wrong["unknown"] = true.into();
                assert!(!validator.is_valid(&wrong), "the schema is looked at");
            }
        }
    }
}

#[test]
fn the_pod_may_do_nothing_and_is_alone() {
    let objects = rendered(&most());
    let set = object(&objects, "StatefulSet", "vouchsafe");
    assert_eq!(set["spec"]["replicas"], 1);
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let expected = json!({
        "runAsNonRoot": true, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
    });
    assert_eq!(pod["securityContext"], expected);
    let containers: Vec<_> = list(&pod["initContainers"]).iter().chain(list(&pod["containers"])).collect();
    assert_eq!(containers.len(), 3);
    for container in containers {
        let expected = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container["securityContext"], expected, "{}", container["name"]);
    }
    let keyring = &list(&pod["volumes"])[0]["secret"];
    assert_eq!(
        (&keyring["defaultMode"], &keyring["secretName"]),
        (&0o400.into(), &"vouchsafe-keyring".into())
    );
    for (probe, path) in
        [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        let get = &list(&pod["containers"])[0][probe]["httpGet"];
        assert_eq!((text(&get["path"]), text(&get["scheme"])), (path, "HTTPS"));
    }
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"], json!(["ReadWriteOncePod"]));
}

#[test]
fn operators_are_served_inside_the_cluster_only() {
    let objects = rendered(&most());
    let operators = object(&objects, "Service", "vouchsafe-operators");
    assert_eq!(operators["spec"]["type"], "ClusterIP");
    assert_eq!(operators["spec"]["publishNotReadyAddresses"], true);
    assert_eq!(object(&objects, "Service", "vouchsafe-guests")["spec"]["externalTrafficPolicy"], "Local");
    let ports =
        |rule: &Value| list(&rule["ports"]).iter().map(|port| port["port"].clone()).collect::<Vec<_>>();
    let ingress = |objects: &BTreeMap<_, _>| {
        list(&object(objects, "NetworkPolicy", "vouchsafe")["spec"]["ingress"]).to_vec()
    };
    let rules = ingress(&objects);
    assert_eq!((ports(&rules[0]), ports(&rules[1])), (vec![json!("guests")], vec![json!("operators")]));
    assert_eq!(list(&rules[1]["from"]).len(), 1);
    // Google's CRLs are at http:// addresses. The metadata server has tokens of the node.
    let egress = list(&object(&objects, "NetworkPolicy", "vouchsafe")["spec"]["egress"]);
    assert_eq!(egress.iter().flat_map(ports).collect::<Vec<_>>(), [53, 53, 443, 80, 8080]);
    let to = list(&egress[2]["to"]).iter().map(|to| text(&to["ipBlock"]["except"][0])).collect::<Vec<_>>();
    assert_eq!(to, ["169.254.0.0/16", "fe80::/10"]);
    // Unless somebody is named, nobody connects.
    assert_eq!(ingress(&rendered(&least())).len(), 1);
}

/// The broker serves its metrics without a token: the test of the operators' routes shows it.
#[test]
fn prometheus_gets_the_metrics_from_the_operators_service_without_a_token() {
    let objects = rendered(&most());
    let monitor = object(&objects, "ServiceMonitor", "vouchsafe");
    let expected = json!([{
        "port": "operators", "path": "/metrics", "scheme": "https", "interval": "30s",
        "tlsConfig": { "ca": { "secret": { "name": "c", "key": "ca.pem" } }, "serverName": "127.0.0.1" },
    }]);
    assert_eq!(monitor["spec"]["endpoints"], expected);
    assert_eq!(object(&objects, "Service", "vouchsafe-operators")["spec"]["ports"][0]["name"], "operators");
}

#[test]
fn the_packaged_chart_names_its_image_by_digest() {
    let chart = files(&unzip(&read("vouchsafe-0.1.0.tgz")));
    let values = String::from_utf8_lossy(&chart["vouchsafe/values.yaml"]).into_owned();
    let statement = crate::json("vouchsafe_0.1.0.provenance.json");
    let mut images = list(&statement["subject"])
        .iter()
        .filter_map(|one| text(&one["name"]).strip_prefix("pkg:oci/vouchsafe@"));
    let digest = images.next_back().expect("an image");
    assert!(values.contains(&format!("  digest: \"{digest}\"\n")), "{values}");
    let file = made().join("vouchsafe-0.1.0.tgz").display().to_string();
    let output = helm("template", &file, &least());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = format!("registry.example.com/vouchsafe@{digest}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&image), "{image}");
    assert!(helm("lint", &file, &least()).status.success());
}
