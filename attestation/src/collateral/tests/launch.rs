//! Which launch endorsement replaces which, and ranks of roots.

use super::*;
use crate::collateral::replacement::check_rank;
use crate::collateral::replacement::is_useless_here;
use crate::launch::LaunchError;
use crate::test_util::launch::FakeTcbSigner;
use crate::x509::ChainError;

const MEASUREMENT: Digest48 = Digest48([7; 48]);

fn anchors() -> TrustAnchors {
    shared_anchors().with_extra(FakeTcbSigner::shared().root_der()).unwrap()
}

#[test]
fn an_extra_anchor_displaces_no_root_and_a_root_every_one() {
    let vendors = [Root::Amd, Root::Intel, Root::Google];
    for known in vendors {
        assert_eq!(check_rank(Root::Extra, known), Err(ItemError::ExtraAnchor { known }));
        assert_eq!(check_rank(known, Root::Extra), Ok(()));
        assert_eq!(check_rank(known, known), Ok(()));
    }
    assert_eq!(check_rank(Root::Extra, Root::Extra), Ok(()));
}

#[test]
fn an_endorsement_that_is_not_for_this_broker_sinks_no_bundle() {
    let at = UnixTime(1);
    let is_left_out = |error: LaunchError| is_useless_here(&error.into());
    for error in [
        ChainError::UnknownIssuer,
        ChainError::NotValidYet { not_before: at },
        ChainError::Expired { not_after: at },
    ] {
        assert!(is_left_out(error.clone().into()), "{error}");
    }
    for error in [LaunchError::Malformed, LaunchError::SignatureInvalid, ChainError::SignatureInvalid.into()]
    {
        assert!(!is_left_out(error.clone()), "{error}");
    }
    assert!(is_useless_here(&ItemError::ExtraAnchor { known: Root::Google }));
}

#[test]
fn an_imported_endorsement_that_does_not_verify_displaces_none_that_does() {
    let mut ours = Store::under(anchors());
    let good = FakeTcbSigner::shared().endorse_tdx(&MEASUREMENT);
    let bad = FakeTcbSigner::new().endorse_snp(&MEASUREMENT);
    ours.import_launch(&bad, MEASUREMENT).unwrap();
    ours.import_launch(&good, MEASUREMENT).unwrap();
    let error = ours.import_launch(&bad, MEASUREMENT).unwrap_err();
    assert!(matches!(error, ItemError::LaunchRefused(_)), "{error}");
    let mut theirs = Store::new();
    theirs.import_launch(&bad, MEASUREMENT).unwrap();
    let error = ours.merge(theirs.export(), NOW).unwrap_err();
    assert!(matches!(error, ItemError::LaunchRefused(_)), "{error}");
    assert_eq!(ours.loaded().endorsements.launch.get(&MEASUREMENT), Some(good.as_slice()));
}

#[test]
fn a_fetched_endorsement_verifies_also_where_none_is_stored() {
    let mut ours = Store::under(anchors());
    let fetched = |signer: &FakeTcbSigner| {
        let endorsement = signer.endorse_snp(&MEASUREMENT);
        Item::fetched_launch(&endorsement, MEASUREMENT).unwrap()
    };
    let error = ours.put(fetched(&FakeTcbSigner::new()), NOW).unwrap_err();
    assert!(matches!(error, ItemError::LaunchRefused(_)), "{error}");
    ours.put(fetched(FakeTcbSigner::shared()), NOW).unwrap();
    let other = Digest48([8; 48]);
    let endorsement = FakeTcbSigner::shared().endorse_snp(&MEASUREMENT);
    let missing = Item::fetched_launch(&endorsement, other).map(|_| ());
    assert_eq!(missing, Err(ItemError::Endorsement { measurement: other }));
}
