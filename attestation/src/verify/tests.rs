//! Tests of the whole verifier: valid evidence is accepted, and each way to break it has its own refusal.

mod binding;
mod captured;
mod composites;
mod endorsement;
mod guests;
mod issuers;
mod optional;
mod partial;
mod refusals;
mod vtpm;

use std::sync::LazyLock;
use std::sync::OnceLock;

use vouchsafe_protocol::BrokerIdentity;
use vouchsafe_protocol::GuestPublicKey;
use vouchsafe_protocol::Nonce;
use vouchsafe_protocol::ReleasePaths;
use vouchsafe_protocol::SecretPath;
use vouchsafe_protocol::SevSnpEvidence;
use vouchsafe_protocol::Suite;
use vouchsafe_protocol::UnixTime;

use super::*;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::google_token::TokenKeys;
use crate::snp::SnpError;
use crate::snp::SnpEvidence;
use crate::test_util::ca::AkCertificateSpec;
use crate::test_util::event_log::EventLogBuilder;
use crate::test_util::google_token::FakeAttestationService;
use crate::test_util::tdx::CollateralSpec;
use crate::test_util::tdx::FakeIntel;
use crate::test_util::vm::AUDIENCE;
use crate::test_util::vm::Kinds;
use crate::test_util::vm::SimulatedVm;
use crate::test_util::vm::shared_anchors;
use crate::test_util::vm::shared_google;
use crate::test_util::vtpm::FakeAk;
use crate::test_util::vtpm::QuoteSpec;
use crate::x509::Collateral;

/// 2025-11-01: all of Google's certificates in the evidence and the fakes' are valid.
const NOW: UnixTime = UnixTime(1_761_955_200);

/// The inputs of verification; tests change one part.
struct Verifier {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    cache: VerifyCache,
}

impl Verifier {
    fn new() -> Self {
        Self {
            anchors: shared_anchors(),
            collateral: Collateral::empty(),
            endorsements: simulated_endorsements(),
            cache: VerifyCache::default(),
        }
    }

    fn inputs(&self) -> VerifyInputs<'_> {
        static AUDIENCES: LazyLock<[String; 1]> = LazyLock::new(|| [AUDIENCE.to_owned()]);
        let Self { anchors, collateral, endorsements, cache } = self;
        VerifyInputs { anchors, collateral, endorsements, audiences: &*AUDIENCES, now: NOW, cache }
    }

    fn verify(&self, evidence: &Evidence, bound: &BoundRequest) -> Result<Claims, VerifyError> {
        let verified = verify(evidence, bound.clone(), &self.inputs())?;
        assert_eq!((verified.bound(), verified.verified_at()), (bound, NOW));
        assert_eq!(verified.wrap_key(), bound.key());
        Ok(verified.claims().clone())
    }
}

/// Endorsements for simulated VMs: collateral of the TDX platform, and the keys of tokens.
fn simulated_endorsements() -> Endorsements {
    let current = CollateralSpec::current(UnixTime(NOW.0 - 60), NOW.plus(86_400));
    let keys = TokenKeys::extra(&FakeAttestationService::shared().jwks(), NOW).unwrap();
    Endorsements {
        tdx: FakeIntel::shared().store(&current),
        token_keys: vec![keys],
        ..Endorsements::default()
    }
}

/// The request of a release with this nonce.
fn bound(nonce: u8) -> BoundRequest {
    let key = GuestPublicKey::new(Suite::X25519, &[9; 32]).unwrap();
    let paths = ReleasePaths::new(vec![SecretPath::parse("prod/db/disk").unwrap()]).unwrap();
    BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([nonce; 32]), key, &paths)
}

fn refusal(evidence: &Evidence) -> VerifyError {
    Verifier::new().verify(evidence, &bound(1)).unwrap_err()
}

fn vtpm_evidence(vtpm: VtpmEvidence) -> Evidence {
    Evidence { vtpm: Some(vtpm), ..Evidence::default() }
}

/// Another owner's VM, with its own key, chip and instance.
fn other_vm() -> SimulatedVm {
    static KEY: OnceLock<FakeAk> = OnceLock::new();
    let spec = AkCertificateSpec { instance_id: 2, serial: vec![2], ..AkCertificateSpec::default() };
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let vm = SimulatedVm::new();
    let mut other = SimulatedVm::built(shared_google(), vm.amd, KEY.get_or_init(FakeAk::p256), &spec, &log);
    let mut report = other.report.clone();
    report.chip_id = [0xc2; 64];
    report.report_id = [2; 32];
    other.set_report(report);
    other
}
