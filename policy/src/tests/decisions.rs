//! Grants and denials, and the reasons in a denial.

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::snp::{Hex, SignerKind};
use vouchsafe_attestation::tdx::TdxClaims;

use super::*;
use crate::chip::Chip;

#[test]
fn a_grant_holds_the_decision_and_its_request() {
    let vm = SimulatedVm::new();
    let claims = verified(&vm, Kinds::BOTH, &["prod/db/app", "prod/db/two"]);
    let compiled = policy(&permitting("principal has vtpm"));
    let items =
        vec![item("prod/db/app", &compiled, Purpose::App), item("prod/db/two", &compiled, Purpose::App)];
    let grant = decide(&claims, &request(items), &no_guardrails()).unwrap();
    assert_eq!(grant.bound(), claims.bound());
    assert_eq!((grant.epoch(), grant.decided_at(), grant.verified_at()), (42, NOW, NOW));
    assert_eq!(grant.instance(), claims.claims().instance());
    assert_eq!(grant.chip(), Chip::of(claims.claims()).as_ref());
    assert_eq!(grant.guardrails_digest(), no_guardrails().digest());
    let paths: Vec<&str> = grant.secrets().iter().map(|secret| secret.path().as_str()).collect();
    assert_eq!(paths, ["prod/db/app", "prod/db/two"]);
    let secret = grant.secret(&path("prod/db/two")).unwrap();
    assert_eq!((secret.version(), secret.purpose()), (3, Purpose::App));
    assert_eq!((secret.policy(), secret.policy_digest()), (&name("prod/p"), compiled.digest()));
}

#[test]
fn t20_a_chip_is_what_verified_hardware_evidence_names() {
    let chip = |claims: &Claims| Chip::of(claims).map(|chip| chip.to_string());
    let mut masked = claims();
    assert_eq!(chip(&masked), Some(format!("sev-snp:{}", "c1".repeat(64))));
    // Its forger masks what he likes, but not whose key it is.
    masked.sev_snp.as_mut().unwrap().chip_id = None;
    assert_eq!(chip(&masked), Some(format!("sev-snp:{}", "c1".repeat(64))));
    let mut by_vlek = claims();
    let snp = by_vlek.sev_snp.as_mut().unwrap();
    (snp.signer, snp.hardware_id) = (SignerKind::Vlek, None);
    assert_eq!(chip(&by_vlek), Some(format!("sev-snp-vlek:{}", "c1".repeat(64))));
    by_vlek.sev_snp.as_mut().unwrap().chip_id = None;
    assert_eq!(chip(&by_vlek), Some("sev-snp-vlek:masked".to_owned()));
    let tdx = kinds::tdx_both();
    let platform = tdx.tdx.as_ref().unwrap().platform_id;
    assert_eq!(chip(&tdx), Some(format!("tdx:{platform}")));
    assert_eq!(chip(&kinds::vtpm(Technology::SevSnp)), None);
    assert_eq!(chip(&kinds::token_alone(Technology::Tdx)), None);
}

#[test]
fn t04_claims_of_another_request_are_refused() {
    let claims = verified(&SimulatedVm::new(), Kinds::BOTH, &["prod/db/app"]);
    let compiled = policy(&permitting("principal has vtpm"));
    let other_path = request(vec![item("prod/db/two", &compiled, Purpose::App)]);
    let other_broker = DecideRequest {
        broker: &BrokerIdentity([2; 32]),
        ..request(vec![item("prod/db/app", &compiled, Purpose::App)])
    };
    for request in [other_path, other_broker] {
        let denial = decide(&claims, &request, &no_guardrails()).unwrap_err();
        assert_eq!(denial.paths[0].reason, DenialReason::NotBound);
    }
}

#[test]
fn one_refused_path_refuses_all() {
    let (yes, no) = (policy(&permitting("principal has vtpm")), policy(&permitting("!(principal has vtpm)")));
    let items = vec![item("prod/a/x", &yes, Purpose::App), item("prod/b/x", &no, Purpose::App)];
    let denial = evaluate(&claims(), Suite::XWing, &request(items), &no_guardrails()).unwrap_err();
    let refused: Vec<&str> = denial.paths.iter().map(|denied| denied.path.as_str()).collect();
    assert_eq!(refused, ["prod/b/x"]);
}

#[test]
fn t50_absent_and_retired_secrets_are_denials_like_any_other() {
    let items = vec![
        DecideItem { path: path("prod/a/x"), secret: SecretState::Absent },
        DecideItem { path: path("prod/b/x"), secret: SecretState::Retired },
    ];
    let denial = evaluate(&claims(), Suite::XWing, &request(items), &no_guardrails()).unwrap_err();
    let reasons: Vec<_> = denial.paths.into_iter().map(|denied| denied.reason).collect();
    assert_eq!(reasons, [DenialReason::Absent, DenialReason::Retired]);
}

#[test]
fn t38_without_a_permit_nothing_is_released() {
    let none = DenialReason::PurposeMismatch { secret: Purpose::App, policy: None };
    assert_eq!(ask(&claims(), "", &no_guardrails()), Err(none));
    let refused = refusal(ask(&claims(), &permitting("!(principal has vtpm)"), &no_guardrails()));
    assert_eq!((refused.permitted, refused.forbidden_by.len()), (false, 0));
}

#[test]
fn the_purposes_of_secret_and_policy_must_agree() {
    let compiled = policy(&permitting("principal has vtpm"));
    let request = request(vec![item("prod/db/disk", &compiled, Purpose::Disk)]);
    let reason = outcome(evaluate(&claims(), Suite::XWing, &request, &no_guardrails()));
    let expected = DenialReason::PurposeMismatch { secret: Purpose::Disk, policy: Some(Purpose::App) };
    assert_eq!(reason, Err(expected));
}

#[test]
fn t29_a_missing_claim_fails_its_condition_and_is_said_to_be_absent() {
    let mut claims = claims();
    claims.sev_snp = None;
    let text = permitting("principal has snp.root && principal.snp.root == Root::\"amd\"");
    let refused = refusal(ask(&claims, &text, &no_guardrails()));
    let condition = refused.not_permitted_by[0].condition.clone().unwrap();
    assert!(condition.wanted);
    let value = "absent: the evidence has no SEV-SNP report".to_owned();
    let value = ReadValue { path: "principal.snp.root".to_owned(), value };
    assert_eq!(condition.values, [value]);
}

#[test]
fn t29_a_forbid_whose_evaluation_errs_denies() {
    // The sum overflows. Cedar skips the forbid and returns Allow.
    let overflow = "principal has snp && principal.snp.vmpl + 9223372036854775807 > 0";
    let text = format!(
        "{}@id(\"errs\") forbid (principal is Vm, action == Action::\"release\", resource) when {{ {overflow} }};",
        permitting("principal has vtpm")
    );
    let mut claims = claims();
    assert_eq!(forbidden_by(ask(&claims, &text, &no_guardrails())), ["errs"]);
    claims.sev_snp.as_mut().unwrap().vmpl = 1;
    let refused = refusal(ask(&claims, &text, &no_guardrails()));
    assert_eq!((refused.permitted, refused.forbidden_by.len()), (true, 0));
    assert_eq!((refused.errors[0].id.as_str(), refused.errors[0].guardrail), ("errs", false));

    // The same among the guardrails.
    let text = permitting("principal has vtpm");
    let guardrail = format!(
        "@id(\"errs\") forbid (principal is Vm, action == Action::\"release\", resource) when {{ {overflow} }};"
    );
    let refused = refusal(ask(&claims, &text, &Guardrails::compile(&guardrail).unwrap()));
    assert_eq!((refused.errors[0].id.as_str(), refused.errors[0].guardrail), ("errs", true));
}

#[test]
fn t29_a_permit_whose_evaluation_errs_denies_beside_one_that_holds() {
    let text = format!(
        "{}@id(\"errs\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource)
           when {{ principal has snp && principal.snp.vmpl + 9223372036854775807 > 0 }};",
        permitting("principal has vtpm")
    );
    let mut claims = claims();
    assert_eq!(ask(&claims, &text, &no_guardrails()), Ok(()));
    claims.sev_snp.as_mut().unwrap().vmpl = 1;
    assert_eq!(refusal(ask(&claims, &text, &no_guardrails())).errors[0].id, "errs");
}

#[test]
fn a_denial_names_statement_reason_condition_and_values() {
    let text = format!(
        "{}@id(\"firmware\") @reason(\"too old\")
           forbid (principal is Vm, action == Action::\"release\", resource)
           unless {{ principal has snp && principal.snp.vmpl == 0 && principal.snp.guest_svn >= 7 }};",
        permitting("principal has vtpm")
    );
    let mut claims = claims();
    claims.sev_snp.as_mut().unwrap().guest_svn = 6;
    let refused = refusal(ask(&claims, &text, &no_guardrails()));
    let violation = &refused.forbidden_by[0];
    assert_eq!((violation.id.as_str(), violation.reason.as_deref()), ("firmware", Some("too old")));
    let condition = violation.condition.clone().unwrap();
    let value = ReadValue { path: "principal.snp.guest_svn".to_owned(), value: "6".to_owned() };
    assert_eq!(condition.values, [value]);
    let denial = Denial {
        paths: vec![PathDenial {
            path: path("prod/db/app"),
            reason: DenialReason::Refused(Box::new(refused)),
        }],
    };
    let text = denial.to_string();
    for part in [
        "prod/db/app: policy prod/p refuses",
        "forbidden by firmware (too old)",
        "principal.snp.guest_svn = 6",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let json = serde_json::to_value(&denial).unwrap();
    assert_eq!(json["paths"][0]["reason"], "refused");
    assert_eq!(json["paths"][0]["forbidden_by"][0]["because"], "too old");
}

#[test]
fn the_context_is_the_time_the_suite_and_the_protocol() {
    let claims = claims();
    let holds = |condition: &str| ask(&claims, &permitting(condition), &no_guardrails()).is_ok();
    assert!(holds("context.now == datetime(\"2025-11-01T00:00:00Z\")"));
    assert!(!holds("context.now > datetime(\"2025-11-01T00:00:00Z\")"));
    assert!(holds("context.suite == Suite::\"xwing-hkdf-sha256-aes256gcm\""));
    assert!(holds("context.protocol == Protocol::\"v1\""));
    assert!(holds("context.purpose == Purpose::\"app\""));
    assert!(!holds("context has baseline_version"));
    assert!(holds("resource in Namespace::\"prod\""));
    assert!(!holds("resource in Namespace::\"dev\""));
}

#[test]
fn the_vm_of_verified_claims_fits_the_schema() {
    use cedar_policy::{Entities, Entity};
    let mut full = kinds::with_token(kinds::tdx_both());
    full.google_token = Some(kinds::full_token(&full));
    full.tdx.as_mut().unwrap().tee_tcb_svn2 = Some(Hex([1; 16]));
    let bare = Claims { tdx: Some(TdxClaims { tcb: None, ..kinds::tdx(&full) }), ..Claims::default() };
    for claims in [
        claims(),
        Claims { sev_snp: None, ..claims() },
        Claims { vtpm: None, ..claims() },
        kinds::snp_endorsed(),
        kinds::tdx_alone(),
        kinds::token_alone(Technology::Sev),
        full,
        bare,
    ] {
        let attributes = vm::attributes(&claims, vm::BootVisibility::ConfirmedBoot, reads::Projection::All)
            .expressions()
            .collect();
        let uid = schema::uid(schema::Kind::Vm, "guest");
        let entity = Entity::new(uid, attributes, Default::default()).unwrap();
        Entities::from_entities([entity], Some(&schema::vocabulary().schema)).unwrap();
    }
}

#[test]
fn t11_a_report_without_a_root_is_not_amds() {
    let mut claims = claims();
    claims.sev_snp.as_mut().unwrap().root = None;
    let rooted = permitting("principal has snp.root && principal.snp.root == Root::\"amd\"");
    assert!(!refusal(ask(&claims, &rooted, &no_guardrails())).permitted);
    let among = permitting("principal has roots && principal.roots.contains(Root::\"amd\")");
    assert!(!refusal(ask(&claims, &among, &no_guardrails())).permitted);
}

#[test]
fn times_are_written_as_cedar_reads_them() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_761_955_199, "2025-10-31T23:59:59Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ] {
        assert_eq!(schema::datetime(seconds), text);
    }
}

/// In decisions, rehearsals and so in records and output: the reason why a claim is withheld is shown instead
/// of its value.
#[test]
fn t52_a_refusal_says_why_a_claim_is_withheld() {
    use vouchsafe_attestation::Withheld;
    let mut claims = claims();
    claims.withheld = vec![
        Withheld::new("sev_snp.endorsement", "launch-expired", "the endorsement ended"),
        Withheld::new("vtpm.command_line", "grub-two-commands", "two commands could have started the kernel"),
    ];
    let boot = Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot);
    (boot.kernel_command_line, boot.kernel_arguments) = (None, Vec::new());
    for (condition, reason) in [
        (
            "principal has snp.endorsement",
            "principal.snp.endorsement = absent: the endorsement ended (launch-expired)",
        ),
        (
            "principal has vtpm.arguments && principal.vtpm.arguments.contains(\"panic=-1\")",
            "principal.vtpm.arguments = absent: two commands could have started the kernel (grub-two-commands)",
        ),
    ] {
        let refused = refusal(ask(&claims, &permitting(condition), &no_guardrails()));
        assert!(refused.to_string().contains(reason), "{refused}");
        let inspected = vouchsafe_attestation::InspectedClaims { claims: claims.clone() };
        let items = vec![item("prod/db/app", &policy(&permitting(condition)), Purpose::App)];
        let request = RehearseRequest { suite: Suite::XWing, now: NOW, protocol: Protocol::V1, items };
        let rehearsed = rehearse(&inspected, &request, &no_guardrails());
        let values =
            rehearsed.paths[0].statements[0].conditions.iter().flat_map(|condition| &condition.values);
        let shown: Vec<String> = values.map(|value| format!("{} = {}", value.path, value.value)).collect();
        assert!(shown.iter().any(|value| value == reason), "{shown:?}");
    }
}
