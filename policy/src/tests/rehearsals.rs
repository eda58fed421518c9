//! Rehearsals: hypothetical decisions on inspected claims, with reasons.

use vouchsafe_attestation::claims::InspectedClaims;

use super::*;

fn rehearsed(claims: Claims, text: &str) -> RehearsedPath {
    let items = vec![item("prod/db/app", &policy(text), Purpose::App)];
    let request = RehearseRequest { suite: Suite::XWing, now: NOW, protocol: Protocol::V1, items };
    let rehearsal = rehearse(&InspectedClaims { claims }, &request, &Guardrails::shipped());
    rehearsal.paths.into_iter().next().unwrap()
}

#[test]
fn a_rehearsal_names_every_condition_and_what_it_read() {
    let text = permitting("principal has vtpm && principal.vtpm.phase == Phase::\"latched\"");
    let path = rehearsed(claims(), &text);
    assert!(!path.release && path.denial.is_some());
    let permit = &path.statements[0];
    assert_eq!((permit.id.as_str(), permit.effect, permit.holds), ("permit", "permit", false));
    let met: Vec<bool> = permit.conditions.iter().map(|condition| condition.met).collect();
    assert_eq!(met, [true, false]);
    assert_eq!(permit.conditions[1].values[0].value, "Phase::\"initrd\"");
    let guardrail = path.statements.iter().find(|statement| statement.id == "snp-no-debug").unwrap();
    assert!(guardrail.guardrail && guardrail.in_scope && !guardrail.holds);
}

#[test]
fn a_rehearsal_and_a_decision_agree() {
    let texts = [
        permitting("principal has vtpm"),
        permitting("principal has tdx"),
        permitting("principal has snp") + "@id(\"no\") forbid (principal is Vm, action, resource);",
        permitting("principal has snp && 9223372036854775807 + principal.snp.vmpl + 1 > 0"),
    ];
    let mut open = claims();
    open.sev_snp.as_mut().unwrap().policy.debug = true;
    for text in texts {
        for claims in [claims(), open.clone(), kinds::tdx_both(), Claims::default()] {
            let decided = ask(&claims, &text, &Guardrails::shipped());
            let path = rehearsed(claims, &text);
            assert_eq!((path.release, path.denial), (decided.is_ok(), decided.err()), "{text}");
        }
    }
}

#[test]
fn t38_secrets_that_are_not_served_are_not_released() {
    for secret in [SecretState::Absent, SecretState::Retired] {
        let items = vec![DecideItem { path: path("prod/db/app"), secret }];
        let request = RehearseRequest { suite: Suite::XWing, now: NOW, protocol: Protocol::V1, items };
        let rehearsal = rehearse(&InspectedClaims { claims: claims() }, &request, &Guardrails::shipped());
        assert!(!rehearsal.paths[0].release && rehearsal.paths[0].statements.is_empty());
    }
}
