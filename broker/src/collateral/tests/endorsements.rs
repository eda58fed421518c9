use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::snp::SnpReportBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::bundle::CollateralKind;
use vouchsafe_protocol::{DecisionId, Digest48};

use super::fetching::{addresses, errors, service_under};
use super::vendor::{Reply, Vendor, eventually};
use super::*;
use crate::clock;
use crate::metrics::Metrics;
use crate::testing::{Fixture, PATH, client, managed};

const THERE: Digest48 = Digest48([7; 48]);
const OTHER: Digest48 = Digest48([8; 48]);
const ABSENT: Digest48 = Digest48([9; 48]);
const FORGED: Digest48 = Digest48([10; 48]);

fn anchors() -> TrustAnchors {
    shared_anchors().with_extra(FakeTcbSigner::shared().root_der()).unwrap()
}

fn forged(measurement: &Digest48) -> Vec<u8> {
    FakeTcbSigner::new().endorse_snp(measurement)
}

#[test]
fn a_missing_endorsement_is_noted_and_an_invalid_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let forged = forged(&FORGED);
    let vendor = Vendor::start(move |asked| {
        let is = |measurement: Digest48| asked.path.ends_with(&format!("/{measurement}.binarypb"));
        if is(THERE) || is(OTHER) {
            Reply::body(&FakeTcbSigner::shared().endorse_snp(&THERE))
        } else if is(FORGED) {
            Reply::body(&forged)
        } else {
            Reply::status(404)
        }
    });
    let service = service_under(anchors(), folder.path(), &vendor.address, &Metrics::new().unwrap());
    for _ in 0..10 {
        service.want(Missing::Launch(Measured::SevSnp(THERE)), Asker::Unverified(client()));
        service.want(Missing::Launch(Measured::Tdx(OTHER)), Asker::Unverified(client()));
        service.want(Missing::Launch(Measured::SevSnp(ABSENT)), Asker::Unverified(client()));
        service.want(Missing::Launch(Measured::SevSnp(FORGED)), Asker::Unverified(client()));
    }
    eventually("the endorsement", || service.loaded().endorsements.launch.get(&THERE).is_some());
    eventually("a refusal", || {
        let errors = errors(&service, CollateralKind::LaunchEndorsement);
        let is_there = |part: &str| errors.iter().any(|error| error.contains(part));
        is_there("not a launch endorsement for measurement 08")
            && is_there("does not have it")
            && is_there("launch endorsement: ")
    });
    service.want(Missing::Launch(Measured::SevSnp(ABSENT)), Asker::Unverified(client()));
    assert_eq!(vendor.asked(&format!("/ovmf_x64_csm/sevsnp/{ABSENT}")).len(), 1);
    assert!(!vendor.asked(&format!("/ovmf_x64_csm/tdx/{OTHER}")).is_empty());
    assert_eq!(service.loaded().endorsements.launch.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_endorsement_is_asked_for_although_an_extra_anchor_gave_one() {
    let vendor = Vendor::start(|_| Reply::status(404));
    let (collateral, anchor) = (addresses(&vendor.address), tempfile::NamedTempFile::new().unwrap());
    fs::write(anchor.path(), FakeTcbSigner::shared().root_der()).unwrap();
    let fixture = Fixture::configured(|config| {
        config.collateral = collateral;
        config.extra_trust_anchors.push(anchor.path().to_owned());
    })
    .await;
    let measurement = Digest48(SnpReportBuilder::new(Product::Genoa).measurement);
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let service = fixture.broker.collateral_service();
    managed(service).import(&endorsement, Some(measurement), clock::now()).expect("an endorsement");
    let asked = fixture.ask(&SimulatedVm::new(), Kinds::BOTH, fixture.challenge(), &[PATH]);
    // Its hierarchy offers no revocation, which the shipped guardrails accept; Google's own endorsement is
    // requested nevertheless.
    fixture.release(DecisionId([1; 16]), asked.request).await.expect("granted");
    eventually("a question", || vendor.asked(&format!("/sevsnp/{measurement}.binarypb")).len() == 1);
    let loaded = fixture.broker.collateral();
    assert_eq!(loaded.endorsements.launch.get(&measurement), Some(endorsement.as_slice()));
}
