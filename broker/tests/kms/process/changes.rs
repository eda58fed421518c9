//! Rotation of a wrapped keyring, by a broker and in a file.

use super::*;

#[test]
fn a_wrapped_keyring_is_rotated_and_stays_wrapped() {
    let broker = Broker::wrapped();
    let keyring = || fs::read_to_string(broker.path("data/keyring.json")).expect("read");
    let ok = |arguments: &[&str]| {
        let output = online(&broker, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    };
    let served = broker.serve();
    let before = keyring();
    broker.kms.set(Fault::Error(403, "PERMISSION_DENIED", "denied"));
    let output = online(&broker, &["keyring", "add"]);
    let said = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("permission denied: denied. Give the broker's"),
        "{said}"
    );
    assert_eq!(keyring(), before);
    broker.kms.set(Fault::None);
    for step in [&["keyring", "add"][..], &["keyring", "promote"], &["keyring", "reseal"]] {
        ok(step);
        let text = keyring();
        assert!(text.contains(KEY) && !text.contains("\"key\""), "{step:?}: {text}");
    }
    drop(served);
    let after: Value = serde_json::from_str(&keyring()).expect("JSON");
    assert_eq!(after["generations"][1]["state"], "primary", "{after}");
    drop(broker.serve());
    assert_eq!(broker.kms.state().complaints, [""; 0]);
}

/// A keyring that the broker cannot write is changed as a file beside it, and stays wrapped.
#[test]
fn a_wrapped_file_is_changed_without_a_broker() {
    let broker = Broker::wrapped();
    let _served = broker.serve();
    let (file, config) = (broker.text("copy.json"), broker.config().display().to_string());
    fs::copy(broker.path("data/keyring.json"), &file).expect("copied");
    let run = |arguments: &[&str]| {
        let output =
            vouchsafe().args(["keyring"]).args(arguments).args(["--file", &file]).output().expect("runs");
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = run(&["add"]);
    assert!(code == Some(2) && said.contains(&format!("is wrapped by {KEY}: ")), "{said}");
    assert!(said.contains("--config"), "{said}");
    for step in [&["add"][..], &["promote"], &["remove", "1", "--unneeded"]] {
        let (code, said) = run(&[step, &["--config", &config]].concat());
        assert_eq!(code, Some(0), "{step:?}: {said}");
    }
    let document: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    assert_eq!((&document["kms"], &document["generations"][0]["id"]), (&KEY.into(), &2.into()), "{document}");
    // Two at once do not write over each other.
    let calls = || broker.kms.state().calls.len();
    let before = calls();
    broker.kms.set(Fault::Busy(1));
    let mut first = vouchsafe();
    first.args(["keyring", "add", "--file", &file, "--config", &config]);
    let mut first = first.spawn().expect("runs");
    while calls() == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, said) = run(&["add", "--config", &config]);
    assert!(code == Some(2) && said.contains("is being changed by another command"), "{said}");
    assert!(first.wait().expect("ended").success());
}
