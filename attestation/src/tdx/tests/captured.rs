//! Quotes of real platforms, with Intel's collateral of that time.

use vouchsafe_protocol::Digest48;

use super::*;
use crate::claims::InspectedClaims;

/// A captured quote.
fn quote(path: &str) -> Option<Vec<u8>> {
    evidence::read(path)
}

/// Captured collateral: JSON, or YAML with a block text for each member.
fn collateral(path: &str) -> Option<TdxCollateral> {
    let file = evidence::read(path)?;
    if !path.ends_with(".yaml") {
        return Some(TdxCollateral::parse(&file).unwrap());
    }
    let mut members = serde_json::Map::new();
    let mut name = String::new();
    for line in String::from_utf8(file).unwrap().lines() {
        if let Some(member) = line.strip_suffix(": |-") {
            member.clone_into(&mut name);
        } else if let Some(line) = line.strip_prefix("  ") {
            let text = members.entry(name.as_str()).or_insert_with(|| "".into());
            let lines = [text.as_str().unwrap(), line];
            let joined = if lines[0].is_empty() { lines[1].to_owned() } else { lines.join("\n") };
            *text = joined.into();
        }
    }
    Some(TdxCollateral::parse(&serde_json::to_vec(&members).unwrap()).unwrap())
}

fn verify(quote: &[u8], appraisal: Appraisal<'_>, now: u64) -> Result<TdxClaims, TdxError> {
    verify_twice(quote, appraisal, &TrustAnchors::builtin(), UnixTime(now))
}

const PHALA: &str = "tdx/dcap-qvl/tdx_quote";
const PHALA_COLLATERAL: &str = "tdx/dcap-qvl/tdx_quote_collateral.json";
const OUTDATED_COLLATERAL: &str = "tdx/dcap-qvl/tdx_quote_outdated_collateral.json";
const GCE_COLLATERAL: &str = "gce/tdx/collateral/gce-tdx-2025-12-18-collateral.yaml";
const MARCH_90: &str = "tdx/assembled/fmspc-90c06f000000-2026-03.json";
const MARCH_50: &str = "tdx/assembled/fmspc-50806f000000-2026-03.json";
const JUNE_50: &str = "tdx/assembled/fmspc-50806f000000-2023-06.json";
const COS: &str = "gce/tdx/quotes/gce-cos113-tdx-quote-v4.dat";
const GCE: &str = "gce/tdx/quotes/gce-tdx-2025-12-18-quote-v4.dat";
const SPR: &str = "gce/tdx/quotes/intel-spr-e4-quote-v4.dat";

#[test]
fn captured_quotes_are_accepted_with_their_status() {
    for (path, by, now, status, advisories) in [
        (PHALA, PHALA_COLLATERAL, 1_751_328_000, TcbStatus::UpToDate, 0),
        ("tdx/go-tdx-guest/quote_v5_sample.dat", MARCH_90, 1_774_915_200, TcbStatus::UpToDate, 0),
        ("gce/tdx/quotes/quote-v5-bodytype3.dat", OUTDATED_COLLATERAL, 1_772_323_200, TcbStatus::UpToDate, 0),
        (GCE, GCE_COLLATERAL, 1_769_509_141, TcbStatus::UpToDate, 0),
        (COS, GCE_COLLATERAL, 1_769_509_141, TcbStatus::OutOfDate, 7),
    ] {
        let (Some(quote), Some(by)) = (quote(path), collateral(by)) else { return };
        let claims =
            verify(&quote, Appraisal::Given(&by), now).unwrap_or_else(|error| panic!("{path}: {error}"));
        let tcb = claims.tcb.unwrap();
        assert_eq!((tcb.status, tcb.advisory_ids.len()), (status, advisories), "{path}");
        assert_eq!((claims.root, claims.revocation), (Root::Intel, Revocation::Fresh), "{path}");
        assert!(tcb.collateral_issued < UnixTime(now) && UnixTime(now) < tcb.collateral_expires, "{path}");
        assert!(tcb.tcb_date < tcb.collateral_issued, "{path}");
        assert!(claims.attributes.sept_ve_disable && !claims.attributes.debug, "{path}");
    }
}

#[test]
fn every_claim_of_a_captured_quote_is_exact() {
    let (Some(quote), Some(by)) = (quote(COS), collateral(GCE_COLLATERAL)) else { return };
    let claims = verify(&quote, Appraisal::Given(&by), 1_769_509_141).unwrap();
    let field = |from: usize| Digest48(quote[48 + from..][..48].try_into().unwrap());
    assert_eq!(claims.quote_version, 4);
    assert_eq!(claims.fmspc.to_string(), "00806f050000");
    assert_eq!(claims.pck_ca, "platform");
    assert_eq!(claims.tee_tcb_svn.to_string(), "04010700000000000000000000000000");
    assert_eq!(claims.attributes.raw.to_string(), "0000001000000000");
    assert_eq!(claims.xfam.to_string(), "e700060000000000");
    assert!(claims.mr_td.to_string().starts_with("dae67181"));
    assert_eq!((claims.mr_seam, claims.mr_td), (field(16), field(136)));
    assert_eq!(
        (claims.mr_config_id, claims.mr_owner, claims.mr_owner_config),
        (field(184), field(232), field(280))
    );
    assert_eq!(claims.rtmrs, [field(328), field(376), field(424), field(472)]);
    assert!(claims.report_data.is_zero());
    assert_eq!((claims.tee_tcb_svn2, claims.mr_service_td), (None, None));
    let tcb = claims.tcb.unwrap();
    assert_eq!((tcb.platform_status, tcb.qe_status), (TcbStatus::OutOfDate, TcbStatus::UpToDate));
    let ids = ["01010", "01036", "01076", "01079", "01099", "01103", "01111"];
    assert_eq!(tcb.advisory_ids, ids.map(|id| format!("INTEL-SA-{id}")));
}

#[test]
fn a_version_5_quote_has_the_claims_of_tdx_1_5() {
    let Some(quote) = quote("gce/tdx/quotes/quote-v5-bodytype3.dat") else { return };
    let claims = verify(&quote, Appraisal::Waived, 1_772_323_200).unwrap();
    assert_eq!(claims.quote_version, 5);
    assert_eq!(claims.tee_tcb_svn2.unwrap().0, quote[54 + 584..][..16]);
    assert_eq!(claims.mr_service_td, Some(Digest48([0; 48])));
    assert_eq!(claims.report_data.0, quote[54 + 520..][..64]);
    // Without collateral TCB and revocation are unknown.
    assert_eq!((claims.tcb, claims.revocation, claims.root), (None, Revocation::Absent, Root::Intel));
}

#[test]
fn captured_quotes_are_refused_with_the_reason_of_their_table() {
    let live = UnixTime(1_774_897_711);
    for (path, by, now, expected) in [
        ("tdx/dcap-qvl/tdx_quote_outdated", OUTDATED_COLLATERAL, 1_772_323_200, TdxError::TcbLevelUnknown),
        // Its TCB matches no level either; errors that need no collateral are found first.
        ("tdx/trustee/tdx_quote_5.dat", MARCH_90, 1_774_915_200, TdxError::ServiceTd),
        ("tdx/dstack/tdx_quote", PHALA_COLLATERAL, 1_751_328_000, TdxError::TcbLevelUnknown),
        ("tdx/trustee/az-td-quote.bin", GCE_COLLATERAL, 1_769_509_141, TdxError::SeptVeNotDisabled),
        (
            "tdx/attestation-rs/tdx_quote_live.dat",
            PHALA_COLLATERAL,
            1_751_328_000,
            TdxError::Chain(ChainError::NotValidYet { not_before: live }),
        ),
        (
            "tdx/trustee/tdx_quote_6.dat",
            MARCH_90,
            1_774_915_200,
            TdxError::FmspcMismatch {
                platform: Hex([0x00, 0xa0, 0x6d, 0x08, 0, 0]),
                collateral: Hex([0x90, 0xc0, 0x6f, 0, 0, 0]),
            },
        ),
        // Bytes follow that are not zero.
        (SPR, MARCH_50, 1_774_915_200, QuoteError::TrailingBytes { length: 4935 }.into()),
        ("gce/tdx/quotes/tdreport-1024.dat", MARCH_50, 1_774_915_200, QuoteError::TdReport.into()),
    ] {
        let (Some(quote), Some(by)) = (quote(path), collateral(by)) else { return };
        assert_eq!(verify(&quote, Appraisal::Given(&by), now).unwrap_err(), expected, "{path}");
    }
}

#[test]
fn t17_captured_collateral_is_intels_without_a_quote() {
    let p90 = [0x90, 0xc0, 0x6f, 0, 0, 0];
    let p50 = [0x50, 0x80, 0x6f, 0, 0, 0];
    let gce = [0, 0x80, 0x6f, 5, 0, 0];
    for (path, fmspc, now) in
        [(GCE_COLLATERAL, gce, 1_769_509_141), (MARCH_90, p90, 1_774_915_200), (MARCH_50, p50, 1_774_915_200)]
    {
        let Some(by) = collateral(path) else { return };
        let platform = Platform { fmspc, ca: PckCa::Platform };
        let anchors = TrustAnchors::builtin();
        let anchor = verify_collateral(&by, &platform, &anchors, UnixTime(now)).unwrap();
        assert_eq!(anchor.root, Root::Intel, "{path}");
        // A year later it is not current.
        let late = verify_collateral(&by, &platform, &anchors, UnixTime(now + 365 * DAY));
        assert!(matches!(late, Err(TdxError::CollateralExpired { .. })), "{path}: {late:?}");
    }
}

#[test]
fn a_quote_that_lacks_sept_ve_disable_is_refused_also_without_its_trailing_bytes() {
    let Some(quote) = quote(SPR) else { return };
    for (by, now) in [(MARCH_50, 1_774_915_200), (JUNE_50, 1_688_083_200)] {
        let Some(by) = collateral(by) else { return };
        let refused = verify(&quote[..4935], Appraisal::Given(&by), now).unwrap_err();
        assert_eq!(refused, TdxError::SeptVeNotDisabled);
    }
}

#[test]
fn t17_expired_and_future_collateral_is_refused_and_not_the_tcb() {
    let (Some(quote), Some(by)) = (quote(PHALA), collateral(PHALA_COLLATERAL)) else { return };
    let at = |now| verify(&quote, Appraisal::Given(&by), now).unwrap_err();
    let part = CollateralPart::TcbInfo;
    assert_eq!(at(1_754_006_400), TdxError::CollateralExpired { part, until: UnixTime(1_752_920_163) });
    assert_eq!(at(1_740_000_000), TdxError::CollateralNotYetValid { part, from: UnixTime(1_750_328_163) });
}

#[test]
fn t17_a_crl_that_is_not_the_issuers_or_not_signed_by_it_is_refused() {
    let (Some(quote), Some(by)) = (quote(PHALA), collateral(PHALA_COLLATERAL)) else { return };
    let refused = |change: &dyn Fn(&mut TdxCollateral)| {
        let mut by = by.clone();
        change(&mut by);
        verify(&quote, Appraisal::Given(&by), 1_751_328_000).unwrap_err()
    };
    let (root, pck) = (CollateralPart::RootCrl, CollateralPart::PckCrl);
    assert_eq!(refused(&|by| by.pck_crl = by.root_ca_crl.clone()), TdxError::CrlMissing { part: pck });
    assert_eq!(refused(&|by| by.root_ca_crl = by.pck_crl.clone()), TdxError::CrlMissing { part: root });
    let flip = |crl: &mut Vec<u8>| *crl.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&|by| flip(&mut by.pck_crl)), TdxError::CollateralSignature { part: pck });
    assert_eq!(refused(&|by| flip(&mut by.root_ca_crl)), TdxError::CollateralSignature { part: root });
}

#[test]
fn a_flipped_bit_in_the_report_data_breaks_the_signature() {
    let (Some(mut quote), Some(by)) = (quote(PHALA), collateral(PHALA_COLLATERAL)) else { return };
    quote[48 + 520] ^= 1;
    let refused = verify(&quote, Appraisal::Given(&by), 1_751_328_000).unwrap_err();
    assert_eq!(refused, TdxError::QuoteSignature);
}

#[test]
fn padding_is_cut_and_nothing_else() {
    let Some(quote) = quote(COS) else { return };
    assert_eq!(cut(&quote).unwrap(), &quote[..4935]);
    assert_eq!(cut(&quote[..4935]).unwrap(), &quote[..4935]);
    let mut padded = quote.clone();
    padded.extend([0; 64]);
    assert_eq!(cut(&padded).unwrap(), &quote[..4935]);
    *padded.last_mut().unwrap() = 1;
    assert_eq!(cut(&padded), Err(QuoteError::TrailingBytes { length: 4935 }));
    assert!(matches!(cut(&quote[..4934]), Err(QuoteError::Truncated { .. })));
    assert_eq!(Quote::parse(&quote).unwrap().body.report_data(), [0; 64]);
    let expected = Platform { fmspc: [0x00, 0x80, 0x6f, 0x05, 0, 0], ca: PckCa::Platform };
    assert_eq!(platform(&quote).unwrap(), expected);
}

#[test]
fn inspection_binds_the_report_data_when_asked_to() {
    use crate::Expected;
    let Some(quote) = quote(COS) else { return };
    let inputs = VerifyInputs {
        anchors: &TrustAnchors::builtin(),
        collateral: &Collateral::empty(),
        endorsements: &Endorsements::default(),
        audiences: &[],
        now: UnixTime(1_769_509_141),
        cache: &VerifyCache::default(),
    };
    let inspect = |data| crate::inspect_tdx(&quote, None, None, data, &inputs);
    let InspectedClaims { claims } = inspect(Expected::Exactly(&[0; 64])).unwrap();
    assert_eq!(claims.technology, Some(crate::Technology::Tdx));
    assert!(claims.tdx.is_some() && inspect(Expected::Waived).is_ok());
    let error = inspect(Expected::Exactly(&[1; 64])).unwrap_err();
    assert_eq!(error.name(), "tdx-report-data-mismatch");
    assert_eq!(inspect(Expected::Exactly(&[])).unwrap_err(), error);
}

/// Every captured quote.
const QUOTES: [&str; 20] = [
    PHALA,
    COS,
    GCE,
    SPR,
    "tdx/dcap-qvl/tdx_quote_outdated",
    "tdx/dstack/tdx_quote",
    "tdx/attestation-rs/tdx_quote_live.dat",
    "tdx/go-tdx-guest/cos-113-tdx-quote.dat",
    "tdx/go-tdx-guest/quote_v5_sample.dat",
    "tdx/go-tdx-guest/tdx_prod_quote_SPR_E4.dat",
    "tdx/trustee/az-td-quote.bin",
    "tdx/trustee/tdx_quote_5.dat",
    "tdx/trustee/tdx_quote_6.dat",
    "gce/tdx/quotes/quote-v5-bodytype3.dat",
    "gce/tdx/quotes/gce-cos113-reportdata-zero64.dat",
    "field/tdx-gce-automata.quote.bin",
    "field/tdx-gce-flashbots.quote.bin",
    "field/tdx-gce-teepot.quote.bin",
    "field/tdx-gce-teepot-old.quote.bin",
    "field/tdx-service-td.quote.bin",
];

/// Every captured collateral.
const COLLATERALS: [&str; 9] = [
    PHALA_COLLATERAL,
    OUTDATED_COLLATERAL,
    GCE_COLLATERAL,
    MARCH_90,
    MARCH_50,
    JUNE_50,
    "field/tdx-gce-automata.collateral.json",
    "field/tdx-gce-teepot.collateral.json",
    "field/tdx-gce-teepot-old.collateral.json",
];

#[test]
fn every_captured_quote_by_every_collateral_is_refused_with_the_name_of_its_text() {
    let mut texts = std::collections::BTreeSet::new();
    for path in QUOTES {
        let Some(quote) = quote(path) else { return };
        for by in COLLATERALS {
            let Some(by) = collateral(by) else { return };
            let Ok(described) = crate::collateral::TdxDescription::read(&by) else { continue };
            // A second before the first part ends: all of it is valid then, if it ever was.
            let now = UnixTime(described.until.0 - 1);
            texts.extend(needles::compare(&quote, &by, now));
        }
    }
    assert!(!texts.is_empty());
}
