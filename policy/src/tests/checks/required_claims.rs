//! Claims that every permit has to require: owner, roots, technology, TCB and firmware.

use super::*;

#[test]
fn t29_a_guard_that_lets_a_missing_claim_pass_is_refused() {
    let missing = |claim: &str| vec![Gap::MissingClaim { claim: claim.to_owned() }];
    let host_data = "principal.snp.host_data == \"x\"".replace('x', &"0".repeat(64));
    for condition in [
        "(if principal.snp has chip_id then principal.snp.chip_id == \"aa\" else true)",
        "!(principal.snp has chip_id && principal.snp.chip_id == \"aa\")",
        "!(principal.snp has chip_id)",
        "(principal.snp has chip_id) == false",
        "[true, false].contains(principal.snp has chip_id)",
        "(principal.snp.vmpl == 0 || !(principal.snp has chip_id))",
        "(if principal.snp has chip_id then principal.snp.chip_id else \"\") == \"\"",
    ] {
        let text =
            with("!principal.snp.policy.debug", &format!("!principal.snp.policy.debug && {condition}"));
        assert_eq!(gaps(&text), missing("principal.snp.chip_id"), "{condition}");
    }
    // A forbid may read only claims that are present: the permit requires them for everything that the forbid
    // lets through (adding it opens nothing).
    let forbid = |text: &str, condition: &str| {
        format!(
            "{text}@id(\"no\") forbid (principal is Vm, action == Action::\"release\", resource) {condition};"
        )
    };
    for condition in [
        "when { principal has snp && principal.snp has chip_id && principal.snp.chip_id == \"aa\" }"
            .to_owned(),
        "when { principal has snp && principal.snp.vmpl != 0 }".to_owned(),
        format!("unless {{ principal has snp && {host_data} }}"),
    ] {
        assert_eq!(gaps(&forbid(&disk(), &condition)), []);
        assert_eq!(gaps(&forbid(&closed_vtpm(), &condition)), []);
    }
    // A forbid closes a gap only if it applies to every VM, not if a VM without the claim passes.
    let owner = "principal.vtpm.instance.project_number == \"1234567890\" &&";
    let open = disk().replace(owner, "");
    let named = "principal has vtpm.instance && principal.vtpm.instance.project_number";
    assert_eq!(gaps(&forbid(&open, &format!("unless {{ {named} == \"1\" }}"))), []);
    assert_eq!(gaps(&forbid(&open, &format!("when {{ {named} != \"1\" }}"))), []);
    let elsewhere = "principal has google_token.instance && principal.google_token.instance.project_number";
    assert_eq!(gaps(&forbid(&open, &format!("when {{ {elsewhere} != \"1\" }}"))), [Gap::Owner]);
}

#[test]
fn t48_the_owner_must_be_named() {
    let owner = "principal.vtpm.instance.project_number == \"1234567890\"";
    for open in [
        "principal.vtpm.instance.project_number != \"1\"",
        "principal.vtpm.instance.zone like \"*\"",
        "principal.vtpm.instance.project_number == principal.vtpm.instance.project_number",
        "principal.vtpm.instance.project_id == \"my-project\"",
        "(principal.vtpm.instance.project_number == \"1\" || principal.vtpm.secure_boot.enabled)",
        "![\"1\"].contains(principal.vtpm.instance.project_number)",
    ] {
        assert_eq!(gaps(&with(owner, open)), [Gap::Owner], "{open}");
    }
    for closed in [
        "[\"1\", \"2\"].contains(principal.vtpm.instance.project_number)",
        "(principal.vtpm.instance.project_number == \"1\" || principal.vtpm.instance.project_number == \"2\")",
        "!(principal.vtpm.instance.project_number != \"1\")",
        "(if principal.vtpm.secure_boot.enabled then principal.vtpm.instance.project_number == \"1\" else false)",
    ] {
        assert_eq!(gaps(&with(owner, closed)), [], "{closed}");
    }
    let accepted =
        with(owner, "principal.vtpm.instance.zone == \"z\"").replace("@for", "@accepts(\"owner\") @for");
    assert_eq!(gaps(&accepted), []);
}

#[test]
fn t48_a_forbid_can_name_the_owner() {
    let text = with(
        "principal.vtpm.instance.project_number == \"1234567890\"",
        "principal.vtpm.instance.zone == \"z\"",
    );
    let forbid = |scope: &str| {
        format!(
            "{text}@id(\"owner\") forbid (principal is Vm, action == Action::\"release\", {scope})
             unless {{ principal has vtpm.instance && principal.vtpm.instance.project_number == \"1\" }};"
        )
    };
    assert_eq!(gaps(&forbid("resource")), []);
    // A forbid for one secret does not restrict the others.
    assert_eq!(gaps(&forbid("resource == Secret::\"prod/a/x\"")), [Gap::Owner]);
}

#[test]
fn t48_one_open_permit_opens_the_policy() {
    let open = with(
        "principal.vtpm.instance.project_number == \"1234567890\"",
        "principal.vtpm.instance.zone == \"z\"",
    );
    let text = format!("{}{}", disk(), open.replace("@id(\"release\")", "@id(\"second\")"));
    assert_eq!(check(&text), Err(vec![CheckError::Gap { id: "second".to_owned(), gap: Gap::Owner }]));
}

#[test]
fn roots_are_restricted() {
    let vtpm = "principal.vtpm.root == Root::\"google\"";
    let snp = "principal.snp.root == Root::\"amd\"";
    assert_eq!(
        gaps(&with(vtpm, "principal.vtpm.root != Root::\"extra\"")),
        [Gap::Root { claim: "principal.vtpm.root" }]
    );
    assert_eq!(
        gaps(&with(snp, "principal.snp.root != Root::\"extra\"")),
        [Gap::Root { claim: "principal.snp.root" }]
    );
    let both = "principal has roots && principal.roots == [Root::\"google\", Root::\"amd\"]";
    assert_eq!(gaps(&with(vtpm, both).replace(&format!("{snp} &&"), "")), []);
    let both = "principal has roots && principal.roots.containsAll([Root::\"google\", Root::\"amd\"])";
    // Google's root may come from the launch endorsement.
    assert_eq!(
        gaps(&with(vtpm, both).replace(&format!("{snp} &&"), "")),
        [Gap::Root { claim: "principal.vtpm.root" }]
    );
    // A withheld root is not in `roots`: a bound on them does not require it.
    let bound = "principal has roots && [Root::\"google\", Root::\"amd\"].containsAll(principal.roots)";
    assert_eq!(
        gaps(&with(vtpm, bound).replace(&format!("{snp} &&"), "")),
        [Gap::Root { claim: "principal.snp.root" }]
    );
}

#[test]
fn technology_debug_floor_and_firmware_are_demanded() {
    assert_eq!(
        gaps(&with(
            "principal.technology == Technology::\"sev-snp\"",
            "principal.technology != Technology::\"none\""
        )),
        [Gap::Technology]
    );
    assert_eq!(gaps(&with("!principal.snp.policy.debug &&", "")), [Gap::Debug]);
    assert_eq!(gaps(&with("!principal.snp.policy.debug", "principal.snp.policy.debug")), [Gap::Debug]);
    assert_eq!(gaps(&with("!principal.snp.policy.debug", "principal.snp.policy.debug == false")), []);
    for component in ["boot_loader", "tee", "snp", "microcode"] {
        let condition = format!("principal.snp.reported_tcb.{component} >=");
        let gap = || {
            vec![Gap::TcbFloor {
                component: ["boot_loader", "tee", "snp", "microcode"]
                    .into_iter()
                    .find(|c| *c == component)
                    .unwrap(),
            }]
        };
        assert_eq!(gaps(&with(&condition, &condition.replace(">=", "<="))), gap());
        assert_eq!(gaps(&with(&condition, &condition.replace(">=", ">"))), []);
        assert_eq!(gaps(&with(&condition, &condition.replace(">=", "!="))), gap());
        assert_eq!(gaps(&with(&condition, &condition.replace("reported", "current"))), gap());
    }
    let measurement = format!("principal.snp.measurement == \"{}\" &&", "ab".repeat(48));
    let without = with(&measurement, "").replace("principal in Baseline::\"prod/web\"", &closed_chain());
    assert_eq!(gaps(&without), [Gap::Firmware { claim: "principal.snp.measurement" }]);
    // The baseline lists firmware.
    assert_eq!(gaps(&with(&measurement, "")), []);
}
