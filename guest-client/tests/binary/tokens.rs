//! Tokens of Google Cloud Attestation.

use std::os::unix::fs::PermissionsExt as _;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_protocol::{BoundRequest, GuestPublicKey};

use super::google::{ACCESS, Answer, CREATE, Google, TOKEN, VERIFY};
use super::*;

#[test]
fn t07_a_token_is_for_this_broker_and_this_request() {
    let world = World::new(vec![]);
    let google = Google::start();
    world.ask_for_token(&google.address, "");
    assert_eq!(wrote(&world.guest(&["fetch", "prod/key"])), secret_of("prod/key"));
    let request = world.broker.lock().requests().remove(0);
    assert_eq!(request.evidence.google_token.unwrap().token, TOKEN);
    assert!(request.evidence.vtpm.is_some());
    let key = GuestPublicKey::new(request.suite, &request.public_key).unwrap();
    let bound = BoundRequest::release(&identity(1).identity(), request.challenge.nonce, key, &request.paths);
    let nonce = bound.transcript().token_nonce();
    let config = GuestConfig::read(&world.file("guest.toml")).unwrap();
    let expected = serde_json::json!({"audience": config.client.brokers[0].origin(), "nonce": [nonce.as_str()], "tokenType": 2});
    assert_eq!(google.only(VERIFY).json()["tokenOptions"], expected);
}

#[test]
fn evidence_saves_every_kind_and_doctor_asks_only_when_told() {
    let world = World::new(vec![]);
    let google = Google::start();
    world.ask_for_token(&google.address, "service_account = true\n");
    assert!(!String::from_utf8_lossy(&world.guest(&["doctor"]).stdout).contains("google-service"));
    assert_eq!(google.received().len(), 0);
    let shown = world.guest(&["doctor", "--google"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("google-service   issued a token"), "{shown}");
    assert!(shown.contains("  hwmodel: \"GCP_AMD_SEV\"\n  secboot: true\n"), "{shown}");
    assert!(shown.contains("is a software TPM"), "{shown}");
    assert!(!shown.contains(TOKEN) && !shown.contains(ACCESS), "{shown}");
    let config = GuestConfig::read(&world.file("guest.toml")).unwrap();
    assert_eq!(google.only(VERIFY).json()["tokenOptions"]["audience"], config.client.brokers[0].origin());
    google.forget();

    let (file, nonce) = (world.file("evidence.json"), "ab".repeat(32));
    let arguments = ["evidence", "--nonce", &nonce, "--audience", "https://b.test", "-o"];
    let output = world.guest(&[&arguments[..], &[file.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{output:?}");
    let binding = CaptureBinding::new(&[0xab; 32]);
    let said = format!("nonce of the token: {}, audience: https://b.test\n", binding.token_nonce);
    assert!(stderr(&output).ends_with(&said), "{output:?}");
    assert!(!stderr(&output).contains(TOKEN) && !stderr(&output).contains(ACCESS));
    let evidence: Evidence = serde_json::from_slice(&read(&file).unwrap()).unwrap();
    assert!(evidence.vtpm.is_some());
    assert_eq!(evidence.google_token.unwrap().token, TOKEN);
    let options = google.only(VERIFY).json()["tokenOptions"].clone();
    assert_eq!(options["audience"], "https://b.test");
    assert_eq!(options["nonce"], serde_json::json!([binding.token_nonce]));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_refusal_of_google_is_one_line_and_its_own_exit_code() {
    let world = World::new(vec![]);
    let body = r#"{"error": {"code": 403, "message": "API disabled", "status": "PERMISSION_DENIED"}}"#;
    let google = Google::start().with(CREATE, Answer::With(403, body.to_owned()));
    world.ask_for_token(&google.address, "");
    let error = failed_with(&world.guest(&["fetch", "prod/key"]), 12);
    let start =
        "vouchsafe-guest: no evidence: Google Cloud Attestation: CreateChallenge: status 403: API disabled (";
    assert!(error.starts_with(start), "{error}");
    assert!(!error.contains(ACCESS), "{error}");
    let shown = world.guest(&["doctor", "--google", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let last = json["findings"].as_array().unwrap().last().unwrap();
    assert_eq!((last["id"].as_str(), last["status"].as_str()), (Some("google-service"), Some("missing")));
}
