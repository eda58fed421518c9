//! What policies read, and that a decision omits none of it. In addition, every decision of the tests is made
//! again with all claims.

use super::super::reads::Projection;
use super::*;

/// The attributes of the full VM that a condition makes a decision build, in Cedar's notation.
fn picked(condition: &str) -> String {
    let policy = policy(&permitting(condition));
    let projection = Projection::any([&policy.rules().reads.principal]);
    let claims = Claims { vtpm: None, ..claims() };
    let record = vm::attributes(&claims, vm::BootVisibility::RegistersOnly, projection);
    value::Value::Record(record).to_string()
}

#[test]
fn a_decision_builds_only_claims_that_are_read() {
    for (condition, built) in [
        ("principal has snp", "{snp: {}}"),
        ("principal has snp.policy", "{snp: {policy: {}}}"),
        ("principal has snp && principal.snp.vmpl == 0", "{snp: {vmpl: 0}}"),
        ("principal has snp && principal.snp.policy.debug", "{snp: {policy: {debug: false}}}"),
        ("principal has technology", "{technology: Technology::\"sev-snp\"}"),
        ("context has now && principal == principal", "{}"),
        ("resource in Namespace::\"prod\" || principal in Baseline::\"prod/web\"", "{}"),
    ] {
        assert_eq!(picked(condition), built, "{condition}");
    }
}

#[test]
fn a_record_that_is_read_as_a_whole_is_built_as_a_whole() {
    let whole = picked("principal has snp && principal.snp == principal.snp");
    assert!(whole.contains("chip_id") && whole.contains("abi_major"), "{whole}");
    // A test of the same record and a read of one member do not narrow it.
    let whole =
        picked("principal has snp && principal.snp.vmpl == 0 && [principal.snp].contains(principal.snp)");
    assert!(whole.contains("chip_id") && whole.contains("abi_major"), "{whole}");
}

#[test]
fn whatever_may_be_the_vm_under_another_name_reads_everything() {
    let all = picked("(if context has now then principal else principal) has snp");
    assert!(all.contains("chip_id") && all.contains("roots"), "{all}");
    assert_eq!(picked("[principal].contains(principal)"), all);
    assert_eq!(picked("Vm::\"guest\" has snp"), all);
    assert_eq!(picked("{of: principal}.of has snp"), all);
}

#[test]
fn a_forbid_behind_another_name_of_the_vm_still_forbids() {
    for condition in [
        "(if context has now then principal else principal) has snp",
        "Vm::\"guest\" has snp",
        "{of: principal}.of has snp",
        "[principal, Vm::\"other\"].contains(principal) && principal has snp",
    ] {
        let text = format!(
            "{}\n@id(\"no\") forbid (principal is Vm, action == Action::\"release\", resource) when {{ {condition} }};",
            permitting("principal has snp")
        );
        let refused = refusal(ask(&claims(), &text, &no_guardrails()));
        assert_eq!(refused.forbidden_by.len(), 1, "{condition}");
    }
}
