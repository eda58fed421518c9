//! One kind of evidence, the policy that it satisfies, and the steps of its release.

use std::sync::Arc;

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::snp::SnpClaims;
use vouchsafe_attestation::test_util::ca::CrlSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_anchors, shared_google};
use vouchsafe_attestation::{
    Collateral, Endorsements, TrustAnchors, VerifiedClaims, VerifyCache, VerifyInputs, verify,
};
use vouchsafe_policy::{
    CompiledPolicy, DecideItem, DecideRequest, Guardrails, PolicyTemplate, Protocol, Purpose, ReleaseGrant,
    SecretState, decide,
};
use vouchsafe_protocol::messages::{ReleaseAnswer, WrappedSecret};
use vouchsafe_protocol::wrap::{SecretLabel, WrappedSecrets};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Bytes, DecisionId, Digest32, Evidence, GuestKey, GuestPublicKey,
    IdentityKey, Nonce, ObjectName, PlaintextSecret, ReleasePaths, RequestDigest, SecretPath, Suite,
    UnixTime,
};

/// 2025-11-01: the time of everything here.
pub(super) const NOW: UnixTime = UnixTime(1_761_955_200);
/// The requested secret.
pub(super) const PATH: &str = "prod/db-01/disk";
/// Body of the request, as far as the answer is concerned.
const REQUEST: &[u8] = b"a request, as sent";
/// Its policy.
pub(super) const POLICY: &str = "prod/db";

/// The broker's side: the inputs of verification, and the signing identity.
pub(super) struct Judge {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    guardrails: Guardrails,
    identity: IdentityKey,
}

impl Judge {
    pub(super) fn new() -> Self {
        let current = CrlSpec::current(UnixTime(NOW.0 - 60), NOW.plus(60));
        let amd = SimulatedVm::new().amd;
        let crls = [shared_google().root_crl(&current), amd.crl(&current)];
        Self {
            anchors: shared_anchors(),
            collateral: Collateral::new(&crls, &[]).expect("two CRLs"),
            endorsements: Endorsements::default(),
            guardrails: Guardrails::shipped(),
            identity: IdentityKey::from_seed(&[3; 32].into()).expect("a seed"),
        }
    }

    /// An empty cache.
    pub(super) fn cache(&self) -> VerifyCache {
        VerifyCache::new(16, 1024 * 1024)
    }

    pub(super) fn guardrails(&self) -> &Guardrails {
        &self.guardrails
    }

    pub(super) fn broker(&self) -> BrokerIdentity {
        self.identity.identity()
    }

    fn verify(&self, evidence: &Evidence, bound: BoundRequest, cache: &VerifyCache) -> VerifiedClaims {
        let Self { anchors, collateral, endorsements, .. } = self;
        let inputs = VerifyInputs { anchors, collateral, endorsements, audiences: &[], now: NOW, cache };
        verify(evidence, bound, &inputs).expect("good evidence")
    }
}

/// A guest and its secret.
pub(super) struct Case {
    name: &'static str,
    evidence: Evidence,
    bound: BoundRequest,
    path: SecretPath,
    secret: PlaintextSecret,
    policy_text: String,
    items: Vec<DecideItem>,
    identity: IdentityKey,
}

impl Case {
    pub(super) fn new(kinds: Kinds, judge: &Judge) -> Self {
        let path = SecretPath::parse(PATH).expect("a path");
        let paths = ReleasePaths::new(vec![path.clone()]).expect("one path");
        let guest = GuestKey::generate(Suite::XWing);
        let bound = BoundRequest::release(&judge.broker(), Nonce([2; 32]), guest.public().clone(), &paths);
        let evidence = SimulatedVm::new().evidence(kinds, &bound);
        let claims = judge.verify(&evidence, bound.clone(), &judge.cache());
        let claims = claims.claims();
        let (name, purpose, policy_text) = match kinds {
            Kinds::REPORT => ("snp", Purpose::App, snp_policy(claims.sev_snp.as_ref().expect("a report"))),
            _ => {
                let template = PolicyTemplate::from_claims(Purpose::Disk, claims).expect("an owner");
                (if kinds == Kinds::VTPM { "vtpm" } else { "both" }, Purpose::Disk, template.generate())
            }
        };
        assert_eq!(claims.technology, Some(Technology::SevSnp));
        let policy = ObjectName::parse(POLICY).expect("a name");
        let policy = Arc::new(CompiledPolicy::compile(&policy, &policy_text).expect("a policy"));
        let secret = SecretState::Active { version: 1, purpose, policy, baselines: Vec::new() };
        Self {
            name,
            evidence,
            bound,
            items: vec![DecideItem { path: path.clone(), secret }],
            path,
            secret: PlaintextSecret::new(vec![9; 32]).expect("32 bytes"),
            policy_text,
            identity: IdentityKey::from_seed(&[3; 32].into()).expect("a seed"),
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn policy_text(&self) -> &str {
        &self.policy_text
    }

    pub(super) fn verify(&self, judge: &Judge, cache: &VerifyCache) -> VerifiedClaims {
        judge.verify(&self.evidence, self.bound.clone(), cache)
    }

    pub(super) fn decide(
        &self,
        judge: &Judge,
        claims: &VerifiedClaims,
        guardrails: &Guardrails,
    ) -> ReleaseGrant {
        let broker = judge.broker();
        let items = self.items.clone();
        let request = DecideRequest { broker: &broker, epoch: 1, now: NOW, protocol: Protocol::V1, items };
        decide(claims, &request, guardrails).expect("granted")
    }

    pub(super) fn wrap(&self) -> WrappedSecrets {
        self.wrap_to(self.bound.key())
    }

    pub(super) fn wrap_to(&self, key: &GuestPublicKey) -> WrappedSecrets {
        key.wrap(&self.bound.transcript(), &[(self.label(), &self.secret)]).expect("a good key")
    }

    pub(super) fn open(&self, guest: &GuestKey, wrapped: &WrappedSecrets) -> Vec<PlaintextSecret> {
        let ciphertexts: Vec<_> =
            wrapped.ciphertexts.iter().map(|bytes| (self.label(), &bytes[..])).collect();
        guest.open(&self.bound.transcript(), &wrapped.enc, &ciphertexts).expect("opens")
    }

    pub(super) fn sign(&self, wrapped: WrappedSecrets) -> ReleaseAnswer {
        self.answer(wrapped, Digest32([4; 32]))
    }

    /// A complete release except for its record.
    pub(super) fn release(&self, judge: &Judge, cache: &VerifyCache) -> ReleaseAnswer {
        let claims = self.verify(judge, cache);
        let grant = self.decide(judge, &claims, judge.guardrails());
        let granted = grant.secret(&self.path).expect("granted");
        let label = SecretLabel { path: granted.path(), version: granted.version() };
        let wrapped = grant.wrap_key().wrap(&grant.transcript(), &[(label, &self.secret)]);
        self.answer(wrapped.expect("a good key"), granted.policy_digest())
    }

    fn answer(&self, wrapped: WrappedSecrets, policy_digest: Digest32) -> ReleaseAnswer {
        let secret = |ciphertext: Bytes| WrappedSecret {
            path: self.path.clone(),
            version: 1,
            policy_digest,
            ciphertext,
        };
        let secrets = wrapped.ciphertexts.into_iter().map(secret).collect();
        let (transcript, request) = (self.bound.transcript(), RequestDigest::of(REQUEST));
        ReleaseAnswer::sign(&self.identity, &transcript, &request, DecisionId([6; 16]), wrapped.enc, secrets)
    }

    fn label(&self) -> SecretLabel<'_> {
        SecretLabel { path: &self.path, version: 1 }
    }
}

/// Twelve conditions on a report alone; such a policy could not be registered, since it names no owner.
fn snp_policy(claims: &SnpClaims) -> String {
    let tcb = claims.reported_tcb;
    format!(
        "@id(\"release\") @for(\"app\")
         permit (principal is Vm, action == Action::\"release\", resource is Secret)
         when {{
           principal has technology && principal.technology == Technology::\"sev-snp\" &&
           principal has snp.root && principal.snp.root == Root::\"extra\" &&
           principal.snp.product == Product::\"genoa\" &&
           principal.snp.measurement == \"{}\" &&
           !principal.snp.policy.debug && principal.snp.vmpl == 0 &&
           principal.snp.reported_tcb.boot_loader >= {} && principal.snp.reported_tcb.tee >= {} &&
           principal.snp.reported_tcb.snp >= {} && principal.snp.reported_tcb.microcode >= {}
         }};",
        claims.measurement, tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode
    )
}
