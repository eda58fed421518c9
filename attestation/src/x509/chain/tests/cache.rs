//! The cache of verified chains: what it knows a chain by, and when it forgets one.

use vouchsafe_protocol::Bytes;

use super::*;
use crate::x509::ChainCache;
use crate::x509::certificate::MAX_CERTIFICATE;

#[test]
fn cache_gives_the_same_answer_only_while_nothing_changed() {
    let setup = Setup::new();
    let leaf = setup.leaf();
    let anchors = setup.anchors();
    let fresh = Collateral::new(&[setup.google.root_crl(&setup.current_crl())], &[]).unwrap();
    let revoking = setup.current_crl().revoking(&INTERMEDIATE_SERIAL.to_be_bytes());
    let revoked = Collateral::new(&[setup.google.root_crl(&revoking)], &[]).unwrap();
    let cache = ChainCache::new(16);
    let verify = |anchors: &TrustAnchors, collateral: &Collateral, now: UnixTime| {
        let (certificates, purpose) = (setup.certificates.as_slice(), Purpose::GoogleAk);
        cache.verify(&ChainRequest { leaf: &leaf, certificates, purpose, anchors, collateral, now })
    };

    let first = verify(&anchors, &fresh, NOW).unwrap();
    let second = verify(&anchors, &fresh, NOW.plus(DAY - 1)).unwrap();
    assert!(Arc::ptr_eq(&first.0, &second.0), "remembered");
    assert_eq!(cache.len(), 1);
    // The CRL falls due.
    let third = verify(&anchors, &fresh, NOW.plus(DAY)).unwrap();
    assert_eq!(third.revocation(), Revocation::Stale);
    // The certificate expires.
    let not_after = setup.spec.not_after;
    assert_eq!(verify(&anchors, &fresh, not_after.plus(1)).unwrap_err(), ChainError::Expired { not_after });
    // Another set of CRLs, other anchors.
    assert!(matches!(verify(&anchors, &revoked, NOW).unwrap_err(), ChainError::Revoked { .. }));
    assert_eq!(verify(&TrustAnchors::builtin(), &fresh, NOW).unwrap_err(), ChainError::UnknownIssuer);
}

#[test]
fn cache_knows_a_chain_by_all_of_its_certificates() {
    let mut setup = Setup::new();
    let (leaf, cache) = (setup.leaf(), ChainCache::new(16));
    let anchors = setup.anchors();
    let collateral = Collateral::empty();
    let verify = |setup: &Setup, purpose| {
        let (leaf, certificates, now) = (leaf.as_slice(), setup.certificates.as_slice(), NOW);
        let (anchors, collateral) = (&anchors, &collateral);
        cache.verify(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now })
    };
    assert!(verify(&setup, Purpose::GoogleAk).is_ok());
    assert_eq!(verify(&setup, Purpose::AmdVcek).unwrap_err(), ChainError::UnsupportedAlgorithm);
    setup.certificates.clear();
    assert_eq!(verify(&setup, Purpose::GoogleAk).unwrap_err(), ChainError::UnknownIssuer);
    // Moving bytes from one certificate to the next gives another chain.
    let mut joined = leaf.clone();
    joined.extend_from_slice(setup.google.intermediate_der());
    let certificates: &[Vec<u8>] = &[];
    let (anchors, collateral, purpose) = (&anchors, &collateral, Purpose::GoogleAk);
    let request = ChainRequest { leaf: &joined, certificates, purpose, anchors, collateral, now: NOW };
    assert_eq!(cache.verify(&request).unwrap_err(), ChainError::Malformed);
}

#[test]
fn unreadable_received_certificates_are_ignored_and_make_another_chain() {
    let setup = Setup::new();
    let (leaf, cache) = (setup.leaf(), ChainCache::new(16));
    let (anchors, collateral, purpose) = (&setup.anchors(), &Collateral::empty(), Purpose::GoogleAk);
    let request =
        |certificates| ChainRequest { leaf: &leaf, certificates, purpose, anchors, collateral, now: NOW };
    let mut received: Vec<Bytes> = setup.certificates.iter().cloned().map(Bytes).collect();
    received.insert(0, Bytes(vec![0x30, 0]));
    received.push(Bytes(vec![0; MAX_CERTIFICATE + 1]));
    let first = cache.verify_received(&request(&[]), &received).unwrap();
    let second = cache.verify_received(&request(&[]), &received).unwrap();
    assert!(Arc::ptr_eq(&first.0, &second.0), "remembered");
    // The same bytes as certificates that must all be readable are another chain.
    let given: Vec<Vec<u8>> = received.iter().take(2).map(|encoded| encoded.0.clone()).collect();
    assert!(cache.verify_received(&request(&[]), &received[..2]).is_ok());
    assert_eq!(cache.verify(&request(&given)).unwrap_err(), ChainError::Malformed);
    // So are those without the issuer.
    let error = cache.verify_received(&request(&[]), &received[..1]).unwrap_err();
    assert_eq!(error, ChainError::UnknownIssuer);
}

#[test]
fn cache_forgets_at_the_time_before_a_chain_began_too() {
    let setup = Setup::new();
    let (leaf, cache) = (setup.leaf(), ChainCache::new(16));
    let anchors = setup.anchors();
    // A CRL that is current from tomorrow on, beside one that is current today.
    let today = setup.google.root_crl(&CrlSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(DAY)));
    let tomorrow = setup.google.root_crl(&CrlSpec::current(NOW.plus(2 * DAY), NOW.plus(3 * DAY)));
    let collateral = Collateral::new(&[today, tomorrow], &[]).unwrap();
    let revocation = |now| {
        let (certificates, purpose) = (setup.certificates.as_slice(), Purpose::GoogleAk);
        let (anchors, collateral) = (&anchors, &collateral);
        let request = ChainRequest { leaf: &leaf, certificates, purpose, anchors, collateral, now };
        cache.verify(&request).unwrap().revocation()
    };
    let (fresh, stale) = (Revocation::Fresh, Revocation::Stale);
    for (day, expected) in
        [(2, fresh), (0, fresh), (1, stale), (3, stale), (0, fresh), (2, fresh), (1, stale)]
    {
        assert_eq!(revocation(NOW.plus(day * DAY)), expected, "day {day}");
    }
}

#[test]
fn cache_is_bounded() {
    let mut setup = Setup::new();
    let anchors = setup.anchors();
    let collateral = Collateral::empty();
    let cache = ChainCache::new(4);
    for instance in 0..32 {
        setup.spec.instance_id = instance;
        let (leaf, certificates) = (setup.leaf(), setup.certificates.as_slice());
        let (purpose, now) = (Purpose::GoogleAk, NOW);
        let request = ChainRequest {
            leaf: &leaf,
            certificates,
            purpose,
            anchors: &anchors,
            collateral: &collateral,
            now,
        };
        cache.verify(&request).unwrap();
    }
    assert!(cache.len() <= 8, "{} chains", cache.len());
}
