//! The shipped guardrails, one condition broken at a time.

use super::*;

fn broken(change: impl FnOnce(&mut Claims)) -> Vec<String> {
    let text = permitting("principal has vtpm");
    let mut claims = claims();
    assert_eq!(ask(&claims, &text, &Guardrails::shipped()), Ok(()));
    change(&mut claims);
    forbidden_by(ask(&claims, &text, &Guardrails::shipped()))
}

fn broken_snp(change: impl FnOnce(&mut vouchsafe_attestation::snp::SnpClaims)) -> Vec<String> {
    broken(|claims| change(claims.sev_snp.as_mut().unwrap()))
}

#[test]
fn t12_provisional_firmware_is_refused() {
    assert_eq!(broken_snp(|snp| snp.provisional = true), ["snp-tcb-committed"]);
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
    for state in [Revocation::Stale, Revocation::Absent] {
        assert_eq!(broken_snp(|snp| snp.revocation = state), ["snp-revocation-fresh"]);
        let vtpm = broken(|claims| claims.vtpm.as_mut().unwrap().revocation = state);
        assert_eq!(vtpm, ["vtpm-revocation-fresh"]);
    }
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
