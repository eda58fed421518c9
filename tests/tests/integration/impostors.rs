//! Attackers that impersonate the broker, or have the broker answer for another guest.

use std::fs;
use std::time::Duration;

use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_attestation::test_util::vtpm::QuoteSpec;
use vouchsafe_guest_client::client::{AttemptError, SystemPace};
use vouchsafe_guest_client::config::{ClientConfig, HttpsConfig, Limits};
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::transport::{Https, Response, Transport, TransportError};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_guest_client::{Client, CollectRequest, EvidenceSource, FetchError, Release};
use vouchsafe_protocol::messages::{ReleaseAnswer, ReleaseRequest, WrappedSecret};
use vouchsafe_protocol::wrap::SecretLabel;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, DecisionId, Digest32, Evidence, GuestPublicKey, IdentityKey,
    PlaintextSecret, RequestDigest, Suite,
};
use vouchsafe_tests::broker::guest;

use crate::refusals::{PATH, VALUE, quote, vtpm, world};
use crate::world::{World, boot, paths_of, simulated};

#[test]
fn t06_a_broker_with_another_identity_is_not_believed() {
    let world = world();
    let impostor = World::start();
    impostor.put(PATH, "prod/app", b"a key of the attacker's");
    let (vm, _) = world.vm("vm", AkAlgorithm::Ecc);
    // TLS is the impostor's own and valid; the identity is the true broker's.
    let file =
        vm.configure(&impostor.broker.guests_url(), world.broker.identity(), &impostor.broker.ca()).unwrap();
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{config}\n[limits]\nattempts = 1\n")).unwrap();
    let output = guest(&file, ["fetch", PATH]).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(15), 0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not pinned") && said.contains(impostor.broker.identity()), "{said}");
}

/// A proxy that terminates TLS between guest and broker, and answers with a secret of its own.
struct Diverted {
    to: Https,
    broker: BrokerIdentity,
    own: IdentityKey,
}

impl Transport for Diverted {
    fn post(&mut self, url: &str, body: &[u8], timeout: Duration) -> Result<Response, TransportError> {
        let mut response = self.to.post(url, body, timeout)?;
        if url.ends_with("/v1/release") {
            assert_eq!(response.status, 200, "the broker itself grants");
            let request: ReleaseRequest = serde_json::from_slice(body).unwrap();
            response.body = serde_json::to_vec(&self.forge(&request, &RequestDigest::of(body))).unwrap();
        }
        Ok(response)
    }

    fn get(&mut self, url: &str, timeout: Duration) -> Result<Response, TransportError> {
        self.to.get(url, timeout)
    }
}

impl Diverted {
    fn forge(&self, request: &ReleaseRequest, digest: &RequestDigest) -> ReleaseAnswer {
        let key = GuestPublicKey::new(request.suite, &request.public_key).unwrap();
        let bound = BoundRequest::release(&self.broker, request.challenge.nonce, key.clone(), &request.paths);
        let path = request.paths.as_slice()[0].clone();
        let secret = PlaintextSecret::new(b"a key of the attacker's".to_vec()).unwrap();
        let label = SecretLabel { path: &path, version: 1 };
        let mut wrapped = key.wrap(&bound.transcript(), &[(label, &secret)]).unwrap();
        let ciphertext = wrapped.ciphertexts.remove(0);
        let secrets = vec![WrappedSecret { path, version: 1, policy_digest: Digest32::of(b""), ciphertext }];
        let transcript = bound.transcript();
        ReleaseAnswer::sign(&self.own, &transcript, digest, DecisionId([7; 16]), wrapped.enc, secrets)
    }
}

pub(crate) struct Simulated(pub(crate) SimulatedVm);

impl EvidenceSource for Simulated {
    fn collect(&mut self, request: &CollectRequest<'_>) -> Result<Evidence, CollectError> {
        Ok(vtpm(&self.0, &QuoteSpec::new(&request.transcript.quote_nonce(None).0)))
    }
}

/// Ends the TLS connection between guest and broker, and has the broker answer the guest's key on a VM of its own.
struct OtherEvidence {
    to: Https,
    broker: BrokerIdentity,
    own: SimulatedVm,
}

impl Transport for OtherEvidence {
    fn post(&mut self, url: &str, body: &[u8], timeout: Duration) -> Result<Response, TransportError> {
        if !url.ends_with("/v1/release") {
            return self.to.post(url, body, timeout);
        }
        let mut request: ReleaseRequest = serde_json::from_slice(body).unwrap();
        let key = GuestPublicKey::new(request.suite, &request.public_key).unwrap();
        let bound = BoundRequest::release(&self.broker, request.challenge.nonce, key, &request.paths);
        request.evidence = vtpm(&self.own, &quote(&bound));
        let response = self.to.post(url, &serde_json::to_vec(&request).unwrap(), timeout)?;
        assert_eq!(response.status, 200, "the policy lets both VMs read the path");
        Ok(response)
    }

    fn get(&mut self, url: &str, timeout: Duration) -> Result<Response, TransportError> {
        self.to.get(url, timeout)
    }
}

/// The result for a guest that pins the world's broker and uses this connection to it.
fn fetch(world: &World, path: &str, transport: Box<dyn Transport>) -> Result<Release, FetchError> {
    let config = ClientConfig {
        brokers: vec![world.broker.guests_url().parse().unwrap()],
        identities: vec![pinned(world)],
        suite: Suite::XWing,
        limits: Limits { attempts: 1, ..Limits::default() },
    };
    let pace = Box::new(SystemPace::start());
    Client::with_parts(config, transport, Simulated(simulated()), pace).fetch(&paths_of(&[path]))
}

pub(crate) fn pinned(world: &World) -> BrokerIdentity {
    world.broker.identity().parse().unwrap()
}

pub(crate) fn direct(world: &World) -> Https {
    Https::new(&HttpsConfig { ca: world.broker.ca(), connect: Duration::from_secs(5) }).unwrap()
}

fn assert_not_signed(taken: Result<Release, FetchError>) {
    match taken {
        Err(FetchError::GaveUp { attempts: 1, last }) => {
            assert!(matches!(*last, AttemptError::NotSigned), "{last}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn t06_secret_sealed_by_another_party_is_refused() {
    let world = world();
    let genuine = fetch(&world, PATH, Box::new(direct(&world))).unwrap();
    assert_eq!(genuine.secrets[0].secret.expose(), VALUE);
    let own = IdentityKey::from_seed(&[9; 32].into()).unwrap();
    let diverted = Diverted { to: direct(&world), broker: pinned(&world), own };
    assert_not_signed(fetch(&world, PATH, Box::new(diverted)));
}

#[test]
fn t06_another_vms_value_of_a_per_instance_secret_is_refused() {
    let world = world();
    let each = "prod/each";
    world.run(&["secret", "generate", each, "--policy", "prod/app", "--per-instance"]);
    let instance = AkCertificateSpec { instance_id: 7, ..AkCertificateSpec::default() };
    let own = SimulatedVm::booted(&instance, &boot());
    let genuine = fetch(&world, each, Box::new(direct(&world))).unwrap();
    assert_ne!(genuine.secrets[0].secret.expose(), world.value(&own, each));
    let other = OtherEvidence { to: direct(&world), broker: pinned(&world), own };
    assert_not_signed(fetch(&world, each, Box::new(other)));
}
