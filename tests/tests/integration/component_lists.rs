//! Component lists: what an image builder has signed approves an update that a member proposes, and nothing else does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::presets::content_digest;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_guest_client::Client;
use vouchsafe_guest_client::client::SystemPace;
use vouchsafe_guest_client::config::{ClientConfig, Limits};
use vouchsafe_guest_client::update::lists;
use vouchsafe_protocol::messages::{ProposalRequest, ProposalState};
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{BaselineProposal, Digest32, ProposalId, ReasonCode, Suite};

use crate::impostors::{Simulated, direct, pinned};
use crate::operators::baseline;
use crate::proposals::{BASELINE, PATH, Proposing, assert_refused, events, initrd, listed, updated};
use crate::world::{World, now, simulated, text};

/// A broker with a baseline of today's boot that names the signer with `builder.key`, and a secret for its members.
fn world() -> World {
    let world = World::start();
    let signer = signer(&world, "builder");
    let today = baseline(now() + 3600);
    world.write("today.json", &today);
    let named = world.write("baseline.json", &naming(&today, &signer));
    world.run(&["baseline", "put", BASELINE, text(&named)]);
    world.policy("prod/closed", &["--for", "app", "--baseline", BASELINE]);
    world.put(PATH, "prod/closed", b"sesame");
    world
}

fn naming(baseline: &str, signer: &str) -> String {
    baseline.replacen('{', &format!("{{\"update_signers\":[\"{signer}\"],"), 1)
}

fn key(world: &World, name: &str) -> PathBuf {
    world.folder().join(format!("{name}.key"))
}

/// Makes a key; returns its public part.
fn signer(world: &World, name: &str) -> String {
    world.run(&["baseline", "signer", text(&key(world, name)), "--new"]).trim().to_owned()
}

/// Signs a list of what [`updated`] adds.
fn sign(world: &World, of: &str, by: &str, name: &str, version: u32) -> String {
    let (before, after) = (content_digest("initrd").to_string(), Digest32::of(&initrd(of)).to_string());
    let today = world.folder().join("today.json");
    let next = world.write("next.json", &fs::read_to_string(&today).unwrap().replace(&before, &after));
    let (key, version) = (key(world, by), version.to_string());
    world.run(&[
        "baseline",
        "sign",
        text(&next),
        "--name",
        name,
        "--key",
        text(&key),
        "--version",
        &version,
        "--without",
        text(&today),
    ])
}

fn carried(lists: &[&str]) -> CarriedLists {
    CarriedLists::new(lists.iter().map(|list| list.as_bytes().into()).collect()).unwrap()
}

fn proposal(of: &str, lists: &CarriedLists) -> BaselineProposal {
    BaselineProposal { baseline: BASELINE.parse().unwrap(), events: events(of), lists: lists.digests() }
}

fn propose(world: &World, of: &str, lists: &[&str]) -> ProposalState {
    let lists = carried(lists);
    Proposing::with(world, &simulated(), Kinds::VTPM, proposal(of, &lists), lists).send(world).unwrap()
}

/// Proposes, which has to wait for an operator; returns the id, and why the first list does not count.
fn pending(world: &World, of: &str, lists: &[&str]) -> (ProposalId, String) {
    let ProposalState::Pending { id, until: None } = propose(world, of, lists) else { panic!("pending") };
    let [waiting] = &listed(world, &[])[..] else { panic!("one proposal") };
    (id, waiting["lists"][0]["reason"].as_str().unwrap_or("none").to_owned())
}

/// Proposes as a guest does whose image has brought these lists.
fn propose_as_guest(world: &World, root: &Path, of: &str) -> ProposalState {
    let config = ClientConfig {
        brokers: vec![world.broker.guests_url().parse().unwrap()],
        identities: vec![pinned(world)],
        suite: Suite::XWing,
        limits: Limits { attempts: 1, ..Limits::default() },
    };
    let (source, pace) = (Simulated(simulated()), Box::new(SystemPace::start()));
    let mut client = Client::with_parts(config, Box::new(direct(world)), source, pace);
    let name = BASELINE.parse().unwrap();
    let found = lists::of_baseline(root, Path::new("/usr/lib/vouchsafe/updates.d"), &name);
    assert_eq!(found.notes, Vec::<String>::new());
    client.propose_baseline(name, events(of), &found.lists).unwrap().state
}

fn next(of: &str) -> SimulatedVm {
    SimulatedVm::booted(&AkCertificateSpec::default(), &updated(of))
}

#[test]
fn a_list_that_the_builder_signed_approves_an_update_before_it_boots() {
    let world = world();
    let list = sign(&world, "next", "builder", BASELINE, 5);
    let folder = world.folder().join("root/usr/lib/vouchsafe/updates.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("prod-image.json"), &list).unwrap();
    world.assert_denied(&next("next"), PATH, BASELINE);
    let state = propose_as_guest(&world, &world.folder().join("root"), "next");
    assert_eq!(state, ProposalState::Allowed);
    // Both boots are allowed now, and the old one not for ever.
    assert_eq!(world.value(&next("next"), PATH), b"sesame");
    assert_eq!(world.value(&simulated(), PATH), b"sesame");
    let stored = world.run(&["baseline", "show", BASELINE]);
    for line in ["\"update_version\": 5", "\"version\": 3", "\"until\": {", "\"update_signers\": ["] {
        assert!(stored.contains(line), "{line}: {stored}");
    }
    // Who approved it, everywhere.
    let (digest, signer) = (Digest32::of(list.as_bytes()), signer_of(&world));
    let all = world.run(&["baseline", "pending", "--all"]);
    for line in ["status    approved by a signed list".to_owned(), format!("list      {digest} of {signer}")]
    {
        assert!(all.contains(&line), "{line}: {all}");
    }
    assert!(world.run(&["decisions", "list", "--outcome", "operator"]).contains("a signed list"));
    let changes = world.json(&["decisions", "list", "--outcome", "operator", "--limit", "1"]);
    let change = changes["records"][0]["record"]["operator"]["id"].as_str().unwrap().to_owned();
    let explained = world.run(&["explain", &change]);
    for line in ["baseline.approve by a signed list at".to_owned(), format!("list    {digest} of {signer}")] {
        assert!(explained.contains(&line), "{line}: {explained}");
    }
    let metrics = world.get(&format!("{}/metrics", world.broker.operators_url()), None).1;
    assert!(
        metrics.contains("vouchsafe_proposals_decided_total{decision=\"approved-by-list\"} 1"),
        "{metrics}"
    );
    // Asked again, there is nothing to approve.
    assert_eq!(propose(&world, "next", &[&list]), ProposalState::Allowed);
}

fn signer_of(world: &World) -> String {
    world.run(&["baseline", "signer", text(&key(world, "builder"))]).trim().to_owned()
}

#[test]
fn t28_an_older_list_is_not_played_back() {
    let world = world();
    let (old, new) =
        (sign(&world, "old", "builder", BASELINE, 4), sign(&world, "new", "builder", BASELINE, 5));
    assert_eq!(propose(&world, "new", &[&new]), ProposalState::Allowed);
    let (_, reason) = pending(&world, "old", &[&old]);
    assert_eq!(reason, "it has version 4, and the baseline takes none below 5");
    world.assert_denied(&next("old"), PATH, BASELINE);
}

#[test]
fn t60_a_list_that_does_not_count_leaves_it_to_an_operator() {
    let world = world();
    let stranger = signer(&world, "stranger");
    let right = sign(&world, "next", "builder", BASELINE, 5);
    let digests = |of: &str| Digest32::of(&initrd(of)).to_string();
    let foreign = sign(&world, "next", "stranger", BASELINE, 5);
    let other = sign(&world, "next", "builder", "prod/other", 5);
    let without_it = sign(&world, "elsewhere", "builder", BASELINE, 5);
    let edited = without_it.replace(&digests("elsewhere"), &digests("next"));
    // Whoever sends it needs no signature for its words.
    let forged = right.replacen('{', "{\"x\\n  approve   vouchsafe baseline approve 00000000\":1,", 1);
    for (list, because) in [
        (foreign, format!("it is signed by {stranger}, which is not one of the baseline's update_signers")),
        (edited, format!("the signature of {} does not verify", signer_of(&world))),
        (other, "it is for baseline prod/other".to_owned()),
        (without_it, format!("neither it nor another list that counts has initrd {}", digests("next"))),
        (forged, "not a component list: an unknown, missing or wrong member at line 1, column ".to_owned()),
    ] {
        let (_, reason) = pending(&world, "next", &[&list]);
        assert!(reason.starts_with(&because), "{because}: {reason}");
        let shown = world.run(&["baseline", "pending"]);
        assert!(shown.contains(&format!("does not count: {because}")), "{shown}");
        assert!(!shown.contains("00000000"), "{shown}");
        let decision = listed(&world, &[])[0]["decision"].as_str().unwrap().to_owned();
        assert!(world.run(&["explain", &decision]).contains(&because));
    }
    world.assert_denied(&next("next"), PATH, BASELINE);
    // The same update, with the right list.
    assert_eq!(propose(&world, "next", &[&right]), ProposalState::Allowed);
    assert_eq!(world.value(&next("next"), PATH), b"sesame");
}

#[test]
fn t60_without_signers_no_list_approves() {
    let world = world();
    let list = sign(&world, "next", "builder", BASELINE, 5);
    world.run(&["baseline", "put", BASELINE, text(&world.folder().join("today.json"))]);
    let (id, reason) = pending(&world, "next", &[&list]);
    assert!(reason.ends_with("not one of the baseline's update_signers"), "{reason}");
    // The operator's approval is one as before.
    world.run(&["baseline", "approve", &id.to_string()]);
    let all = listed(&world, &["--all"]);
    assert_eq!(
        (&all[0]["status"], &all[0]["approved_by_list"]),
        (&"approved".into(), &serde_json::Value::Null)
    );
}

#[test]
fn t60_what_an_operator_has_rejected_stays_rejected() {
    let world = world();
    let list = sign(&world, "next", "builder", BASELINE, 5);
    let (id, _) = pending(&world, "next", &[]);
    world.run(&["baseline", "reject", &id.to_string()]);
    assert_eq!(propose(&world, "next", &[&list]), ProposalState::Rejected { id, until: None });
    world.assert_denied(&next("next"), PATH, BASELINE);
    world.run(&["baseline", "approve", &id.to_string()]);
    assert_eq!(propose(&world, "next", &[&list]), ProposalState::Allowed);
}

#[test]
fn t60_the_evidence_is_bound_to_the_lists() {
    let world = world();
    let (list, other) =
        (sign(&world, "next", "builder", BASELINE, 5), sign(&world, "other", "builder", BASELINE, 5));
    let swapped = |change: fn(&mut ProposalRequest, CarriedLists)| {
        let lists = carried(&[&other]);
        let mut sent = Proposing::with(&world, &simulated(), Kinds::VTPM, proposal("next", &lists), lists);
        let mut request: ProposalRequest = serde_json::from_slice(&sent.body).unwrap();
        change(&mut request, carried(&[&list]));
        sent.body = serde_json::to_vec(&request).unwrap();
        sent
    };
    let both = swapped(|request, lists| {
        request.proposal.lists = lists.digests();
        request.lists = lists;
    });
    assert_refused(&world, both.send(&world), ReasonCode::EvidenceRefused, "vtpm-nonce-mismatch");
    let bytes = swapped(|request, lists| request.lists = lists);
    let url = format!("{}/v1/baseline-proposals", world.broker.guests_url());
    let (status, answer) = world.post(&url, &bytes.body);
    assert_eq!(status, 400, "{answer:?}");
    assert!(String::from_utf8(answer).unwrap().contains("malformed-request"));
    assert_eq!(listed(&world, &["--all"]).len(), 0);
}

/// Runs a command without a broker that fails; returns its message.
fn failed(world: &World, arguments: &[&str]) -> String {
    let output = world.broker.operator(arguments, b"").unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_key_is_private_and_a_list_has_what_is_new() {
    let world = world();
    let mode = fs::metadata(key(&world, "builder")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = failed(&world, &["baseline", "signer", text(&key(&world, "builder")), "--new"]);
    assert!(again.contains("exists"), "{again}");
    let list: serde_json::Value =
        serde_json::from_str(&sign(&world, "next", "builder", BASELINE, 5)).unwrap();
    let digest = Digest32::of(&initrd("next")).to_string();
    let expected = serde_json::json!({ "initrd": [&digest], "loaded_initrd": [&digest] });
    assert_eq!((&list["components"], &list["version"]), (&expected, &5.into()));
    let (today, key) = (world.folder().join("today.json"), key(&world, "builder"));
    let sign = ["baseline", "sign", text(&today), "--name", BASELINE, "--key", text(&key), "--version", "5"];
    let nothing = failed(&world, &[&sign[..], &["--without", text(&today)]].concat());
    assert!(
        nothing.contains(
            "has no components to sign: it is empty, or the baseline of --without lists all of them"
        ),
        "{nothing}"
    );
    // What the boot before has is signed only if asked for, and no version is assumed.
    let neither = failed(&world, &sign);
    assert!(neither.contains("--without <FILE>"), "{neither}");
    let both = failed(&world, &[&sign[..], &["--all", "--without", text(&today)]].concat());
    assert!(both.contains("cannot be used with"), "{both}");
    let unversioned = failed(&world, &[&sign[..sign.len() - 2], &["--all"]].concat());
    assert!(unversioned.contains("--version <VERSION>"), "{unversioned}");
    assert!(world.run(&[&sign[..], &["--all"]].concat()).contains("\"shim\""));
    let other = world.write("other.key", "vouchsafe-operator.x");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let no_key = failed(&world, &["baseline", "signer", text(&other)]);
    assert!(no_key.contains("is not a key that `vouchsafe baseline signer --new` made"), "{no_key}");
}
