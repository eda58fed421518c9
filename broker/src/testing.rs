//! A broker for tests: its own folder, fake roots as extra anchors, one policy and one secret.

pub(crate) mod lines;

use std::fs::{self, DirBuilder};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use tempfile::TempDir;
use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::snp::FakeAmd;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google};
use vouchsafe_keystore::record::{DecisionFilter, LogRecord};
use vouchsafe_keystore::registry::{Actor, NewVersion, TokenLifetime};
use vouchsafe_keystore::{Keyring, Keystore};
use vouchsafe_policy::operators::{
    OperatorIdentity, OperatorRole, Permits, WHOLE_BROKER, authorize_operator, operator_permits,
};
use vouchsafe_policy::{Acceptance, PolicyTemplate, Purpose, TemplateRoot};
use vouchsafe_protocol::messages::{ReleaseAnswer, ReleaseRequest, VolumeAnswer, VolumeRequest};
use vouchsafe_protocol::{
    Body, BoundRequest, Challenge, DecisionId, GuestKey, ObjectName, PlaintextSecret, ReleasePaths,
    RequestDigest, SecretPath, Suite, UnixTime, VolumeAction, VolumeHeaders,
};

use crate::admission::Network;
use crate::attested::{Arrival, Incoming, Received};
use crate::collateral::{CollateralService, ManagedCollateral};
use crate::config::Limits;
use crate::release::{Refused, change_volume, release};
use crate::server::PreparedListeners;
use crate::server::client::Client;
use crate::tls::SelfSigned;
use crate::traces::Trace;
use crate::{Broker, BrokerConfig, clock, health};

pub(crate) use vouchsafe_policy::operators::OperatorAction as Act;

/// Owner of the simulated VMs.
pub(crate) const PROJECT: u64 = 620_438_545_889;
/// A secret for VMs of that owner.
pub(crate) const PATH: &str = "prod/db/token";
/// Its value.
pub(crate) const VALUE: &[u8] = b"correct horse battery staple";
pub(crate) const POLICY: &str = "prod/app";

pub(crate) struct Fixture {
    pub(crate) broker: Arc<Broker>,
    /// Token of an administrator.
    pub(crate) token: String,
    pub(crate) folder: TempDir,
}

/// A guest's request, and what it needs to open the answer.
pub(crate) struct Asked {
    pub(crate) request: ReleaseRequest,
    pub(crate) key: GuestKey,
    pub(crate) bound: BoundRequest,
}

impl Asked {
    /// Of the request as it is sent.
    pub(crate) fn digest(&self) -> RequestDigest {
        digest(&self.request)
    }
}

fn digest(request: &ReleaseRequest) -> RequestDigest {
    RequestDigest::of(&serde_json::to_vec(request).expect("JSON"))
}

/// The tests' guests.
pub(crate) fn peer() -> Client {
    Client::from(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Their network.
pub(crate) fn client() -> Network {
    peer().network
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        Self::configured(|config| change(&mut config.limits)).await
    }

    pub(crate) async fn configured(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let fixture = Self::opened(change).await;
        let now = clock::now();
        for crl in crls(now) {
            managed(fixture.broker.collateral_service()).import(&crl, None, now).expect("a CRL");
        }
        fixture
    }

    /// A broker without collateral.
    pub(crate) async fn without_crls() -> Self {
        Self::opened(|_| {}).await
    }

    async fn opened(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = configuration(&folder);
        change(&mut config);
        let token = fill(&config).await;
        let broker = Broker::open(config).await.expect("a broker");
        health::watch(&broker).await;
        Self { broker, token, folder }
    }

    /// An arrival from [`peer`] with an empty body.
    pub(crate) fn arrival(&self) -> Arrival {
        self.arrival_from(peer())
    }

    pub(crate) fn arrival_from(&self, client: Client) -> Arrival {
        let room = self.broker.admission.guests.body(client.network, 0).expect("room");
        let (nonce, now) = (crate::random::nonce().expect("randomness"), clock::now());
        let tried = self.broker.tries.begin(nonce, now.plus(60), now).expect("a challenge of its own");
        Arrival::enter(&self.broker, client, Arc::new(tried), Arc::new(room))
    }

    /// The result of a request from [`peer`].
    pub(crate) async fn release(
        &self,
        id: DecisionId,
        request: ReleaseRequest,
    ) -> Result<ReleaseAnswer, Refused> {
        self.release_to(peer(), id, request).await
    }

    /// The same for this guest.
    pub(crate) async fn release_to(
        &self,
        client: Client,
        id: DecisionId,
        request: ReleaseRequest,
    ) -> Result<ReleaseAnswer, Refused> {
        release(&self.broker, self.incoming(client, id, request)).await.map(|answered| answered.answer)
    }

    /// A request that has just arrived.
    pub(crate) fn incoming(&self, client: Client, id: DecisionId, request: ReleaseRequest) -> Incoming {
        let (digest, arrival) = (digest(&request), self.arrival_from(client));
        let received = Received::try_from(request).expect("headers of requested paths");
        Incoming { decision: id, received, digest, arrival, now: clock::now(), trace: Trace::default() }
    }

    /// The answer to a request about a volume, with a vTPM.
    pub(crate) async fn change_volume(
        &self,
        vm: &SimulatedVm,
        action: VolumeAction,
    ) -> Result<VolumeAnswer, Refused> {
        let (challenge, key) = (self.challenge(), GuestKey::generate(Suite::XWing));
        let body = Body::Volume(action.clone());
        let bound = BoundRequest::new(&self.broker.identity(), challenge.nonce, key.public().clone(), body);
        let evidence = vm.evidence(Kinds::VTPM, &bound);
        let id = DecisionId(challenge.nonce.0.first_chunk().copied().expect("32 bytes"));
        let public_key = key.public().as_bytes().into();
        let request = VolumeRequest { challenge, suite: Suite::XWing, public_key, action, evidence };
        let digest = RequestDigest::of(&serde_json::to_vec(&request).expect("JSON"));
        let (received, arrival) = (request.into(), self.arrival());
        let (now, trace) = (clock::now(), Trace::default());
        let request = Incoming { decision: id, received, digest, arrival, now, trace };
        change_volume(&self.broker, request).await.map(|answered| answered.answer)
    }

    /// The listeners of its configuration.
    pub(crate) fn listeners(&self) -> PreparedListeners {
        PreparedListeners::bind(&self.broker.config()).expect("free ports and a certificate")
    }

    pub(crate) fn keystore(&self) -> &Keystore {
        &self.broker.keystore
    }

    /// A guest's request with evidence of these kinds, under `challenge`.
    pub(crate) fn ask(&self, vm: &SimulatedVm, kinds: Kinds, challenge: Challenge, paths: &[&str]) -> Asked {
        let key = GuestKey::generate(Suite::XWing);
        let paths = ReleasePaths::sort(paths.iter().map(|text| path(text)).collect()).expect("paths");
        let bound =
            BoundRequest::release(&self.broker.identity(), challenge.nonce, key.public().clone(), &paths);
        let evidence = vm.evidence(kinds, &bound);
        let public_key = key.public().as_bytes().into();
        Asked {
            request: ReleaseRequest {
                challenge,
                suite: Suite::XWing,
                public_key,
                paths,
                headers: VolumeHeaders::default(),
                evidence,
            },
            key,
            bound,
        }
    }

    pub(crate) fn challenge(&self) -> Challenge {
        self.broker.issue(clock::now()).expect("a challenge").challenge
    }
}

/// An administrator with the permission for this: in `prod`, or for the whole broker.
pub(crate) fn by(act: Act) -> Actor<'static> {
    let namespace = match act {
        Act::ManageSecrets | Act::ManagePolicies | Act::ManageBaselines => "prod",
        _ => WHOLE_BROKER,
    };
    let permit = authorize_operator(&administrator(), act, namespace).expect("administrators may");
    Actor::permitted(Box::leak(Box::new(permit)), clock::now())
}

/// Collateral as an administrator manages it.
pub(crate) fn managed(service: &CollateralService) -> ManagedCollateral<'_> {
    let permit = authorize_operator(&administrator(), Act::ManageCollateral, WHOLE_BROKER);
    service.managed(Box::leak(Box::new(permit.expect("administrators may")))).expect("its permit")
}

/// An administrator's permissions to read records.
pub(crate) fn reads_records() -> Permits {
    operator_permits(&administrator(), Act::ReadRecords)
}

/// The one that every fixture has: it comes with the first change of the keystore.
pub(crate) fn administrator() -> OperatorIdentity {
    let (name, role) = ("admin".to_owned(), OperatorRole::Administrator);
    OperatorIdentity { name, role, namespaces: Vec::new(), epoch: 1 }
}

/// The records of the log that an administrator reads.
pub(crate) async fn records(keystore: &Keystore, filter: DecisionFilter) -> Vec<LogRecord> {
    let page = keystore.permitted_lists(&reads_records()).decisions(filter).await.expect("sound rows");
    page.records.into_iter().map(|logged| logged.record).collect()
}

pub(crate) fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).expect("a path")
}

pub(crate) fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("a name")
}

/// A policy for VMs of `project` under fake roots.
pub(crate) fn policy(project: u64) -> String {
    let mut template = PolicyTemplate::new(Purpose::App, project, Technology::SevSnp);
    template.vtpm_root = TemplateRoot::Extra;
    template.accepts = [Acceptance::Pcr7Alone].into();
    template.generate()
}

fn configuration(folder: &TempDir) -> BrokerConfig {
    let amd = FakeAmd::shared(Product::Genoa);
    let tls = SelfSigned::generate(&["localhost".to_owned()], clock::now()).expect("a certificate");
    for (file, bytes) in [
        ("google.der", shared_google().root_der()),
        ("amd.der", amd.ark_der()),
        ("ca.pem", tls.ca.as_bytes()),
        ("certificate.pem", tls.certificate.as_bytes()),
        ("key.pem", tls.key.as_bytes()),
    ] {
        fs::write(folder.path().join(file), bytes).expect("written");
    }
    let text = "data = \"data\"\nextra_trust_anchors = [\"google.der\", \"amd.der\"]\n\
        [guests]\nlisten = \"127.0.0.1:0\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n\
        [operators]\nlisten = \"127.0.0.1:0\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n[collateral]\nfetch = false\n";
    BrokerConfig::parse(&folder.path().join("broker.toml"), text).expect("a configuration")
}

async fn fill(config: &BrokerConfig) -> String {
    DirBuilder::new().recursive(true).mode(0o700).create(&config.data).expect("a folder");
    let keyring = Keyring::generate(clock::now()).expect("a keyring");
    keyring.create(&config.data.join("keyring.json")).expect("written");
    let keystore = Keystore::create(&config.database(), keyring).await.expect("a keystore");
    let token = keystore
        .add_first_administrator("admin", TokenLifetime::default(), clock::now())
        .await
        .expect("an operator");
    keystore
        .put_policy(by(Act::ManagePolicies), &name(POLICY), &policy(PROJECT))
        .await
        .expect("a good policy");
    let (path, policy) = (path(PATH), name(POLICY));
    let new = NewVersion { path: &path, purpose: Purpose::App, policy: &policy };
    let value = PlaintextSecret::new(VALUE.to_vec()).expect("a secret");
    keystore.put_secret(by(Act::ManageSecrets), new, &value).await.expect("stored");
    keystore.close().await;
    token.expose().to_owned()
}

/// Current CRLs of both fake roots.
pub(crate) fn crls(now: UnixTime) -> [Vec<u8>; 2] {
    let current = CrlSpec::current(UnixTime(now.0 - 60), now.plus(3600));
    [shared_google().root_crl(&current), FakeAmd::shared(Product::Genoa).crl(&current)]
}
