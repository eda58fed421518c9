//! The shipped guardrails, with one condition broken at a time.

use vouchsafe_attestation::snp::SnpClaims;

use super::*;

fn broken(change: impl FnOnce(&mut Claims)) -> Vec<String> {
    let text = permitting("principal has vtpm");
    let mut claims = claims();
    assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
    change(&mut claims);
    forbidden_by(ask(&claims, &text, &Guardrails::shipped()))
}

fn broken_snp(change: impl FnOnce(&mut SnpClaims)) -> Vec<String> {
    broken(|claims| change(claims.sev_snp.as_mut().unwrap()))
}

/// During a roll-out, hosts run firmware before they commit it. They can roll back to the committed version,
/// so nothing above that may be reported.
#[test]
fn t12_provisional_firmware_is_accepted_and_a_tcb_above_the_committed_one_is_not() {
    let mut claims = claims();
    let snp = claims.sev_snp.as_mut().unwrap();
    snp.provisional = true;
    snp.current_tcb.microcode += 1;
    snp.current_version.build += 1;
    let text = permitting("principal has vtpm");
    assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
    let above: [fn(&mut SnpClaims); 4] = [
        |snp| snp.committed_tcb.boot_loader -= 1,
        |snp| snp.committed_tcb.snp -= 1,
        |snp| snp.committed_tcb.microcode -= 1,
        |snp| snp.reported_tcb.tee = snp.committed_tcb.tee + 1,
    ];
    for change in above {
        assert_eq!(broken_snp(change), ["snp-tcb-committed"]);
    }
    let fmc = |reported, committed| {
        broken_snp(move |snp| {
            (snp.reported_tcb.fmc, snp.committed_tcb.fmc) = (Some(reported), Some(committed))
        })
    };
    assert_eq!(fmc(2, 1), ["snp-tcb-committed"]);
    let mut claims = self::claims();
    let snp = claims.sev_snp.as_mut().unwrap();
    (snp.reported_tcb.fmc, snp.committed_tcb.fmc) = (Some(1), Some(1));
    assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
}

#[test]
fn t13_unchecked_memory_aliases_are_refused() {
    assert_eq!(broken_snp(|snp| snp.platform.alias_check_complete = Some(false)), ["snp-alias-check"]);
    assert_eq!(broken_snp(|snp| snp.platform.alias_check_complete = None), ["snp-alias-check"]);
}

#[test]
fn t13_reports_of_version_2_do_not_say() {
    let mut claims = claims();
    let snp = claims.sev_snp.as_mut().unwrap();
    (snp.report_version, snp.platform.alias_check_complete) = (2, None);
    assert_eq!(ask(&claims, &permitting("principal has vtpm"), &Guardrails::shipped()), Ok(()));
}

#[test]
fn t15_debug_migration_and_lower_privilege_are_refused() {
    assert_eq!(broken_snp(|snp| snp.policy.debug = true), ["snp-no-debug"]);
    assert_eq!(broken_snp(|snp| snp.has_migration_agent = true), ["snp-no-migration-agent"]);
    assert_eq!(broken_snp(|snp| snp.vmpl = 1), ["snp-vmpl-0"]);
}

#[test]
fn t16_vlek_and_unknown_chips_are_claims() {
    use vouchsafe_attestation::snp::SignerKind;
    let vcek = permitting("principal has snp && principal.snp.signer == Signer::\"vcek\"");
    let chip = permitting("principal has snp.chip_id && principal.snp.chip_id != \"\"");
    let mut claims = claims();
    assert_eq!(ask(&claims, &vcek, &no_guardrails()), Ok(()));
    assert_eq!(ask(&claims, &chip, &no_guardrails()), Ok(()));
    let snp = claims.sev_snp.as_mut().unwrap();
    (snp.signer, snp.chip_id) = (SignerKind::Vlek, None);
    assert!(!refusal(ask(&claims, &vcek, &no_guardrails())).permitted);
    assert!(!refusal(ask(&claims, &chip, &no_guardrails())).permitted);
}

#[test]
fn t17_only_current_revocation_data_will_do() {
    // These hierarchies all offer revocation: a claim that denies it must be refused as well.
    for state in [Revocation::Stale, Revocation::Absent, Revocation::NotOffered] {
        assert_eq!(broken_snp(|snp| snp.revocation = state), ["snp-revocation-fresh"]);
        let vtpm = broken(|claims| claims.vtpm.as_mut().unwrap().revocation = state);
        assert_eq!(vtpm, ["vtpm-revocation-fresh"]);
    }
}

fn broken_tdx(change: impl FnOnce(&mut vouchsafe_attestation::tdx::TdxClaims)) -> Vec<String> {
    let text = permitting("principal has vtpm");
    let mut claims = kinds::tdx_both();
    assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
    change(claims.tdx.as_mut().unwrap());
    forbidden_by(ask(&claims, &text, &Guardrails::shipped()))
}

#[test]
fn t15_trust_domains_are_closed_and_stay_where_they_are() {
    assert_eq!(broken_tdx(|tdx| tdx.attributes.debug = true), ["tdx-closed"]);
    assert_eq!(broken_tdx(|tdx| tdx.attributes.sept_ve_disable = false), ["tdx-closed"]);
    assert_eq!(broken_tdx(|tdx| tdx.attributes.migratable = true), ["tdx-not-migratable"]);
}

#[test]
fn t17_current_collateral_is_demanded_of_quotes_tokens_and_endorsements() {
    assert_eq!(broken_tdx(|tdx| tdx.revocation = Revocation::NotOffered), ["tdx-revocation-fresh"]);
    for state in [Revocation::Stale, Revocation::Absent] {
        assert_eq!(broken_tdx(|tdx| tdx.revocation = state), ["tdx-revocation-fresh"]);
        let endorsed = broken_tdx(|tdx| tdx.endorsement.as_mut().unwrap().revocation = state);
        assert_eq!(endorsed, ["tdx-endorsement-fresh"]);
        let text = permitting("principal has vtpm");
        let mut claims = kinds::with_token(kinds::snp_endorsed());
        assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
        claims.google_token.as_mut().unwrap().revocation = state;
        assert_eq!(forbidden_by(ask(&claims, &text, &Guardrails::shipped())), ["token-revocation-fresh"]);
        let mut claims = kinds::snp_endorsed();
        claims.sev_snp.as_mut().unwrap().endorsement.as_mut().unwrap().revocation = state;
        assert_eq!(forbidden_by(ask(&claims, &text, &Guardrails::shipped())), ["snp-endorsement-fresh"]);
    }
}

#[test]
fn t52_endorsements_of_a_hierarchy_without_crls_are_accepted() {
    let text = permitting("principal has vtpm");
    for state in [Revocation::NotOffered, Revocation::Fresh] {
        let (mut snp, mut tdx) = (kinds::snp_endorsed(), kinds::tdx_both());
        snp.sev_snp.as_mut().unwrap().endorsement.as_mut().unwrap().revocation = state;
        tdx.tdx.as_mut().unwrap().endorsement.as_mut().unwrap().revocation = state;
        for claims in [snp, tdx] {
            assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
        }
    }
}

#[test]
fn t18_an_unknown_or_revoked_tcb_is_refused() {
    use vouchsafe_attestation::tdx::TcbStatus::Revoked;
    assert_eq!(broken_tdx(|tdx| tdx.tcb = None), ["tdx-tcb-known"]);
    assert_eq!(broken_tdx(|tdx| tdx.tcb.as_mut().unwrap().status = Revoked), ["tdx-tcb-known"]);
    assert_eq!(broken_tdx(|tdx| tdx.tcb.as_mut().unwrap().platform_status = Revoked), ["tdx-tcb-known"]);
    assert_eq!(broken_tdx(|tdx| tdx.tcb.as_mut().unwrap().qe_status = Revoked), ["tdx-tcb-known"]);
}

#[test]
fn t31_disks_are_for_the_initrd() {
    use vouchsafe_attestation::claims::Phase;
    let text = permitting("principal has vtpm").replace("\"app\"", "\"disk\"");
    let ask = |claims: &Claims| {
        let request = request(vec![item("prod/db/disk", &policy(&text), Purpose::Disk)]);
        outcome(evaluate(claims, Suite::XWing, &request, &Guardrails::shipped()))
    };
    let mut claims = claims();
    assert_eq!(ask(&claims), Ok(()));
    claims.vtpm.as_mut().unwrap().phase = Phase::Latched;
    assert_eq!(forbidden_by(ask(&claims)), ["disk-phase"]);
    claims.vtpm = None;
    assert_eq!(forbidden_by(ask(&claims)), ["disk-phase"]);
}

#[test]
fn the_kbs_protocol_is_off() {
    let compiled = policy(&permitting("principal has vtpm"));
    let request =
        DecideRequest { protocol: Protocol::Kbs, ..request(vec![item("prod/a/x", &compiled, Purpose::App)]) };
    let reason = outcome(evaluate(&claims(), Suite::XWing, &request, &Guardrails::shipped()));
    assert_eq!(forbidden_by(reason), ["protocol-v1"]);
}

#[test]
fn guardrails_only_forbid_and_name_no_baselines() {
    let permit = permitting("principal has vtpm").replace("@for(\"app\")", "");
    let error = Guardrails::compile(&permit).unwrap_err();
    assert_eq!(error, PolicyError::PermittingGuardrail { id: "permit".to_owned() });
    let baseline = "@id(\"b\") forbid (principal is Vm, action == Action::\"release\", resource)
                    unless { principal in Baseline::\"prod/b\" };";
    let error = Guardrails::compile(baseline).unwrap_err();
    assert_eq!(error, PolicyError::BaselineInGuardrail { id: "b".to_owned() });
}
