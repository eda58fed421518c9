//! A broker that trusts throw-away roots, and VMs that talk to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec, FakeGoogle};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::{UBUNTU_ARGUMENTS, UBUNTU_KERNEL};
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google, shared_roots};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_protocol::answer::OpenedSecret;
use vouchsafe_protocol::messages::{ChallengeAnswer, ReleaseAnswer, ReleaseRequest};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{
    Body, BoundRequest, Challenge, DecisionId, Evidence, GuestKey, ReasonCode, ReleaseBody, ReleasePaths,
    RequestDigest, SecretPath, Suite, UnixTime,
};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::pem;
use vouchsafe_tests::vm::Vm;

/// The owner in the tests' policies: the default of [`AkCertificateSpec`].
pub(crate) const PROJECT: &str = "620438545889";

/// A broker with a policy `prod/app` for VMs of [`PROJECT`] as [`boot`] leaves them.
pub(crate) struct World {
    pub(crate) broker: Broker,
    folder: TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        let world = Self::bare("");
        world.policy("prod/app", &["--for", "app", "--command-line", &command_line()]);
        world
    }

    /// Without a policy, with more configuration.
    pub(crate) fn bare(configuration: &str) -> Self {
        Self::within(TempDir::new().unwrap(), configuration)
    }

    /// The same, in this folder.
    pub(crate) fn within(folder: TempDir, configuration: &str) -> Self {
        let anchors = shared_roots();
        let broker = Broker::start(folder.path(), &anchors, configuration).unwrap();
        let world = Self { broker, folder };
        let now = now();
        let crl = CrlSpec::current(UnixTime(now - 60), UnixTime(now + 86_400));
        for (name, crl) in [("google.crl", google().root_crl(&crl)), ("amd.crl", amd().crl(&crl))] {
            let file = world.write(name, &pem::crl(&crl));
            world.run(&["collateral", "import", text(&file)]);
        }
        world
    }

    /// A broker that fetches its collateral; it trusts the fake root of launch endorsements as well.
    pub(crate) fn fetching(configuration: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let anchors = [&shared_roots()[..], &[FakeTcbSigner::shared().root_der()]].concat();
        let broker = Broker::start(folder.path(), &anchors, configuration).unwrap();
        Self { broker, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file beside the broker's data.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs the operator's tool; it must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.broker.operate(arguments, b"").unwrap()
    }

    /// Runs the operator's tool, which must be refused; returns its message.
    pub(crate) fn refused(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.broker.operator(arguments, input).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The operator's tool with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Generates a policy for SEV VMs of [`PROJECT`] and puts it. The gaps that its options leave are
    /// acknowledged.
    pub(crate) fn policy(&self, name: &str, options: &[&str]) {
        let file = self.folder().join(format!("{}.cedar", name.replace('/', "-")));
        let _absent = fs::remove_file(&file);
        let fixed = ["policy", "new", "--project", PROJECT, "--technology", "sev", "--extra-root"];
        let accepted = ["--accept", "pcr7-alone", "--accept", "boot-chain"];
        self.run(&[&fixed[..], &accepted, &["--out", text(&file)], options].concat());
        self.run(&["policy", "put", name, text(&file)]);
    }

    /// Generates policy and baseline from captured evidence and puts both; returns the policy's text.
    pub(crate) fn policy_of(&self, name: &str, purpose: &str, evidence: &Path) -> String {
        let [policy, baseline] =
            ["cedar", "baseline.json"].map(|end| self.folder().join(format!("captured.{end}")));
        let anchors = self.folder().join("anchors.pem");
        let new = ["policy", "new", "--for", purpose, "--name", name, "--evidence", text(evidence)];
        let said = self.run(&[&new[..], &["--anchor", text(&anchors), "--out", text(&policy)]].concat());
        assert!(said.contains(&format!("vouchsafe baseline put {name} {}", baseline.display())), "{said}");
        self.run(&["baseline", "put", name, text(&baseline)]);
        self.run(&["policy", "put", name, text(&policy)]);
        fs::read_to_string(policy).unwrap()
    }

    pub(crate) fn put_policy_text(&self, name: &str, policy: &str) {
        self.broker.operate(&["policy", "put", name, "-"], policy.as_bytes()).unwrap();
    }

    pub(crate) fn put(&self, path: &str, policy: &str, value: &[u8]) {
        self.broker.operate(&["secret", "put", path, "--policy", policy, "--from", "-"], value).unwrap();
    }

    /// The explanation of a refusal. Refusals are written asynchronously, so it may take a moment.
    pub(crate) fn explain(&self, decision: &DecisionId) -> String {
        let id = decision.to_string();
        for _ in 0..100 {
            let output = self.broker.operator(&["explain", &id], b"").unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("decision {id} is nowhere: {}", self.broker.read_log())
    }

    /// Asserts that the request is refused for this reason, that the guest gets the code signed by this
    /// broker, and that operators see the reason.
    pub(crate) fn assert_refused(&self, asked: &Asked, code: ReasonCode, because: &str) {
        let problem = self.send(asked).signed_problem(asked, code);
        let explained = self.explain(&problem.decision.unwrap());
        assert!(explained.contains(because), "{explained}");
    }

    /// The secret that a simulated VM gets now.
    pub(crate) fn value(&self, vm: &SimulatedVm, path: &str) -> Vec<u8> {
        let asked = self.request(vm, Kinds::VTPM, &[path]);
        self.send(&asked).open(&asked)[0].secret.expose().to_vec()
    }

    /// Asserts that a VM that requests the path gets `not-granted`, and that operators see the reason.
    pub(crate) fn assert_denied(&self, vm: &SimulatedVm, path: &str, because: &str) {
        self.assert_refused(&self.request(vm, Kinds::VTPM, &[path]), ReasonCode::NotGranted, because);
    }

    /// A VM with a software TPM, and its configuration.
    pub(crate) fn vm(&self, name: &str, key: AkAlgorithm) -> (Vm, PathBuf) {
        self.vm_with(name, key, &AkCertificateSpec::default(), &boot())
    }

    pub(crate) fn vm_with(
        &self,
        name: &str,
        key: AkAlgorithm,
        instance: &AkCertificateSpec,
        boot: &EventLogBuilder,
    ) -> (Vm, PathBuf) {
        let folder = self.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        let vm = Vm::boot(&folder, google(), key, instance, boot).unwrap();
        let Self { broker, .. } = self;
        let config = vm.configure(&broker.guests_url(), broker.identity(), &broker.ca()).unwrap();
        (vm, config)
    }

    /// A valid request with the evidence of a simulated VM.
    pub(crate) fn request(&self, vm: &SimulatedVm, kinds: Kinds, paths: &[&str]) -> Asked {
        self.request_with(paths, |bound| vm.evidence(kinds, bound))
    }

    pub(crate) fn request_with(
        &self,
        paths: &[&str],
        evidence: impl FnOnce(&BoundRequest) -> Evidence,
    ) -> Asked {
        Asked::new(self.challenge(), paths, evidence)
    }

    pub(crate) fn challenge(&self) -> ChallengeAnswer {
        let url = format!("{}/v1/challenge", self.broker.guests_url());
        let mut response = self.broker.agent().unwrap().post(url).send_empty().unwrap();
        serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap()
    }

    pub(crate) fn send(&self, asked: &Asked) -> Reply {
        let (status, body) = self.post(&format!("{}/v1/release", self.broker.guests_url()), &asked.body);
        Reply { status, body }
    }

    pub(crate) fn post(&self, url: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let agent = self.broker.agent().unwrap();
        let mut response = agent.post(url).header("content-type", "application/json").send(body).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
    }

    pub(crate) fn get(&self, url: &str, token: Option<&str>) -> (u16, String) {
        let mut request = self.broker.agent().unwrap().get(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

/// A request, with what is needed to read its answer.
pub(crate) struct Asked {
    pub(crate) key: GuestKey,
    pub(crate) bound: BoundRequest,
    pub(crate) request: ReleaseRequest,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn new(
        answer: ChallengeAnswer,
        paths: &[&str],
        evidence: impl FnOnce(&BoundRequest) -> Evidence,
    ) -> Self {
        Self::with_headers(answer, paths_of(paths).into(), evidence)
    }

    pub(crate) fn with_headers(
        answer: ChallengeAnswer,
        body: ReleaseBody,
        evidence: impl FnOnce(&BoundRequest) -> Evidence,
    ) -> Self {
        let ChallengeAnswer { challenge, identity } = answer;
        let key = GuestKey::generate(Suite::XWing);
        let release = Body::Release(body.clone());
        let bound = BoundRequest::new(&identity, challenge.nonce, key.public().clone(), release);
        let evidence = evidence(&bound);
        let request = request_of(challenge, &key, &body, evidence);
        let body = serde_json::to_vec(&request).unwrap();
        Self { key, bound, request, body }
    }

    /// The same, changed by `change` after the evidence was made.
    pub(crate) fn tampered(mut self, change: impl FnOnce(&mut ReleaseRequest)) -> Self {
        change(&mut self.request);
        self.body = serde_json::to_vec(&self.request).unwrap();
        self
    }
}

fn request_of(
    challenge: Challenge,
    key: &GuestKey,
    body: &ReleaseBody,
    evidence: Evidence,
) -> ReleaseRequest {
    let public_key = key.public().as_bytes().into();
    let (suite, paths, headers) = (Suite::XWing, body.paths().clone(), body.headers().clone());
    ReleaseRequest { challenge, suite, public_key, paths, headers, evidence }
}

/// The broker's response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn answer(&self) -> ReleaseAnswer {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The secrets, opened as a guest does.
    pub(crate) fn open(&self, asked: &Asked) -> Vec<OpenedSecret> {
        self.answer().open_with(&asked.key, &asked.bound, &RequestDigest::of(&asked.body)).unwrap()
    }

    /// A refusal with this code.
    pub(crate) fn problem(&self, code: ReasonCode) -> Problem {
        let problem: Problem = serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: status {}", self.status));
        assert_eq!((problem.code, self.status), (code, code.status()), "{problem:?}");
        problem
    }

    /// The same, and signed for this request.
    pub(crate) fn signed_problem(&self, asked: &Asked, code: ReasonCode) -> Problem {
        let problem = self.problem(code);
        let digest = RequestDigest::of(&asked.body);
        assert!(problem.is_signed_by(asked.bound.broker(), &asked.bound.nonce(), &digest), "{problem:?}");
        problem
    }
}

pub(crate) fn paths_of(paths: &[&str]) -> ReleasePaths {
    ReleasePaths::sort(paths.iter().map(|path| SecretPath::parse(path).unwrap()).collect()).unwrap()
}

/// The CAs that all tests of this process share: keys take a while to make.
pub(crate) fn google() -> &'static FakeGoogle {
    shared_google()
}

pub(crate) fn amd() -> &'static FakeAmd {
    FakeAmd::shared(Product::Genoa)
}

/// The boot that `prod/app` is for.
pub(crate) fn boot() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::Sev)
}

pub(crate) fn command_line() -> String {
    format!("{UBUNTU_KERNEL} {UBUNTU_ARGUMENTS}")
}

/// A VM without TPM process, as [`boot`] leaves it.
pub(crate) fn simulated() -> SimulatedVm {
    SimulatedVm::booted(&AkCertificateSpec::default(), &boot())
}

#[expect(clippy::disallowed_methods, reason = "the programs under test run by this very clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether `text` contains `bytes`.
pub(crate) fn holds(text: &[u8], bytes: &[u8]) -> bool {
    text.windows(bytes.len()).any(|window| window == bytes)
}
