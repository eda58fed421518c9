//! One change to a fake quote for each check that needs no collateral.

use super::*;

#[test]
fn fake_quotes_of_both_versions_are_accepted_with_their_claims() {
    let version_4 = changed(|builder| *builder = TdxQuoteBuilder::new()).unwrap();
    assert_eq!((version_4.quote_version, version_4.tee_tcb_svn2, version_4.mr_service_td), (4, None, None));
    let claims = changed(|builder| builder.report_data = [9; 64]).unwrap();
    assert_eq!((claims.quote_version, claims.root, claims.revocation), (5, Root::Extra, Revocation::Fresh));
    assert_eq!(claims.report_data.0, [9; 64]);
    assert_eq!(claims.tee_tcb_svn2.unwrap(), claims.tee_tcb_svn);
    assert_eq!(claims.mr_td.0, [0x3d; 48]);
    assert_eq!(claims.rtmrs.map(|rtmr| rtmr.0[0]), [0xa0, 0xa1, 0xa2, 0]);
    assert_eq!(claims.platform_id, vouchsafe_protocol::Digest32::of(&[0x77; 16]));
    assert_eq!((claims.endorsement, claims.unconfirmed_boot), (None, None));
    let tcb = claims.tcb.unwrap();
    assert_eq!((tcb.status, tcb.evaluation_data_number), (TcbStatus::UpToDate, 17));
    assert_eq!(tcb.collateral_issued, UnixTime(NOW.0 - DAY));
    assert_eq!(tcb.tcb_date, UnixTime(1_731_456_000));
    // A version 5 quote may contain the older body.
    let older = changed(|builder| builder.body_type = 2).unwrap();
    assert_eq!((older.quote_version, older.tee_tcb_svn2), (5, None));
}

#[test]
fn a_quote_counts_for_its_report_data_only() {
    let intel = FakeIntel::shared();
    let quote = TdxQuoteBuilder { report_data: [7; 64], ..TdxQuoteBuilder::new() }.sign(intel);
    let (cache, tdx) = (VerifyCache::new(4, 1024), intel.store(&spec()));
    let (anchors, collateral) = (&anchors(), &Collateral::empty());
    let endorsements = &Endorsements { tdx, ..Endorsements::default() };
    let inputs = VerifyInputs { anchors, collateral, endorsements, audiences: &[], now: NOW, cache: &cache };
    let parsed = Quote::parse(&quote).unwrap();
    assert!(verify_quote(&parsed, &[7; 64], &inputs).is_ok());
    let other = verify_quote(&parsed, &[8; 64], &inputs).unwrap_err();
    assert_eq!(other, TdxError::ReportDataMismatch);
    // T17: missing collateral has its own error.
    let none = VerifyInputs { endorsements: &Endorsements::default(), ..inputs };
    let missing = verify_quote(&parsed, &[7; 64], &none).unwrap_err();
    assert_eq!(missing, TdxError::CollateralMissing { platform: intel.platform() });
    let code = crate::VerifyError::from(missing).code();
    assert_eq!(code, vouchsafe_protocol::ReasonCode::CollateralPending);
}

#[test]
fn t15_a_trust_domain_that_is_open_to_its_host_is_refused() {
    let attributes = |bits: u64| refused(|builder| builder.attributes = 1 << 28 | bits);
    assert_eq!(attributes(1), TdxError::Debug);
    for bit in 4..=6 {
        assert_eq!(attributes(1 << bit), TdxError::Profiling);
    }
    assert_eq!(refused(|builder| builder.attributes = 0), TdxError::SeptVeNotDisabled);
    assert_eq!(attributes(1 << 29), TdxError::Migratable);
    assert_eq!(attributes(1 << 17), TdxError::ServiceTd);
    assert_eq!(refused(|builder| builder.mr_service_td = [1; 48]), TdxError::ServiceTd);
    for bit in [1, 3, 7, 15, 23, 26, 32, 61] {
        let raw = Hex((1_u64 << 28 | 1 << bit).to_le_bytes());
        assert_eq!(attributes(1 << bit), TdxError::AttributesReserved { attributes: raw });
    }
    assert_eq!(refused(|builder| builder.mr_signer_seam = [1; 48]), TdxError::ForeignModule);
}

#[test]
fn harmless_platform_bits_become_claims() {
    let claims = changed(|builder| builder.attributes |= 1 << 30 | 1 << 31 | 1 << 63).unwrap();
    let TdAttributes { pks, key_locker, perfmon, debug, sept_ve_disable, migratable, .. } = claims.attributes;
    assert!(pks && key_locker && perfmon && sept_ve_disable && !debug && !migratable);
}

#[test]
fn t10_a_chain_to_a_root_that_is_no_anchor_is_refused() {
    let intel = FakeIntel::shared();
    let quote = TdxQuoteBuilder::new().sign(intel);
    let root = vouchsafe_protocol::Digest32::of(intel.root_der());
    let by = intel.collateral(&spec());
    let unknown = TdxError::UnknownRoot { root };
    assert_eq!(
        verify_twice(&quote, Appraisal::Given(&by), &TrustAnchors::builtin(), NOW).unwrap_err(),
        unknown
    );
    assert_eq!(verify_twice(&quote, Appraisal::Waived, &TrustAnchors::builtin(), NOW).unwrap_err(), unknown);
    // The same name and key in another certificate is another root.
    let mut other = intel.root().ca_spec(intel.root(), 99);
    other.extensions.truncate(1);
    let other = intel.root().issue(&other);
    let root = vouchsafe_protocol::Digest32::of(&other);
    let mut chain = intel.chain(&PckSpec::default());
    chain[2] = other;
    assert_eq!(refused(|builder| builder.chain = Some(chain)), TdxError::UnknownRoot { root });
}

#[test]
fn the_platforms_chain_has_three_certificates_that_chain() {
    let intel = FakeIntel::shared();
    let chain = |count: usize| {
        let mut chain = intel.chain(&PckSpec::default());
        chain.resize(count, intel.root_der().to_vec());
        refused(|builder| builder.chain = Some(chain))
    };
    for found in [0, 1, 2, 4] {
        assert_eq!(chain(found), TdxError::PckChainLength { found });
    }
    let foreign = FakeIntel::new();
    let mut chain = foreign.chain(&PckSpec::default());
    chain[2] = intel.root_der().to_vec();
    let error = refused(|builder| builder.chain = Some(chain));
    assert_eq!(error, TdxError::Chain(ChainError::SignatureInvalid));

    let validity = |change: &dyn Fn(&mut PckSpec)| refused(|builder| change(&mut builder.pck));
    let early = validity(&|pck| pck.not_before = NOW.plus(1));
    assert_eq!(early, TdxError::Chain(ChainError::NotValidYet { not_before: NOW.plus(1) }));
    let not_after = UnixTime(NOW.0 - 1);
    let late = validity(&|pck| pck.not_after = not_after);
    assert_eq!(late, TdxError::Chain(ChainError::Expired { not_after }));
}

#[test]
fn a_pck_certificate_says_which_platform_it_is_for() {
    let malformed = |change: &dyn Fn(&mut PckSpec), field| {
        assert_eq!(refused(|builder| change(&mut builder.pck)), TdxError::PckMalformed { field });
    };
    let omit = |suffix: &str| {
        let oid = format!("1.2.840.113741.1.13.1.{suffix}");
        move |pck: &mut PckSpec| pck.omitted = vec![oid.clone()]
    };
    malformed(&omit("1"), PckField::Ppid);
    malformed(&omit("4"), PckField::Fmspc);
    malformed(&|pck| pck.ppid = vec![1; 15], PckField::Ppid);
    malformed(&|pck| pck.issuer = Some("Intel SGX PCK Other CA".to_owned()), PckField::Issuer);
    malformed(
        &|pck| pck.spki = Some(FakeIntel::shared().root().spki()[..20].to_vec()),
        PckField::Certificate,
    );
    let rsa = crate::test_util::ca::FakeGoogle::new().root().spki();
    malformed(&|pck| pck.spki = Some(rsa.clone()), PckField::Key);
    let intel = FakeIntel::shared();
    let mut chain = intel.chain(&PckSpec::default());
    chain[0] = intel.root_der().to_vec();
    let error = refused(|builder| builder.chain = Some(chain));
    assert_eq!(error, TdxError::PckMalformed { field: PckField::SgxExtensions });
}

#[test]
fn every_signature_of_a_quote_counts() {
    let other = FakeIntel::shared().another_platform();
    // The certificate of one platform with the quoting enclave of another.
    let chain = Some(FakeIntel::shared().chain(&PckSpec::default()));
    let foreign = TdxQuoteBuilder { chain, ..TdxQuoteBuilder::new() }.sign(&other);
    let verdict = verify_twice(&foreign, Appraisal::Waived, &anchors(), NOW);
    assert_eq!(verdict.unwrap_err(), TdxError::QeReportSignature);

    assert_eq!(refused(|builder| builder.qe_attributes |= 2), TdxError::QeDebug);
    assert_eq!(refused(|builder| builder.qe_report_data = Some([1; 64])), TdxError::QeBinding);
    assert_eq!(refused(|builder| builder.qe_authentication = vec![1; 31]), TdxError::QeBinding);

    // Version 5: header 48, descriptor 6, body 648, length 4, then the signature.
    for offset in [8, 48 + 6 + 136, 48 + 6 + 648 + 4] {
        let error = refused(|builder| builder.edits_after_signing = vec![(offset, vec![0x77])]);
        assert_eq!(error, TdxError::QuoteSignature, "{offset}");
    }
    // Not the attestation key in the quoting enclave's report.
    let error =
        refused(|builder| builder.edits_after_signing = vec![(48 + 6 + 648 + 4 + 64, vec![0x77; 64])]);
    assert_eq!(error, TdxError::QeBinding);
}

#[test]
fn a_revoked_platform_is_refused_also_without_intels_collateral() {
    let intel = FakeIntel::shared();
    let current = CrlSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(DAY));
    let crl = intel.platform_ca().crl(&current.clone().revoking(&[0x21]));
    let root_crl = intel.root().crl(&current);
    let quote = TdxQuoteBuilder::new().sign(intel);
    let cache = VerifyCache::new(4, 1024);
    let inspect = |crls: &[Vec<u8>]| {
        let (anchors, collateral) = (&anchors(), &Collateral::new(crls, &[]).unwrap());
        let inputs = VerifyInputs {
            anchors,
            collateral,
            now: NOW,
            endorsements: &Endorsements::default(),
            audiences: &[],
            cache: &cache,
        };
        verify_unbound(&quote, Appraisal::Waived, &inputs).map(UnboundQuote::inspect)
    };
    let revoked = ChainError::Revoked { serial: "21".to_owned() };
    assert_eq!(inspect(&[crl, root_crl.clone()]).unwrap_err(), TdxError::Chain(revoked));
    let fresh = inspect(&[intel.platform_ca().crl(&current), root_crl]).unwrap();
    assert_eq!((fresh.revocation, fresh.tcb), (Revocation::Fresh, None));
}

#[test]
fn only_verified_signatures_are_cached() {
    let intel = FakeIntel::shared();
    let (cache, by) = (VerifyCache::new(4, 1024), intel.collateral(&spec()));
    let (anchors, collateral) = (&anchors(), &Collateral::empty());
    let inputs = VerifyInputs {
        anchors,
        collateral,
        now: NOW,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let verify = |quote: &[u8]| verify_unbound(quote, Appraisal::Given(&by), &inputs).is_ok();
    assert!(!verify(&TdxQuoteBuilder::new().sign(&FakeIntel::new())));
    assert_eq!(cache.tdx().signatures(), 0);
    let builder = TdxQuoteBuilder { chain: Some(intel.chain(&PckSpec::default())), ..TdxQuoteBuilder::new() };
    assert!(verify(&builder.sign(intel)));
    let known = cache.tdx().signatures();
    // Signed again: only the quoting enclave's signature is new to the cache, since the quote's own is not
    // cached.
    assert!(verify(&builder.sign(intel)));
    let known = known + 1;
    assert_eq!(cache.tdx().signatures(), known);
    let mut quote = builder.sign(intel);
    quote[48 + 520] ^= 1;
    assert!(!verify(&quote));
    assert_eq!(cache.tdx().signatures(), known + 1);
    // Its dates are checked again each time.
    let later = VerifyInputs { now: NOW.plus(31 * DAY), ..inputs };
    let expired =
        verify_unbound(&TdxQuoteBuilder::new().sign(intel), Appraisal::Given(&by), &later).unwrap_err();
    assert!(matches!(expired, TdxError::CollateralExpired { .. }));
}
