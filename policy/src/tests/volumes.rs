//! Actions on volumes, and releases with headers.

use vouchsafe_protocol::{Digest32, ReleaseBody, VolumeAction, VolumeHeaders};

use super::*;

const DISK: &str = "prod/db/disk";
const HEADER: Digest32 = Digest32([1; 32]);

fn register() -> VolumeAction {
    VolumeAction::RegisterVolume { path: path(DISK), digest: HEADER }
}

fn advance() -> VolumeAction {
    VolumeAction::AdvanceVolume { path: path(DISK), from: HEADER, to: Digest32([2; 32]) }
}

fn decided(claims: &VerifiedClaims, condition: &str, at: &str) -> Result<VolumeGrant, DenialReason> {
    let items = vec![item(at, &policy(&permitting(condition)), Purpose::App)];
    let denied = |denial: Denial| denial.paths[0].reason.clone();
    decide_volume(claims, &request(items), &no_guardrails()).map_err(denied)
}

#[test]
fn t32_a_header_is_registered_where_the_secret_would_be_released() {
    for action in [register(), advance()] {
        let claims = verified_for(&SimulatedVm::new(), Kinds::VTPM, Body::Volume(action.clone()));
        let grant = decided(&claims, "principal has vtpm", DISK).unwrap();
        assert_eq!((grant.action(), grant.epoch(), grant.bound()), (&action, 42, claims.bound()));
        assert_eq!(Some(grant.instance()), claims.claims().instance());
        assert_eq!(grant.policy(), &name("prod/p"));
        assert_eq!(grant.policy_digest(), policy(&permitting("principal has vtpm")).digest());
        let refused = decided(&claims, "!(principal has vtpm)", DISK).unwrap_err();
        assert!(matches!(refused, DenialReason::Refused(_)), "{refused:?}");
    }
}

#[test]
fn t32_a_header_is_registered_for_a_known_instance_only() {
    let claims = verified_for(&SimulatedVm::new(), Kinds::REPORT, Body::Volume(register()));
    assert_eq!(decided(&claims, "principal has snp", DISK).unwrap_err(), DenialReason::NoInstance);
}

#[test]
fn t32_evidence_for_one_action_is_not_evidence_for_another() {
    let vm = SimulatedVm::new();
    let condition = "principal has vtpm";
    let items = || vec![item(DISK, &policy(&permitting(condition)), Purpose::App)];

    let volume = verified_for(&vm, Kinds::VTPM, Body::Volume(register()));
    let denial = decide(&volume, &request(items()), &no_guardrails()).unwrap_err();
    assert_eq!(denial.paths[0].reason, DenialReason::NotBound);
    assert_eq!(decided(&volume, condition, "prod/db/other").unwrap_err(), DenialReason::NotBound);
    let other = BrokerIdentity([2; 32]);
    let elsewhere = DecideRequest { broker: &other, ..request(items()) };
    let denial = decide_volume(&volume, &elsewhere, &no_guardrails()).unwrap_err();
    assert_eq!(denial.paths[0].reason, DenialReason::NotBound);

    let release = verified(&vm, Kinds::VTPM, &[DISK]);
    assert_eq!(decided(&release, condition, DISK).unwrap_err(), DenialReason::NotBound);
}

#[test]
fn t32_a_release_with_headers_is_decided_like_one_without() {
    let paths = ReleasePaths::new(vec![path(DISK)]).unwrap();
    let headers = VolumeHeaders::new([(path(DISK), HEADER)]).unwrap();
    let body = Body::Release(ReleaseBody::new(paths, headers).unwrap());
    let claims = verified_for(&SimulatedVm::new(), Kinds::VTPM, body.clone());
    let items = vec![item(DISK, &policy(&permitting("principal has vtpm")), Purpose::App)];
    let grant = decide(&claims, &request(items), &no_guardrails()).unwrap();
    assert_eq!(grant.bound().body(), &body);
}
