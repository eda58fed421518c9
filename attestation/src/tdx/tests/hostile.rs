//! Hostile bytes.

use super::*;

fn parse_error(change: impl FnOnce(&mut TdxQuoteBuilder)) -> QuoteError {
    match refused(change) {
        TdxError::Quote(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn every_field_of_the_header_counts() {
    assert_eq!(parse_error(|builder| builder.version = 6), QuoteError::UnsupportedVersion { version: 6 });
    assert_eq!(parse_error(|builder| builder.version = 3), QuoteError::SgxQuote);
    assert_eq!(parse_error(|builder| builder.tee_type = 0), QuoteError::SgxQuote);
    assert_eq!(parse_error(|builder| builder.tee_type = 0x82), QuoteError::UnknownTee { kind: 0x82 });
    assert_eq!(parse_error(|builder| builder.key_type = 3), QuoteError::UnsupportedKeyType { kind: 3 });
    assert_eq!(parse_error(|builder| builder.vendor[0] ^= 1), QuoteError::UnknownVendor);
    for kind in [0, 1, 4] {
        assert_eq!(parse_error(|builder| builder.body_type = kind), QuoteError::UnsupportedBody { kind });
    }
    let wrong = QuoteError::BodySize { kind: 3, found: 584 };
    assert_eq!(parse_error(|builder| builder.body_size = Some(584)), wrong);
}

#[test]
fn a_tdreport_is_no_quote() {
    assert_eq!(cut(&[0x81; 1024]), Err(QuoteError::TdReport));
}

#[test]
fn only_the_usual_certification_data_is_read() {
    let types = |types| parse_error(|builder| builder.certification_types = types);
    assert_eq!(types([5, 5]), QuoteError::CertificationType { expected: 6, found: 5 });
    assert_eq!(types([6, 3]), QuoteError::CertificationType { expected: 5, found: 3 });
}

#[test]
fn t30_only_zeros_may_follow_a_quote() {
    assert!(changed(|builder| builder.padding = vec![0; 3065]).is_ok());
    assert!(changed(|builder| builder.padding.clear()).is_ok());
    let length = TdxQuoteBuilder { padding: Vec::new(), ..TdxQuoteBuilder::version_5() };
    let length = length.sign(FakeIntel::shared()).len();
    match parse_error(|builder| builder.padding = vec![0, 0, 1]) {
        // Signatures in certificates differ in length.
        QuoteError::TrailingBytes { length: found } => assert!(found.abs_diff(length) < 16),
        other => panic!("{other}"),
    }
}

#[test]
fn t30_lengths_must_fill_their_container() {
    let quote = TdxQuoteBuilder { padding: Vec::new(), ..TdxQuoteBuilder::new() }.sign(FakeIntel::shared());
    // Version 4: header 48, body 584, length 4, signature 64, key 64, type 2, length 4, report 384, signature 64.
    let (outer, middle, authentication, inner) = (632, 766, 1218, 1254);
    let with = |offset: usize, change: i32| {
        let mut quote = quote.clone();
        let field: &mut [u8] = &mut quote[offset..offset + 2];
        let length = u16::from_le_bytes(field.try_into().unwrap());
        let changed = u16::try_from(i32::from(length) + change).unwrap();
        field.copy_from_slice(&changed.to_le_bytes());
        cut(&quote).unwrap_err()
    };
    use QuoteError as E;
    use QuotePart as P;
    assert_eq!(with(outer, 1), E::Truncated { field: P::SignatureData });
    assert!(matches!(with(outer, -1), E::TrailingBytes { .. }));
    assert_eq!(with(middle, 1), E::Truncated { field: P::QeCertification });
    assert_eq!(with(middle, -1), E::LeftOver { field: P::SignatureData });
    assert_eq!(with(inner, 1), E::Truncated { field: P::PckChain });
    assert_eq!(with(inner, -1), E::LeftOver { field: P::QeCertification });
    assert!(matches!(with(authentication, 1), E::CertificationType { .. }));
    assert_eq!(with(authentication, 0x7fff), E::Truncated { field: P::QeAuthentication });
}

#[test]
fn t30_no_prefix_of_a_quote_is_one_and_no_flip_makes_the_reader_panic() {
    for builder in [TdxQuoteBuilder::new(), TdxQuoteBuilder::version_5()] {
        let quote = TdxQuoteBuilder { padding: Vec::new(), ..builder }.sign(FakeIntel::shared());
        for length in 0..quote.len() {
            assert!(cut(&quote[..length]).is_err(), "{length} bytes");
        }
        for index in 0..quote.len() {
            let mut flipped = quote.clone();
            flipped[index] ^= 0x80;
            let _ = platform(&flipped);
        }
    }
}

#[test]
fn t30_hostile_collateral_is_bounded() {
    let found = MAX_TDX_COLLATERAL + 1;
    let too_large = TdxCollateral::parse(&vec![b' '; found]);
    assert_eq!(too_large, Err(TdxCollateralError::TooLarge { found }));
    assert!(matches!(TdxCollateral::parse(b"{}"), Err(TdxCollateralError::Malformed(_))));
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(TdxCollateral::parse(nested.as_bytes()), Err(TdxCollateralError::Malformed(_))));
    let intel = FakeIntel::shared();
    let mut by = intel.collateral(&spec());
    by.tcb_info = nested;
    let quote = TdxQuoteBuilder::new().sign(intel);
    let verdict = verify_twice(&quote, Appraisal::Given(&by), &anchors(), NOW);
    assert_eq!(verdict, Err(TdxError::CollateralMalformed { part: CollateralPart::TcbInfo }));
}

#[test]
fn errors_have_their_names_and_codes() {
    use crate::VerifyError;
    use vouchsafe_protocol::ReasonCode;
    let named = |error: TdxError| {
        let error = VerifyError::from(error);
        (error.name(), error.code())
    };
    let (malformed, refused) = (ReasonCode::EvidenceMalformed, ReasonCode::EvidenceRefused);
    assert_eq!(named(QuoteError::TdReport.into()), ("tdx-quote-td-report".to_owned(), malformed));
    assert_eq!(named(TdxError::TcbRevoked), ("tdx-tcb-revoked".to_owned(), refused));
    assert_eq!(named(ChainError::Malformed.into()), ("pck-chain-malformed".to_owned(), malformed));
    assert_eq!(named(ChainError::UnknownIssuer.into()), ("pck-chain-unknown-issuer".to_owned(), refused));
    let missing = TdxError::CollateralMissing { platform: FakeIntel::shared().platform() };
    assert_eq!(named(missing), ("tdx-collateral-missing".to_owned(), ReasonCode::CollateralPending));
}
