//! Guests without a machine: their evidence is made and signed in this process, everything else is real.
//!
//! TLS, challenge, transcript, keys and answers are those of the protocol. The roots are throw-away ones,
//! configured as extra trust anchors of the broker, with current CRLs.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::Agent;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::{UBUNTU_ARGUMENTS, UBUNTU_KERNEL};
use vouchsafe_attestation::test_util::snp::{FakeAmd, SnpReportBuilder};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google};
use vouchsafe_attestation::test_util::vtpm::FakeAk;
use vouchsafe_policy::{Acceptance, PolicyTemplate, Purpose, SnpTemplate, TemplateRoot};
use vouchsafe_protocol::answer::OpenedSecret;
use vouchsafe_protocol::messages::{ChallengeAnswer, ReleaseAnswer, ReleaseRequest};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Challenge, Digest48, GuestKey, ReasonCode, ReleasePaths, RequestDigest,
    SecretPath, Suite, UnixTime, VolumeHeaders,
};

use crate::broker::Broker;
use crate::pem;

/// The guests' kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A report of AMD's secure processor.
    Snp,
    /// A quote of the vTPM.
    Vtpm,
    /// Both, linked.
    Both,
}

impl Kind {
    /// The evidence.
    #[must_use]
    pub const fn evidence(self) -> Kinds {
        match self {
            Self::Snp => Kinds::REPORT,
            Self::Vtpm => Kinds::VTPM,
            Self::Both => Kinds::BOTH,
        }
    }

    /// A policy that a broker accepts and the fleet satisfies. With SNP alone it names no owner, which such
    /// evidence cannot prove.
    #[must_use]
    pub fn policy(self) -> String {
        let report = SnpReportBuilder::new(Product::Genoa);
        if self == Self::Snp {
            return snp_policy(&report);
        }
        let project = AkCertificateSpec::default().project_number;
        let snp = (self == Self::Both).then_some(SnpTemplate {
            root: TemplateRoot::Extra,
            product: "genoa",
            measurement: Digest48(report.measurement),
            floor: report.reported_tcb,
        });
        PolicyTemplate {
            vtpm_root: TemplateRoot::Extra,
            command_line: Some(format!("{UBUNTU_KERNEL} {UBUNTU_ARGUMENTS}")),
            accepts: [Acceptance::BootChain, Acceptance::Pcr7Alone, Acceptance::CompositeBootChain].into(),
            snp,
            ..PolicyTemplate::new(Purpose::App, project, Technology::SevSnp)
        }
        .generate()
    }
}

fn snp_policy(report: &SnpReportBuilder) -> String {
    let (measurement, floor) = (Digest48(report.measurement), report.reported_tcb);
    format!(
        "@id(\"release\")\n@for(\"app\")\n@accepts(\"owner\")\n\
         permit (principal is Vm, action == Action::\"release\", resource is Secret)\nwhen {{\n  \
         principal has technology &&\n  principal.technology == Technology::\"sev-snp\" &&\n  \
         principal has snp.root &&\n  principal.snp.root == Root::\"extra\" &&\n  \
         principal.snp.product == Product::\"genoa\" &&\n  principal.snp.measurement == \"{measurement}\" &&\n  \
         !principal.snp.policy.debug &&\n  principal.snp.reported_tcb.boot_loader >= {} &&\n  \
         principal.snp.reported_tcb.tee >= {} &&\n  principal.snp.reported_tcb.snp >= {} &&\n  \
         principal.snp.reported_tcb.microcode >= {}\n}};\n",
        floor.boot_loader, floor.tee, floor.snp, floor.microcode
    )
}

/// The roots of all fleets of this process, DER.
#[must_use]
pub fn roots() -> [&'static [u8]; 2] {
    [shared_google().root_der(), FakeAmd::shared(Product::Genoa).ark_der()]
}

/// Imports current CRLs of those roots into the broker, and puts this policy.
///
/// # Errors
/// The broker's.
pub fn prepare(broker: &Broker, policy: &str, text: &str) -> anyhow::Result<()> {
    let now = now();
    let spec = CrlSpec::current(UnixTime(now.0.saturating_sub(DAY)), now.plus(7 * DAY));
    let crls = [shared_google().root_crl(&spec), FakeAmd::shared(Product::Genoa).crl(&spec)];
    let file = broker.data().join("fleet-crls.pem");
    std::fs::write(&file, crls.iter().map(|der| pem::crl(der)).collect::<String>())?;
    let file = file.to_str().context("a path in UTF-8")?;
    broker.operate(&["collateral", "import", file], b"")?;
    broker.operate(&["policy", "put", policy, "-"], text.as_bytes())?;
    Ok(())
}

/// VMs, each with its own chip, attestation key and instance id.
#[must_use]
pub fn boot(count: u8) -> Vec<Arc<SimulatedVm>> {
    let amd = FakeAmd::shared(Product::Genoa);
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let boot = |index: u8| {
        let default = AkCertificateSpec::default();
        let instance = AkCertificateSpec {
            instance_id: default.instance_id + u64::from(index),
            serial: vec![0x4a, index],
            ..default
        };
        // Kept for the life of the process, like the shared one.
        let ak: &'static FakeAk = Box::leak(Box::new(FakeAk::rsa()));
        let mut vm = SimulatedVm::built(shared_google(), amd, ak, &instance, &log);
        vm.set_report(SnpReportBuilder { chip_id: [index; 64], ..SnpReportBuilder::new(Product::Genoa) });
        Arc::new(vm)
    };
    (1..=count).map(boot).collect()
}

/// A guest: a VM and its connection to the broker, which is kept alive.
pub struct Guest {
    vm: Arc<SimulatedVm>,
    kind: Kind,
    agent: Agent,
    url: String,
    broker: BrokerIdentity,
    key: GuestKey,
}

/// A request, and what is needed to open its answer.
pub struct Asked {
    body: Vec<u8>,
    bound: BoundRequest,
}

/// The broker's answer.
#[derive(Debug)]
pub enum Answer {
    /// The answer's bytes.
    Granted(Vec<u8>),
    /// A problem.
    Refused(ReasonCode),
}

/// A release that was opened: the decision and the secrets.
pub struct Opened {
    /// The decision id of the recorded grant.
    pub decision: String,
    /// In the order of the paths.
    pub secrets: Vec<OpenedSecret>,
}

impl Guest {
    /// A guest in `vm`. It makes its key only once: a broker cannot tell the difference, and the generator
    /// uses less processor time.
    ///
    /// # Errors
    /// When the broker's CA or identity cannot be read.
    pub fn new(broker: &Broker, vm: Arc<SimulatedVm>, kind: Kind) -> anyhow::Result<Self> {
        Ok(Self {
            vm,
            kind,
            agent: broker.agent()?,
            url: broker.guests_url(),
            broker: broker.identity().parse()?,
            key: GuestKey::generate(Suite::XWing),
        })
    }

    /// `POST /v1/challenge`.
    ///
    /// # Errors
    /// When the connection breaks or the answer is malformed; a problem is an error with its code.
    pub fn challenge(&self) -> anyhow::Result<Challenge> {
        let mut response = self.agent.post(format!("{}/v1/challenge", self.url)).send_empty()?;
        let body = response.body_mut().read_to_vec()?;
        if response.status().as_u16() != 200 {
            let problem: Problem = serde_json::from_slice(&body)?;
            bail!(Turned(problem.code));
        }
        let answer: ChallengeAnswer = serde_json::from_slice(&body)?;
        ensure!(answer.identity == self.broker, "the broker signs with another identity");
        Ok(answer.challenge)
    }

    /// Collects evidence for a challenge, and makes the request.
    ///
    /// # Errors
    /// Never: all of it can be serialised.
    pub fn ask(&self, challenge: Challenge, paths: ReleasePaths) -> anyhow::Result<Asked> {
        let bound = BoundRequest::release(&self.broker, challenge.nonce, self.key.public().clone(), &paths);
        let evidence = self.vm.evidence(self.kind.evidence(), &bound);
        let public_key = self.key.public().as_bytes().into();
        let (suite, headers) = (Suite::XWing, VolumeHeaders::default());
        let request = ReleaseRequest { challenge, suite, public_key, paths, headers, evidence };
        Ok(Asked { body: serde_json::to_vec(&request)?, bound })
    }

    /// `POST /v1/release`.
    ///
    /// # Errors
    /// When the connection breaks or the answer is malformed.
    pub fn send(&self, asked: &Asked) -> anyhow::Result<Answer> {
        let request = self.agent.post(format!("{}/v1/release", self.url)).content_type("application/json");
        let mut response = request.send(&asked.body[..])?;
        let body = response.body_mut().read_to_vec()?;
        if response.status().as_u16() == 200 {
            return Ok(Answer::Granted(body));
        }
        Ok(Answer::Refused(serde_json::from_slice::<Problem>(&body)?.code))
    }

    /// Checks an answer as a guest does, and opens it.
    ///
    /// # Errors
    /// When it is not the broker's answer to this request.
    pub fn open(&self, asked: &Asked, answer: &[u8]) -> anyhow::Result<Opened> {
        let answer: ReleaseAnswer = serde_json::from_slice(answer)?;
        let secrets = answer.open_with(&self.key, &asked.bound, &RequestDigest::of(&asked.body))?;
        Ok(Opened { decision: answer.decision.to_string(), secrets })
    }

    /// Challenge, request and answer together.
    ///
    /// # Errors
    /// Those of each step; a refusal is [`Turned`].
    pub fn fetch(&self, paths: &ReleasePaths) -> anyhow::Result<(Asked, Opened)> {
        let asked = self.ask(self.challenge()?, paths.clone())?;
        match self.send(&asked)? {
            Answer::Granted(body) => {
                let opened = self.open(&asked, &body)?;
                Ok((asked, opened))
            }
            Answer::Refused(code) => bail!(Turned(code)),
        }
    }
}

/// The broker said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned(pub ReasonCode);

impl std::fmt::Display for Turned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl std::error::Error for Turned {}

/// Puts a secret through the operators' API and returns its version.
///
/// # Errors
/// When the connection breaks or the broker refuses it: then it is unknown whether the version exists.
pub fn put(broker: &Operators, path: &SecretPath, policy: &str, value: &[u8]) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Stored {
        version: u64,
    }
    let value = vouchsafe_protocol::Bytes::from(value);
    let body = json!({ "path": path, "for": "app", "policy": policy, "value": value });
    let stored: Stored = broker.post("/v1/secrets/put", &body)?;
    Ok(stored.version)
}

/// An operator's connection, which is kept alive.
pub struct Operators {
    agent: Agent,
    url: String,
    authorization: String,
}

impl Operators {
    /// To this broker, as its first operator.
    ///
    /// # Errors
    /// When its CA cannot be read.
    pub fn new(broker: &Broker) -> anyhow::Result<Self> {
        let authorization = format!("Bearer {}", broker.token());
        Ok(Self { agent: broker.agent()?, url: broker.operators_url(), authorization })
    }

    /// A change.
    ///
    /// # Errors
    /// When the connection breaks or the broker refuses.
    pub fn post<T: for<'de> Deserialize<'de>>(
        &self,
        route: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<T> {
        let request = self.agent.post(format!("{}{route}", self.url));
        answer(request.header("authorization", &self.authorization).send_json(body)?)
    }

    /// A question.
    ///
    /// # Errors
    /// When the connection breaks or the broker refuses.
    pub fn get<T: for<'de> Deserialize<'de>>(&self, route: &str) -> anyhow::Result<T> {
        let request = self.agent.get(format!("{}{route}", self.url));
        answer(request.header("authorization", &self.authorization).call()?)
    }
}

fn answer<T: for<'de> Deserialize<'de>>(mut response: ureq::http::Response<ureq::Body>) -> anyhow::Result<T> {
    // A list of all secrets is longer than the 10 MB that are read by default.
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    let status = response.status();
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    // Changes without a result are answered with 204.
    Ok(serde_json::from_slice(if body.is_empty() { b"null" } else { &body })?)
}

#[expect(clippy::disallowed_methods, reason = "CRLs must be current for a broker that runs now")]
fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| since.as_secs()))
}

const DAY: u64 = 86_400;

/// For the broker's configuration: a few simulated guests send more requests than real VMs, all from one
/// address.
pub const LIMITS: &str = "[limits]\nreleases_per_instance = 1000000000\nreleases_without_instance = 1000000000\n\
                          connections_per_address = 8192\nconnections_per_minute = 1000000000\nrequests = 1000000000\nbodies_per_address = 256\n\
                          releases_per_address = 8192\nrequests_per_minute = 1000000000\n";

/// The same for few guests, when the shares of an address are under test.
pub const SHARES: &str =
    "[limits]\nreleases_per_instance = 1000000000\nreleases_without_instance = 1000000000\n";
