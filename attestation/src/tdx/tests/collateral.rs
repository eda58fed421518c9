//! One change to the fake Intel's collateral for each check, and every TCB status.

use serde_json::json;

use super::*;

fn refusal(change: impl FnOnce(&mut CollateralSpec)) -> TdxError {
    verified_with(change).unwrap_err()
}

/// Verifies a valid quote with collateral in which one thing was changed after signing.
fn tampered(change: impl FnOnce(&mut TdxCollateral)) -> TdxError {
    let intel = FakeIntel::shared();
    let mut by = intel.collateral(&spec());
    change(&mut by);
    let quote = TdxQuoteBuilder::version_5().sign(intel);
    verify_twice(&quote, Appraisal::Given(&by), &anchors(), NOW).unwrap_err()
}

const TCB_INFO: CollateralPart = CollateralPart::TcbInfo;
const QE_IDENTITY: CollateralPart = CollateralPart::QeIdentity;

#[test]
fn t17_collateral_counts_between_its_dates_only() {
    let (before, after) = (UnixTime(NOW.0 - 1), NOW.plus(1));
    let text = |at: UnixTime| {
        der::DateTime::from_unix_duration(std::time::Duration::from_secs(at.0)).unwrap().to_string()
    };
    let expired = |part| TdxError::CollateralExpired { part, until: before };
    let early = |part| TdxError::CollateralNotYetValid { part, from: after };
    assert_eq!(refusal(|spec| spec.tcb_info["nextUpdate"] = json!(text(before))), expired(TCB_INFO));
    assert_eq!(refusal(|spec| spec.qe_identity["nextUpdate"] = json!(text(before))), expired(QE_IDENTITY));
    assert_eq!(refusal(|spec| spec.tcb_info["issueDate"] = json!(text(after))), early(TCB_INFO));
    assert_eq!(refusal(|spec| spec.qe_identity["issueDate"] = json!(text(after))), early(QE_IDENTITY));
    // A CRL has expired when the next one is due.
    let (root, pck) = (CollateralPart::RootCrl, CollateralPart::PckCrl);
    assert_eq!(refusal(|spec| spec.root_crl.next_update = Some(NOW)), expired(root));
    assert_eq!(refusal(|spec| spec.pck_crl.next_update = Some(NOW)), expired(pck));
    assert_eq!(refusal(|spec| spec.root_crl.this_update = after), early(root));
    assert_eq!(refusal(|spec| spec.pck_crl.this_update = after), early(pck));
    let signer = CollateralPart::TcbInfoSigner;
    assert_eq!(refusal(|spec| spec.signer_validity = Some((UnixTime(0), before))), expired(signer));
    assert_eq!(refusal(|spec| spec.signer_validity = Some((after, after))), early(signer));
    // At the boundaries it is valid.
    assert!(verified_with(|spec| spec.tcb_info["nextUpdate"] = json!(text(NOW))).is_ok());
    assert!(verified_with(|spec| spec.pck_crl.next_update = Some(after)).is_ok());
}

#[test]
fn t17_the_qe_identity_may_have_another_signer_which_is_verified_too() {
    let intel = FakeIntel::shared();
    let mut late = spec();
    let before = UnixTime(NOW.0 - 1);
    late.signer_validity = Some((UnixTime(0), before));
    let late = intel.collateral(&late);
    let error = tampered(|by| by.qe_identity_issuer_chain = late.qe_identity_issuer_chain.clone());
    assert_eq!(error, TdxError::CollateralExpired { part: CollateralPart::QeIdentitySigner, until: before });
}

#[test]
fn t17_revoked_certificates_are_refused() {
    let serial = |serial: u64| serial.to_be_bytes();
    for revoked in [PLATFORM_CA_SERIAL, SIGNER_SERIAL, ROOT_SERIAL] {
        let error = refusal(|spec| spec.root_crl.revoked.push(serial(revoked).to_vec()));
        assert_eq!(error, TdxError::Revoked, "{revoked:#x}");
    }
    assert_eq!(refusal(|spec| spec.pck_crl.revoked.push(vec![0x21])), TdxError::Revoked);
}

#[test]
fn t17_collateral_must_have_the_right_signers() {
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let signature = |part| TdxError::CollateralSignature { part };
    assert_eq!(tampered(|by| flip(&mut by.tcb_info_signature)), signature(TCB_INFO));
    assert_eq!(tampered(|by| flip(&mut by.qe_identity_signature)), signature(QE_IDENTITY));
    for length in [0, 31, 32, 63] {
        assert_eq!(tampered(|by| by.tcb_info_signature.truncate(length)), signature(TCB_INFO));
        assert_eq!(tampered(|by| by.qe_identity_signature.truncate(length)), signature(QE_IDENTITY));
    }
    assert_eq!(tampered(|by| by.tcb_info.push(' ')), signature(TCB_INFO));
    assert_eq!(tampered(|by| by.qe_identity.push(' ')), signature(QE_IDENTITY));
    assert_eq!(tampered(|by| flip(&mut by.root_ca_crl)), signature(CollateralPart::RootCrl));
    assert_eq!(tampered(|by| flip(&mut by.pck_crl)), signature(CollateralPart::PckCrl));
    // All of it under another root.
    let other = FakeIntel::new().collateral(&spec());
    let error = tampered(|by| by.tcb_info_issuer_chain = other.tcb_info_issuer_chain.clone());
    assert_eq!(error, TdxError::SignerUntrusted);
    assert_eq!(tampered(|by| *by = other.clone()), signature(CollateralPart::RootCrl));
    // PCK CA and PCK certificate must not sign collateral.
    let intel = FakeIntel::shared();
    let [pck, ca, _] = intel.chain(&PckSpec::default()).try_into().unwrap();
    assert_eq!(refusal(|spec| spec.signer_certificate = Some(ca)), TdxError::SignerUntrusted);
    assert_eq!(refusal(|spec| spec.signer_certificate = Some(pck)), TdxError::SignerUntrusted);
    assert_eq!(tampered(|by| by.tcb_info_issuer_chain.clear()), TdxError::SignerUntrusted);
    assert_eq!(tampered(|by| by.qe_identity_issuer_chain.clear()), TdxError::SignerUntrusted);
}

#[test]
fn t17_each_crl_is_its_issuers() {
    let missing = |part| TdxError::CrlMissing { part };
    let swapped = tampered(|by| by.pck_crl = by.root_ca_crl.clone());
    assert_eq!(swapped, missing(CollateralPart::PckCrl));
    let swapped = tampered(|by| by.root_ca_crl = by.pck_crl.clone());
    assert_eq!(swapped, missing(CollateralPart::RootCrl));
}

#[test]
fn malformed_collateral_is_refused_as_that() {
    let malformed = |part| TdxError::CollateralMalformed { part };
    assert_eq!(tampered(|by| by.tcb_info.truncate(20)), malformed(TCB_INFO));
    assert_eq!(tampered(|by| by.qe_identity.clear()), malformed(QE_IDENTITY));
    assert_eq!(tampered(|by| by.root_ca_crl.clear()), malformed(CollateralPart::RootCrl));
    assert_eq!(tampered(|by| by.pck_crl.truncate(40)), malformed(CollateralPart::PckCrl));
    for date in ["2025-06-19", "2025-06-19T10:16:03+01:00", "tomorrow"] {
        assert_eq!(refusal(|spec| spec.tcb_info["issueDate"] = json!(date)), malformed(TCB_INFO), "{date}");
    }
    assert_eq!(refusal(|spec| spec.tcb_info["fmspc"] = json!("00")), malformed(TCB_INFO));
    assert_eq!(refusal(|spec| spec.tcb_info["tcbLevels"] = json!(1)), malformed(TCB_INFO));
    assert_eq!(refusal(|spec| spec.qe_identity["tcbLevels"] = json!(1)), malformed(QE_IDENTITY));
    assert_eq!(refusal(|spec| spec.root_crl.next_update = None), malformed(CollateralPart::RootCrl));
}

#[test]
fn collateral_for_sgx_or_for_another_platform_is_refused_as_that() {
    let kind = |part| TdxError::CollateralKind { part };
    assert_eq!(refusal(|spec| spec.tcb_info["id"] = json!("SGX")), kind(TCB_INFO));
    assert_eq!(refusal(|spec| spec.tcb_info["version"] = json!(2)), kind(TCB_INFO));
    assert_eq!(refusal(|spec| spec.qe_identity["id"] = json!("QE")), kind(QE_IDENTITY));
    assert_eq!(refusal(|spec| spec.qe_identity["version"] = json!(1)), kind(QE_IDENTITY));
    assert_eq!(refusal(|spec| spec.qe_identity["version"] = json!(4)), kind(QE_IDENTITY));
    let error = refusal(|spec| spec.tcb_info["fmspc"] = json!("90C06F000000"));
    let platform = Hex(FakeIntel::shared().platform().fmspc);
    assert_eq!(error, TdxError::FmspcMismatch { platform, collateral: Hex([0x90, 0xc0, 0x6f, 0, 0, 0]) });
}

#[test]
fn t18_every_status_of_the_platform_is_a_claim_but_revoked() {
    for (text, status) in [
        ("UpToDate", TcbStatus::UpToDate),
        ("SWHardeningNeeded", TcbStatus::SwHardeningNeeded),
        ("ConfigurationNeeded", TcbStatus::ConfigurationNeeded),
        ("ConfigurationAndSWHardeningNeeded", TcbStatus::ConfigurationAndSwHardeningNeeded),
        ("OutOfDate", TcbStatus::OutOfDate),
        ("OutOfDateConfigurationNeeded", TcbStatus::OutOfDateConfigurationNeeded),
    ] {
        let claims = verified_with(|spec| spec.tcb_info["tcbLevels"][0]["tcbStatus"] = json!(text)).unwrap();
        let tcb = claims.tcb.unwrap();
        assert_eq!((tcb.status, tcb.platform_status, tcb.qe_status), (status, status, TcbStatus::UpToDate));
    }
    let level = |status| refusal(|spec| spec.tcb_info["tcbLevels"][0]["tcbStatus"] = json!(status));
    assert_eq!(level("Revoked"), TdxError::TcbRevoked);
    assert_eq!(level("TDRelaunchAdvised"), TdxError::StatusUnknown);
    assert_eq!(level("Fine"), TdxError::CollateralMalformed { part: TCB_INFO });
}

#[test]
fn t18_the_worst_of_platform_module_and_quoting_enclave_counts() {
    // The module.
    let claims = changed(|builder| {
        builder.tee_tcb_svn = TEE_TCB_SVN_OLD;
        builder.tee_tcb_svn2 = TEE_TCB_SVN_OLD;
    });
    let tcb = claims.unwrap().tcb.unwrap();
    assert_eq!((tcb.status, tcb.platform_status), (TcbStatus::OutOfDate, TcbStatus::OutOfDate));
    assert_eq!(tcb.advisory_ids, ["INTEL-SA-01036"]);
    assert_eq!(tcb.tcb_date, UnixTime(1_710_288_000));
    // The quoting enclave.
    let tcb = changed(|builder| builder.qe_isv_svn -= 1).unwrap().tcb.unwrap();
    assert_eq!((tcb.status, tcb.platform_status), (TcbStatus::OutOfDate, TcbStatus::UpToDate));
    assert_eq!((tcb.qe_status, tcb.advisory_ids), (TcbStatus::OutOfDate, vec!["INTEL-SA-00615".to_owned()]));
    // Its configuration, which Intel's own library ignores.
    let claims =
        verified_with(|spec| spec.qe_identity["tcbLevels"][0]["tcbStatus"] = json!("ConfigurationNeeded"));
    assert_eq!(claims.unwrap().tcb.unwrap().status, TcbStatus::ConfigurationNeeded);
    // The platform, with its advisories.
    let tcb = changed(|builder| builder.pck.cpu_svn[0] -= 1).unwrap().tcb.unwrap();
    assert_eq!((tcb.status, tcb.advisory_ids), (TcbStatus::OutOfDate, vec!["INTEL-SA-00837".to_owned()]));
    // The platform needs another configuration, and the quoting enclave is old.
    let claims = verified_with(|spec| {
        spec.tcb_info["tcbLevels"][0]["tcbStatus"] = json!("ConfigurationNeeded");
        spec.qe_identity["tcbLevels"][0]["tcbStatus"] = json!("OutOfDate");
    });
    assert_eq!(claims.unwrap().tcb.unwrap().status, TcbStatus::OutOfDateConfigurationNeeded);
    // The lower evaluation data number.
    let claims = verified_with(|spec| spec.qe_identity["tcbEvaluationDataNumber"] = json!(12));
    assert_eq!(claims.unwrap().tcb.unwrap().evaluation_data_number, 12);
}

#[test]
fn t18_a_component_that_is_revoked_or_below_every_level_is_refused() {
    let module = |status| {
        refusal(|spec| spec.tcb_info["tdxModuleIdentities"][0]["tcbLevels"][0]["tcbStatus"] = json!(status))
    };
    assert_eq!(module("Revoked"), TdxError::TcbRevoked);
    assert_eq!(module("ConfigurationNeeded"), TdxError::StatusUnknown);
    let qe = |status| refusal(|spec| spec.qe_identity["tcbLevels"][0]["tcbStatus"] = json!(status));
    assert_eq!(qe("Revoked"), TdxError::TcbRevoked);
    assert_eq!(qe("SWHardeningNeeded"), TdxError::StatusUnknown);

    assert_eq!(refused(|builder| builder.pck.cpu_svn = [0; 16]), TdxError::TcbLevelUnknown);
    assert_eq!(refused(|builder| builder.pck.pce_svn = 1), TdxError::TcbLevelUnknown);
    assert_eq!(refused(|builder| builder.tee_tcb_svn[2] = 0), TdxError::TcbLevelUnknown);
    assert_eq!(refused(|builder| builder.tee_tcb_svn[0] = 1), TdxError::ModuleLevelUnknown);
    assert_eq!(refused(|builder| builder.tee_tcb_svn[1] = 9), TdxError::ModuleLevelUnknown);
    assert_eq!(refused(|builder| builder.qe_isv_svn = 0), TdxError::QeLevelUnknown);
    assert_eq!(refusal(|spec| spec.qe_identity["tcbLevels"] = json!([])), TdxError::QeLevelUnknown);
}

#[test]
fn t18_module_and_quoting_enclave_are_the_ones_that_intel_lists() {
    assert_eq!(refused(|builder| builder.seam_attributes = 1), TdxError::ModuleMismatch);
    let error = refusal(|spec| {
        let module = &mut spec.tcb_info["tdxModuleIdentities"][0];
        module["attributesMask"] = json!("0".repeat(16));
        module["mrsigner"] = json!("1".repeat(96));
    });
    assert_eq!(error, TdxError::ModuleMismatch);
    assert_eq!(refused(|builder| builder.qe_mr_signer = [1; 32]), TdxError::QeMismatch);
    assert_eq!(refused(|builder| builder.qe_isv_prod_id = 1), TdxError::QeMismatch);
    assert_eq!(refused(|builder| builder.qe_attributes = 0x10), TdxError::QeMismatch);
    assert_eq!(refusal(|spec| spec.qe_identity["miscselect"] = json!("01000000")), TdxError::QeMismatch);
}

#[test]
fn t19_the_security_versions_at_launch_and_now_are_claims() {
    let claims = changed(|builder| builder.tee_tcb_svn = TEE_TCB_SVN_OLD).unwrap();
    assert_eq!(claims.tee_tcb_svn.0, TEE_TCB_SVN_OLD);
    assert_eq!(claims.tee_tcb_svn2.unwrap().0[0], 6);
    // Updated after the launch: the trust domain was launched by the old module, which decides.
    let tcb = claims.tcb.unwrap();
    assert_eq!((tcb.status, tcb.platform_status), (TcbStatus::OutOfDate, TcbStatus::OutOfDate));
    // The module is older now than at launch.
    let tcb = changed(|builder| builder.tee_tcb_svn2 = TEE_TCB_SVN_OLD).unwrap().tcb.unwrap();
    assert_eq!((tcb.status, tcb.advisory_ids), (TcbStatus::OutOfDate, vec!["INTEL-SA-01036".to_owned()]));
}
