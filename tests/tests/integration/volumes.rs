//! T32, T33: a VM registers the header of its volume, announces the next one, and gets no secret for any other.

use std::thread;

use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::messages::{ChallengeAnswer, VolumeAnswer, VolumeRequest, VolumeState};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{
    Body, BoundRequest, Digest32, GuestKey, ReasonCode, ReleaseBody, RequestDigest, SecretPath, Suite,
    VolumeAction, VolumeHeaders,
};

use crate::world::{Asked, World, boot, paths_of, simulated};

const DISK: &str = "prod/db-01/disk";
const OLD: Digest32 = Digest32([0x0a; 32]);
const NEXT: Digest32 = Digest32([0x0b; 32]);
const OTHER: Digest32 = Digest32([0x0c; 32]);
/// Of the default instance of a simulated VM.
const VOLUME: &str = "prod/db-01/disk@620438545889/3560342035431930290";

fn world() -> World {
    let world = World::start();
    world.put(DISK, "prod/app", b"the key of a disk");
    world
}

fn path() -> SecretPath {
    SecretPath::parse(DISK).unwrap()
}

/// A release with this header.
fn asked(world: &World, vm: &SimulatedVm, header: Option<Digest32>) -> Asked {
    let headers = VolumeHeaders::new(header.map(|header| (path(), header))).unwrap();
    let body = ReleaseBody::new(paths_of(&[DISK]), headers).unwrap();
    Asked::with_headers(world.challenge(), body, |bound| vm.evidence(Kinds::VTPM, bound))
}

fn assert_released(world: &World, vm: &SimulatedVm, header: Option<Digest32>) {
    let asked = asked(world, vm, header);
    let opened = world.send(&asked).open(&asked);
    assert_eq!(opened[0].secret.expose(), b"the key of a disk");
}

/// A request about a volume as a guest sends it, with what is needed to check the answer.
struct Change {
    bound: BoundRequest,
    body: Vec<u8>,
}

impl Change {
    fn new(world: &World, vm: &SimulatedVm, action: VolumeAction) -> Self {
        let ChallengeAnswer { challenge, identity } = world.challenge();
        let key = GuestKey::generate(Suite::XWing);
        let body = Body::Volume(action.clone());
        let bound = BoundRequest::new(&identity, challenge.nonce, key.public().clone(), body);
        let evidence = vm.evidence(Kinds::VTPM, &bound);
        let public_key = key.public().as_bytes().into();
        let request = VolumeRequest { challenge, suite: Suite::XWing, public_key, action, evidence };
        Self { bound, body: serde_json::to_vec(&request).unwrap() }
    }

    /// What is registered after it, or the signed refusal.
    fn send(&self, world: &World) -> Result<VolumeState, Problem> {
        let (status, answer) = world.post(&format!("{}/v1/volumes", world.broker.guests_url()), &self.body);
        let digest = RequestDigest::of(&self.body);
        if status == 200 {
            let answer: VolumeAnswer = serde_json::from_slice(&answer).unwrap();
            return Ok(answer.open(&self.bound, &digest).unwrap());
        }
        let problem: Problem = serde_json::from_slice(&answer).unwrap();
        assert!(problem.is_signed_by(self.bound.broker(), &self.bound.nonce(), &digest), "{problem:?}");
        assert_eq!(problem.detail, None);
        Err(problem)
    }
}

fn register(world: &World, vm: &SimulatedVm, digest: Digest32) -> Result<VolumeState, Problem> {
    Change::new(world, vm, VolumeAction::RegisterVolume { path: path(), digest }).send(world)
}

fn advance(world: &World, vm: &SimulatedVm, from: Digest32, to: Digest32) -> Result<VolumeState, Problem> {
    Change::new(world, vm, VolumeAction::AdvanceVolume { path: path(), from, to }).send(world)
}

/// Asserts the code of a refusal, and the reason that operators see.
fn assert_conflict(world: &World, refused: Result<VolumeState, Problem>, because: &str) {
    let problem = refused.unwrap_err();
    assert_eq!(problem.code, ReasonCode::Conflict);
    let explained = world.explain(&problem.decision.unwrap());
    assert!(explained.contains(because), "{explained}");
}

fn assert_denied(world: &World, vm: &SimulatedVm, header: Option<Digest32>, because: &str) {
    world.assert_refused(&asked(world, vm, header), ReasonCode::NotGranted, because);
}

#[test]
fn t32_only_the_registered_header_opens_the_volume() {
    let (world, vm) = (world(), simulated());
    assert_released(&world, &vm, None);
    let registered = register(&world, &vm, OLD).unwrap();
    assert_eq!(registered, VolumeState { current: OLD, generation: 1, pending: None });
    assert_released(&world, &vm, Some(OLD));
    let shown = format!("registered is generation 1, {OLD}");
    assert_denied(&world, &vm, None, &format!("{VOLUME}: no header was presented; {shown}"));
    assert_denied(&world, &vm, Some(OTHER), &format!("{VOLUME}: header {OTHER} was presented; {shown}"));
    // The same again changes nothing; another one needs an operator.
    assert_eq!(register(&world, &vm, OLD).unwrap(), registered);
    let cannot = format!("{VOLUME}: header {OTHER} cannot be registered; {shown}");
    assert_conflict(&world, register(&world, &vm, OTHER), &cannot);
    let metrics = world.get(&format!("{}/metrics", world.broker.operators_url()), None).1;
    assert!(metrics.contains("vouchsafe_headers_refused_total 2"), "{metrics}");
    assert!(metrics.contains("vouchsafe_volume_requests_total{action=\"register-volume\"} 2"), "{metrics}");
}

#[test]
fn t33_a_header_put_back_is_refused_once_its_successor_was_used() {
    let (world, vm) = (world(), simulated());
    register(&world, &vm, OLD).unwrap();
    let announced = advance(&world, &vm, OLD, NEXT).unwrap();
    assert_eq!(announced, VolumeState { current: OLD, generation: 1, pending: Some(NEXT) });
    // A crash before the header was written.
    assert_released(&world, &vm, Some(OLD));
    assert_released(&world, &vm, Some(NEXT));
    let shown = format!("registered is generation 2, {NEXT}");
    assert_denied(&world, &vm, Some(OLD), &format!("{VOLUME}: header {OLD} was presented; {shown}"));
    assert_released(&world, &vm, Some(NEXT));
    let follows = format!("{VOLUME}: a header that follows {OLD} was announced; {shown}");
    assert_conflict(&world, advance(&world, &vm, OLD, OTHER), &follows);
    assert_conflict(&world, advance(&world, &vm, NEXT, NEXT), "was announced to follow itself");
}

#[test]
fn t33_concurrent_boots_find_the_announced_header_current() {
    let (world, vm) = (world(), simulated());
    register(&world, &vm, OLD).unwrap();
    advance(&world, &vm, OLD, NEXT).unwrap();
    thread::scope(|scope| {
        let boots: Vec<_> =
            (0..4).map(|_| scope.spawn(|| assert_released(&world, &vm, Some(NEXT)))).collect();
        boots.into_iter().for_each(|boot| boot.join().unwrap());
    });
    let shown = world.json(&["volume", "show", VOLUME]);
    assert_eq!(shown["state"]["generation"], 2);
    let promoted = world.json(&["decisions", "list", "--outcome", "volume"]);
    assert_eq!(promoted["records"].as_array().unwrap().len(), 3, "{promoted}");
}

#[test]
fn t32_the_volume_of_another_instance_is_another_one() {
    let (world, vm) = (world(), simulated());
    let instance = AkCertificateSpec { instance_id: 7, ..AkCertificateSpec::default() };
    let other = SimulatedVm::booted(&instance, &boot());
    register(&world, &vm, OLD).unwrap();
    assert_released(&world, &other, None);
    assert_conflict(
        &world,
        advance(&world, &other, OLD, NEXT),
        "prod/db-01/disk@620438545889/7: there is no registered header",
    );
    register(&world, &other, OTHER).unwrap();
    assert_released(&world, &vm, Some(OLD));
    assert_released(&world, &other, Some(OTHER));
}

#[test]
fn t32_a_vm_that_would_not_get_the_secret_registers_nothing() {
    let world = world();
    let instance = AkCertificateSpec { project_number: 1, ..AkCertificateSpec::default() };
    let stranger = SimulatedVm::booted(&instance, &boot());
    let refused = register(&world, &stranger, OTHER).unwrap_err();
    assert_eq!(refused.code, ReasonCode::NotGranted);
    let explained = world.explain(&refused.decision.unwrap());
    assert!(explained.contains("the request was register-volume"), "{explained}");
    // Absent looks the same (T50).
    let absent = SecretPath::parse("prod/db-01/none").unwrap();
    let absent = VolumeAction::RegisterVolume { path: absent, digest: OLD };
    let refused = Change::new(&world, &simulated(), absent).send(&world).unwrap_err();
    assert_eq!(refused.code, ReasonCode::NotGranted);
    assert_eq!(world.json(&["volume", "list"])["volumes"].as_array().unwrap().len(), 0);
    assert_released(&world, &simulated(), None);
}

#[test]
fn t05_a_request_about_a_volume_is_carried_out_once() {
    let (world, vm) = (world(), simulated());
    let request = Change::new(&world, &vm, VolumeAction::RegisterVolume { path: path(), digest: OLD });
    request.send(&world).unwrap();
    world.run(&["volume", "forget", VOLUME]);
    assert_eq!(request.send(&world).unwrap_err().code, ReasonCode::NonceSpent);
    assert_released(&world, &vm, None);
}

#[test]
fn t32_evidence_covers_the_header() {
    let (world, vm) = (world(), simulated());
    register(&world, &vm, OLD).unwrap();
    let tampered = asked(&world, &vm, Some(OTHER)).tampered(|request| {
        request.headers = VolumeHeaders::new([(path(), OLD)]).unwrap();
    });
    let problem = world.send(&tampered).signed_problem(&tampered, ReasonCode::EvidenceRefused);
    assert!(world.explain(&problem.decision.unwrap()).contains("vtpm-nonce-mismatch"));
    let unrequested = asked(&world, &vm, Some(OLD)).tampered(|request| {
        request.headers = VolumeHeaders::new([("prod/other".parse().unwrap(), OLD)]).unwrap();
    });
    let reply = world.send(&unrequested);
    assert_eq!(reply.status, 400, "a header of a path that is not requested");
}

#[test]
fn operators_see_and_forget_volumes_of_their_namespaces() {
    let (world, vm) = (world(), simulated());
    register(&world, &vm, OLD).unwrap();
    advance(&world, &vm, OLD, NEXT).unwrap();
    let listed = world.run(&["volume", "list", "--path", DISK]);
    assert!(listed.contains(VOLUME), "{listed}");
    let shown = world.run(&["volume", "show", VOLUME]);
    assert!(shown.contains(&format!("header     {OLD}")) && shown.contains(&NEXT.to_string()), "{shown}");
    let decision = world.json(&["volume", "show", VOLUME])["decision"].as_str().unwrap().to_owned();
    let explained = world.run(&["explain", &decision]);
    assert!(explained.contains("Volume advanced") && explained.contains(VOLUME), "{explained}");

    for (role, namespace, reads, forgets) in
        [("auditor", "prod", true, false), ("editor", "dev", false, false), ("editor", "prod", true, true)]
    {
        let name = format!("{role}-{namespace}");
        let file = world.folder().join(&name);
        let file = file.to_str().unwrap();
        world.run(&["operator", "add", &name, "--role", role, "--namespace", namespace, "--out", file]);
        let by = |arguments: &[&str]| {
            world.broker.operator(&[arguments, &["--operator", file]].concat(), b"").unwrap()
        };
        let list = String::from_utf8(by(&["volume", "list"]).stdout).unwrap();
        assert_eq!(list.contains(VOLUME), reads, "{name}: {list}");
        assert_eq!(by(&["volume", "show", VOLUME]).status.success(), reads, "{name}");
        assert_eq!(by(&["volume", "forget", VOLUME]).status.success(), forgets, "{name}");
    }
    let gone = world.refused(&["volume", "show", VOLUME], b"");
    assert!(gone.contains(&format!("volume {VOLUME} is not registered")), "{gone}");
    let again = world.refused(&["volume", "forget", VOLUME], b"");
    assert!(again.contains(&format!("volume {VOLUME} is not registered")), "{again}");
    let forgotten = world.json(&["decisions", "list", "--outcome", "operator"]);
    assert_eq!(forgotten["records"][0]["record"]["operator"]["target"], VOLUME);
    assert_eq!(forgotten["records"][0]["record"]["operator"]["action"], "volume.forget");
    // The VM may register any header now.
    assert_released(&world, &vm, None);
    assert_eq!(register(&world, &vm, OTHER).unwrap().current, OTHER);
}
