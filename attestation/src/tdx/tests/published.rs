//! Collateral without a quote, with one fault each.

use serde_json::json;
use vouchsafe_protocol::Digest32;

use super::*;
use crate::test_util::ca::encode;

const PLATFORM: Platform = Platform { fmspc: crate::test_util::tdx::FMSPC, ca: PckCa::Platform };

fn verify_alone(collateral: &TdxCollateral) -> Result<(), TdxError> {
    verify_collateral(collateral, &PLATFORM, &anchors(), NOW).map(|_| ())
}

/// Verifies collateral in which one thing was changed before signing.
fn specified(change: impl FnOnce(&mut CollateralSpec)) -> Result<(), TdxError> {
    let mut spec = spec();
    change(&mut spec);
    verify_alone(&FakeIntel::shared().collateral(&spec))
}

/// Verifies collateral in which one thing was changed after signing.
fn tampered(change: impl FnOnce(&mut TdxCollateral)) -> Result<(), TdxError> {
    let mut collateral = FakeIntel::shared().collateral(&spec());
    change(&mut collateral);
    verify_alone(&collateral)
}

const fn signature(part: CollateralPart) -> Result<(), TdxError> {
    Err(TdxError::CollateralSignature { part })
}

#[test]
fn t17_collateral_in_order_is_believed_without_a_quote() {
    assert_eq!(specified(|_| ()), Ok(()));
    let intel = FakeIntel::shared();
    let anchor = verify_collateral(&intel.collateral(&spec()), &PLATFORM, &anchors(), NOW).unwrap();
    let certificate = Digest32::of(intel.root_der());
    assert_eq!(anchor, CollateralAnchor { root: Root::Extra, certificate });
}

#[test]
fn t17_every_part_must_have_the_right_signer() {
    use CollateralPart as Part;
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(tampered(|by| flip(&mut by.tcb_info_signature)), signature(Part::TcbInfo));
    assert_eq!(tampered(|by| flip(&mut by.qe_identity_signature)), signature(Part::QeIdentity));
    assert_eq!(tampered(|by| by.tcb_info_signature.truncate(63)), signature(Part::TcbInfo));
    assert_eq!(tampered(|by| by.tcb_info.push(' ')), signature(Part::TcbInfo));
    assert_eq!(tampered(|by| by.qe_identity.push(' ')), signature(Part::QeIdentity));
    assert_eq!(tampered(|by| flip(&mut by.root_ca_crl)), signature(Part::RootCrl));
    assert_eq!(tampered(|by| flip(&mut by.pck_crl)), signature(Part::PckCrl));
}

#[test]
fn t17_issuer_chains_end_at_an_anchor() {
    use CollateralPart as Part;
    let intel = FakeIntel::shared();
    let other = FakeIntel::new();
    let theirs = other.collateral(&spec());
    let root = Digest32::of(other.root_der());
    let unknown = |part| Err(TdxError::CollateralRoot { part, root });
    assert_eq!(verify_alone(&theirs), unknown(Part::PckCrl));
    assert_eq!(
        tampered(|by| by.tcb_info_issuer_chain = theirs.tcb_info_issuer_chain.clone()),
        unknown(Part::TcbInfo)
    );
    let swapped = tampered(|by| by.qe_identity_issuer_chain = theirs.qe_identity_issuer_chain.clone());
    assert_eq!(swapped, unknown(Part::QeIdentity));
    let collateral = intel.collateral(&spec());
    let builtin = verify_collateral(&collateral, &PLATFORM, &TrustAnchors::builtin(), NOW);
    let root = Digest32::of(intel.root_der());
    assert_eq!(builtin, Err(TdxError::CollateralRoot { part: Part::PckCrl, root }));
    // Two anchors, with a part under each.
    let both = anchors().with_extra(other.root_der()).unwrap();
    let mut mixed = collateral;
    mixed.tcb_info_issuer_chain = theirs.tcb_info_issuer_chain;
    assert_eq!(verify_collateral(&mixed, &PLATFORM, &both, NOW), Err(TdxError::SignerUntrusted));
}

#[test]
fn t17_signers_must_be_issued_by_the_root_for_that_purpose() {
    let untrusted = Err(TdxError::SignerUntrusted);
    let intel = FakeIntel::shared();
    let root = encode::pem(intel.root_der());
    let other = FakeIntel::new().chain(&PckSpec::default());
    // Another root's CA and signer, followed by the anchor.
    let chain = encode::pem(&other[1]) + &root;
    assert_eq!(tampered(|by| by.pck_crl_issuer_chain = chain.clone()), untrusted);
    assert_eq!(tampered(|by| by.tcb_info_issuer_chain = chain), untrusted);
    // A PCK CA must not sign texts; a signer of texts must not be a CA.
    let [pck, ca, _] = intel.chain(&PckSpec::default()).try_into().unwrap();
    assert_eq!(specified(|spec| spec.signer_certificate = Some(ca)), untrusted);
    assert_eq!(specified(|spec| spec.signer_certificate = Some(pck)), untrusted);
    let no_ca = tampered(|by| by.pck_crl_issuer_chain = by.tcb_info_issuer_chain.clone());
    assert_eq!(no_ca, Err(TdxError::CrlMissing { part: CollateralPart::PckCrl }));
    // Chains of other lengths.
    assert_eq!(tampered(|by| by.tcb_info_issuer_chain.clear()), untrusted);
    assert_eq!(tampered(|by| by.qe_identity_issuer_chain += &root), untrusted);
    assert_eq!(tampered(|by| by.pck_crl_issuer_chain = root.clone()), untrusted);
}

/// dcap-qvl parses chains with another parser, which fails on each of these or finds other certificates.
#[test]
fn t17_issuer_chains_are_plain_pem_and_nothing_else() {
    use CollateralPart as Part;
    let good = FakeIntel::shared().collateral(&spec()).qe_identity_issuer_chain;
    let junk = "-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n";
    let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n");
    let first = good.find(end).unwrap() + end.len();
    let (one, two) = good.split_at(first);
    let refused = Err(TdxError::CollateralChain { part: Part::QeIdentity });
    for bad in [
        junk.to_owned() + &good,
        format!("{one}{junk}{two}"),
        format!("{good}{junk}"),
        // A section that is left open.
        format!("{good}-----BEGIN JUNK-----\n"),
        // A blank line in the base64: some parsers treat the lines before it as a header.
        good.replacen('\n', "\n\n", 2),
        format!("{begin}Proc-Type: 4,ENCRYPTED\n\n{}", &good[begin.len()..]),
        // Markers in the middle of a line.
        format!("x {junk}{good}"),
        format!("x{good}"),
        good.replacen(end, "-----END CERTIFICATE----- -----BEGIN CERTIFICATE-----\n", 1),
        // Certificates with text around them.
        format!("\n{good}"),
        format!("{one}\n{two}"),
        format!("{good}and more\n"),
        good.replacen('\n', " \n", 1),
        good.replace('\n', ""),
    ] {
        let found = tampered(|by| by.qe_identity_issuer_chain.clone_from(&bad));
        assert!(found == refused || found == Err(TdxError::SignerUntrusted), "{found:?}: {bad}");
    }
    assert_eq!(tampered(|by| by.qe_identity_issuer_chain += junk), refused);
    let part = Part::PckCrl;
    assert_eq!(tampered(|by| by.pck_crl_issuer_chain += junk), Err(TdxError::CollateralChain { part }));
    let part = Part::TcbInfo;
    assert_eq!(tampered(|by| by.tcb_info_issuer_chain += junk), Err(TdxError::CollateralChain { part }));
}

#[test]
fn t17_an_accepted_chain_serves_quotes() {
    let quote = TdxQuoteBuilder::version_5().sign(FakeIntel::shared());
    let both_verify = |change: fn(&str) -> String| {
        let mut by = FakeIntel::shared().collateral(&spec());
        for chain in
            [&mut by.pck_crl_issuer_chain, &mut by.tcb_info_issuer_chain, &mut by.qe_identity_issuer_chain]
        {
            *chain = change(chain);
        }
        let with_quote = verify_twice(&quote, Appraisal::Given(&by), &anchors(), NOW).map(|_| ());
        (verify_alone(&by).is_ok(), with_quote.is_ok())
    };
    // Line ends and trailing whitespace may vary.
    assert_eq!(both_verify(str::to_owned), (true, true));
    assert_eq!(both_verify(|chain| format!("{chain}\n \r\n\t")), (true, true));
    assert_eq!(both_verify(|chain| chain.trim_ascii_end().to_owned()), (true, true));
    assert_eq!(both_verify(|chain| chain.replace('\n', "\r\n")), (true, true));
    // It would be stored, but be usable by no quote.
    assert_eq!(
        both_verify(|chain| format!("-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n{chain}")),
        (false, false)
    );
    assert_eq!(both_verify(|chain| chain.replacen('\n', "\n\n", 2)), (false, false));
}

#[test]
fn t17_only_versions_for_tdx_quotes_are_accepted() {
    let kind = |part| Err(TdxError::CollateralKind { part });
    let qe = |version: u8| specified(|spec| spec.qe_identity["version"] = json!(version));
    let found = [1, 2, 3, 4].map(qe);
    let refused = kind(CollateralPart::QeIdentity);
    assert_eq!(found, [refused.clone(), Ok(()), Ok(()), refused]);
    let tcb = |version: u8| specified(|spec| spec.tcb_info["version"] = json!(version));
    assert_eq!([2, 3].map(tcb), [kind(CollateralPart::TcbInfo), Ok(())]);
}

#[test]
fn t17_revoked_issuers_are_refused_without_a_quote() {
    for revoked in [PLATFORM_CA_SERIAL, SIGNER_SERIAL, ROOT_SERIAL] {
        let refused = specified(|spec| spec.root_crl.revoked.push(revoked.to_be_bytes().to_vec()));
        assert_eq!(refused, Err(TdxError::Revoked), "{revoked:#x}");
    }
}

#[test]
fn t17_collateral_is_current_and_of_the_platform_without_a_quote() {
    use CollateralPart as Part;
    let before = UnixTime(NOW.0 - 1);
    let expired = |part, until| Err(TdxError::CollateralExpired { part, until });
    let old = FakeIntel::shared().collateral(&CollateralSpec::current(UnixTime(NOW.0 - DAY), before));
    assert_eq!(verify_alone(&old), expired(Part::TcbInfo, before));
    let early = specified(|spec| spec.pck_crl.this_update = NOW.plus(1));
    assert_eq!(early, Err(TdxError::CollateralNotYetValid { part: Part::PckCrl, from: NOW.plus(1) }));
    let late = specified(|spec| spec.signer_validity = Some((UnixTime(0), before)));
    assert_eq!(late, expired(Part::TcbInfoSigner, before));
    let kind = specified(|spec| spec.tcb_info["id"] = json!("SGX"));
    assert_eq!(kind, Err(TdxError::CollateralKind { part: Part::TcbInfo }));
    let collateral = FakeIntel::shared().collateral(&spec());
    let other = Platform { fmspc: [1; 6], ..PLATFORM };
    let mismatch = TdxError::FmspcMismatch { platform: Hex(other.fmspc), collateral: Hex(PLATFORM.fmspc) };
    assert_eq!(verify_collateral(&collateral, &other, &anchors(), NOW), Err(mismatch));
    let other = Platform { ca: PckCa::Processor, ..PLATFORM };
    let missing = Err(TdxError::CrlMissing { part: Part::PckCrl });
    assert_eq!(verify_collateral(&collateral, &other, &anchors(), NOW), missing);
}
