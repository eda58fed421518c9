//! CRLs: what they revoke, when they are used, and which of two is older.

use super::*;
use crate::test_util::ca::google::ROOT_CRL_URI;
use crate::x509::crl_signer;

#[test]
fn t17_a_revoked_leaf_or_intermediate_is_refused() {
    let mut setup = Setup::new();
    let serial = setup.spec.serial.clone();
    setup.crls = vec![setup.google.intermediate_crl(&setup.current_crl().revoking(&serial))];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: hex::encode(serial) });

    let serial = INTERMEDIATE_SERIAL.to_be_bytes();
    setup.crls = vec![setup.google.root_crl(&setup.current_crl().revoking(&serial))];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: "1002".to_owned() });
}

#[test]
fn t17_a_serial_number_with_its_top_bit_set_is_found() {
    let mut setup = Setup::new();
    setup.spec.serial = vec![0xfe, 0xdc];
    setup.crls = vec![setup.google.intermediate_crl(&setup.current_crl().revoking(&[0xfe, 0xdc]))];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: "00fedc".to_owned() });
}

#[test]
fn t17_an_outdated_crl_still_revokes() {
    let mut setup = Setup::new();
    let old = CrlSpec::current(UnixTime(NOW.0 - 9 * DAY), UnixTime(NOW.0 - 8 * DAY));
    setup.crls = vec![setup.google.root_crl(&old.revoking(&INTERMEDIATE_SERIAL.to_be_bytes()))];
    assert!(matches!(setup.verify().unwrap_err(), ChainError::Revoked { .. }));
}

#[test]
fn t17_fresh_stale_and_absent_are_told_apart() {
    let mut setup = Setup::new();
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);

    let old = CrlSpec::current(UnixTime(NOW.0 - 9 * DAY), NOW);
    setup.crls = vec![setup.google.root_crl(&old)];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Stale);

    // A leaf without a distribution point needs no CRL: the intermediate's status decides.
    setup.crls.push(setup.google.root_crl(&setup.current_crl()));
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Fresh);

    // A leaf with a distribution point needs a CRL that covers it.
    setup.spec.crl_dp = Some("http://pki.invalid/leaf.crl".to_owned());
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
    setup.crls.push(setup.google.intermediate_crl(&setup.current_crl()));
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Fresh);

    // The issuers of the CRLs in use are those that the certificates name.
    let issuer = |crl: Vec<u8>| Collateral::new(&[crl], &[]).unwrap().crls()[0].issuer.clone();
    let of_leaf = issuer(setup.google.intermediate_crl(&setup.current_crl()));
    let of_intermediate = issuer(setup.google.root_crl(&setup.current_crl()));
    assert_eq!(setup.verify().unwrap().crl_issuers(), [of_leaf, of_intermediate.clone()]);
    setup.spec.crl_dp = None;
    assert_eq!(setup.verify().unwrap().crl_issuers(), [of_intermediate]);

    // Without `nextUpdate` a CRL is never current.
    let mut open = setup.current_crl();
    open.next_update = None;
    setup.crls = vec![setup.google.root_crl(&open)];
    setup.spec.crl_dp = None;
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Stale);
}

#[test]
fn t17_a_crl_that_the_issuer_did_not_sign_counts_for_nothing() {
    let mut setup = Setup::new();
    let forger = FakeCa::new(setup.google.root().name().to_vec(), Scheme::Pkcs1Sha256);
    let revoking = setup.current_crl().revoking(&INTERMEDIATE_SERIAL.to_be_bytes());
    setup.crls = vec![forger.crl(&revoking)];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
}

#[test]
fn t17_a_crl_of_another_distribution_point_counts_for_nothing() {
    let mut setup = Setup::new();
    let mut crl = setup.current_crl();
    crl.extensions = vec![encode::issuing_distribution_point("http://pki.invalid/other.crl")];
    setup.crls = vec![setup.google.root_crl(&crl)];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
    crl.extensions = vec![encode::issuing_distribution_point(ROOT_CRL_URI)];
    setup.crls = vec![setup.google.root_crl(&crl)];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Fresh);
}

#[test]
fn t17_the_signature_tells_which_anchor_issued_a_crl() {
    use crate::test_util::vm::shared_anchors;
    use crate::test_util::vm::shared_google;
    let anchors = shared_anchors();
    let spec = CrlSpec::current(UnixTime(1_000), UnixTime(2_000));
    let crl = shared_google().root_crl(&spec);
    assert_eq!(crl_signer(&crl, &anchors), Some(Digest32::of(&shared_google().root().spki())));
    // Two anchors with the same name, distinguished by their keys.
    let other = FakeGoogle::new();
    let both = anchors.with_extra(other.root_der()).unwrap();
    assert_eq!(crl_signer(&crl, &both), crl_signer(&crl, &anchors));
    assert_eq!(crl_signer(&other.root_crl(&spec), &both), Some(Digest32::of(&other.root().spki())));
    // The same name and another key; a modified CRL; not a CRL; an anchor that is not in the set.
    assert_eq!(crl_signer(&other.root_crl(&spec), &anchors), None);
    let mut changed = crl.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(crl_signer(&changed, &anchors), None);
    assert_eq!(crl_signer(b"", &anchors), None);
    assert_eq!(crl_signer(&crl, &TrustAnchors::builtin()), None);
}

#[test]
fn t17_crls_are_ordered_by_time_and_then_number() {
    let google = FakeGoogle::new();
    let summary = |this_update, number| {
        let spec = CrlSpec { number, ..CrlSpec::current(this_update, NOW.plus(DAY)) };
        Collateral::new(&[google.root_crl(&spec)], &[]).unwrap().crl_summaries().next().unwrap()
    };
    let list = summary(NOW, 256);
    for older in [summary(UnixTime(NOW.0 - 1), 300), summary(NOW, 255), summary(NOW, 1)] {
        assert!(older.is_older_than(&list) && !list.is_older_than(&older), "{older:?}");
    }
    assert!(!list.is_older_than(&summary(NOW, 256)));
    assert!(list.is_current(NOW) && list.is_current(UnixTime(NOW.0 + DAY - 1)));
    assert!(!list.is_current(UnixTime(NOW.0 - 1)) && !list.is_current(NOW.plus(DAY)));
}

#[test]
fn t17_a_list_for_another_distribution_point_still_revokes() {
    // Serial numbers are unique per issuer, so any of its CRLs revokes the certificate. The leaf names no
    // CRL.
    let mut setup = Setup::new();
    let serial = setup.spec.serial.clone();
    let mut crl = setup.current_crl().revoking(&serial);
    crl.extensions = vec![encode::issuing_distribution_point("http://pki.invalid/leaves.crl")];
    setup.crls = vec![setup.google.intermediate_crl(&crl)];
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: hex::encode(&serial) });
    setup.spec.crl_dp = Some("http://pki.invalid/other.crl".to_owned());
    assert_eq!(setup.verify().unwrap_err(), ChainError::Revoked { serial: hex::encode(serial) });
}

#[test]
fn t17_a_list_for_authorities_says_nothing_fresh_about_leaves() {
    let mut setup = Setup::new();
    setup.spec.crl_dp = Some("http://pki.invalid/leaf.crl".to_owned());
    let scoped = |tag| {
        let mut crl = setup.current_crl();
        let scope = encode::sequence(&[encode::tlv(tag, &[0xff])]);
        crl.extensions = vec![encode::extension("2.5.29.28", true, &scope)];
        setup.google.intermediate_crl(&crl)
    };
    let (leaves, authorities) = (scoped(0x81), scoped(0x82));
    let root = setup.google.root_crl(&setup.current_crl());
    setup.crls = vec![root.clone(), authorities];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
    setup.crls = vec![root, leaves];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Fresh);
}

#[test]
fn t17_a_list_from_the_future_is_not_fresh_and_revokes() {
    let mut setup = Setup::new();
    let future = CrlSpec::current(NOW.plus(1), NOW.plus(DAY));
    setup.crls = vec![setup.google.root_crl(&future)];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Stale);
    setup.crls = vec![setup.google.root_crl(&future.revoking(&INTERMEDIATE_SERIAL.to_be_bytes()))];
    assert!(matches!(setup.verify().unwrap_err(), ChainError::Revoked { .. }));
}

#[test]
fn t17_an_older_list_beside_the_newer_one_hides_nothing() {
    let mut setup = Setup::new();
    let clean = setup.google.root_crl(&setup.current_crl());
    let revoking = setup.current_crl().revoking(&INTERMEDIATE_SERIAL.to_be_bytes());
    let revoking = setup.google.root_crl(&revoking);
    for crls in [[clean.clone(), revoking.clone()], [revoking, clean]] {
        setup.crls = crls.to_vec();
        assert!(matches!(setup.verify().unwrap_err(), ChainError::Revoked { .. }));
    }
}

#[test]
fn t17_the_root_cannot_speak_for_its_intermediate() {
    // The right name, the wrong key: a CRL in the intermediate's name signed by the root.
    let mut setup = Setup::new();
    setup.spec.crl_dp = Some("http://pki.invalid/leaf.crl".to_owned());
    let key = setup.google.root_pkcs8();
    let posing = FakeCa::from_pkcs8(setup.google.intermediate().name().to_vec(), Scheme::Pkcs1Sha256, &key);
    let serial = setup.spec.serial.clone();
    setup.crls =
        vec![setup.google.root_crl(&setup.current_crl()), posing.crl(&setup.current_crl().revoking(&serial))];
    assert_eq!(setup.verify().unwrap().revocation(), Revocation::Absent);
}

#[test]
fn t17_a_list_known_under_one_key_is_unknown_under_another() {
    // Two hierarchies with the same names: the CRL of one, already in use, has no effect on the other.
    let (first, second) = (Setup::new(), Setup::new());
    let crl = first.google.root_crl(&first.current_crl());
    let collateral = Collateral::new(&[crl], &[]).unwrap();
    let revocation = |setup: &Setup| {
        let anchors = setup.anchors();
        setup.verify_with(&setup.leaf(), &anchors, &collateral).unwrap().revocation()
    };
    for _ in 0..2 {
        assert_eq!(revocation(&first), Revocation::Fresh);
        assert_eq!(revocation(&second), Revocation::Absent);
    }
    // A clone, with the signer cached in it, gives the same result.
    let copy = collateral.clone();
    let anchors = second.anchors();
    let chain = second.verify_with(&second.leaf(), &anchors, &copy).unwrap();
    assert_eq!(chain.revocation(), Revocation::Absent);
}
