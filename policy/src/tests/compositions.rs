//! What registration rejects in policies on quotes, tokens and combinations: a valid sample, broken in one
//! place.

use super::*;

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../config/policies/", $name, ".cedar"))
    };
}

fn gaps(text: &str) -> Vec<Gap> {
    let compiled =
        CompiledPolicy::compile(&name("prod/p"), text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let Err(found) = compiled.check(&known(&["prod/web"]), NOW) else { return Vec::new() };
    let gap = |error: &CheckError| match error {
        CheckError::Gap { gap, .. } => gap.clone(),
        other => panic!("expected a gap, got {other:?}"),
    };
    found.as_slice().iter().map(gap).collect()
}

/// The sample with a condition replaced.
fn with(sample: &str, old: &str, new: &str) -> String {
    assert!(sample.contains(old), "{old:?} is not in {sample}");
    sample.replace(old, new)
}

fn without(sample: &str, condition: &str) -> String {
    with(sample, condition, "true")
}

fn composite(open: &[ChainPart]) -> Gap {
    Gap::CompositeBootChain { open: open.to_vec() }
}

const EVERYTHING: [ChainPart; 3] = [ChainPart::Images, ChainPart::Files, ChainPart::CommandLine];
const MEMBER: &str = "principal in Baseline::\"prod/web\"";

#[test]
fn t01_policies_that_an_attacker_with_root_in_two_vms_satisfies_are_rejected() {
    for sample in [sample!("snp-both"), sample!("vtpm-token"), sample!("vtpm-hardware-token")] {
        assert_eq!(gaps(sample), []);
        let open = gaps(&without(sample, MEMBER));
        assert_eq!(open, [composite(&EVERYTHING)], "{sample}");
    }
    // Texts of a CCEL log prove nothing without a closed set, neither about the chain nor about the shell
    // (T49).
    let open = [composite(&EVERYTHING), Gap::FailureShell];
    assert_eq!(gaps(sample!("tdx-both")), []);
    assert_eq!(gaps(&without(sample!("tdx-both"), MEMBER)), open);
    let line = "principal.tdx has boot.command_line && principal.tdx.boot.command_line == \"k panic=-1\"";
    assert_eq!(gaps(&with(sample!("tdx-both"), MEMBER, line)), open);
    // A single claim from above the chain does not replace it.
    let shell = "principal.tdx has boot.arguments && principal.tdx.boot.arguments.contains(\"quiet\")";
    assert_eq!(gaps(&with(sample!("tdx-both"), MEMBER, shell)), open);
    // A part of the chain leaves the rest open, in either log (T53). Parts of both logs do not combine: each
    // may be of another boot.
    let digest = "0".repeat(96);
    let rtmr = |index: u8| format!("principal.tdx.rtmrs.rtmr{index} == \"{digest}\"");
    let closed = |claim: &str| {
        format!("principal.tdx has boot.{claim} && [\"{digest}\"].containsAll(principal.tdx.boot.{claim})")
    };
    let vtpm_files = format!(
        "principal.vtpm has grub_files && [\"{}\"].containsAll(principal.vtpm.grub_files)",
        "0".repeat(64)
    );
    use ChainPart::{CommandLine, Files, Images};
    for (chain, open) in [
        (rtmr(2), vec![composite(&[Images])]),
        (rtmr(1), vec![composite(&[Files, CommandLine]), Gap::FailureShell]),
        (closed("grub_files"), vec![composite(&[Images, CommandLine])]),
        (
            format!("{} && {}", closed("efi_applications"), closed("grub_files")),
            vec![composite(&[CommandLine])],
        ),
        (format!("{} && {vtpm_files}", rtmr(1)), vec![composite(&[Images, CommandLine]), Gap::FailureShell]),
        (format!("{} && {}", rtmr(1), rtmr(2)), vec![]),
        (format!("{} && {} && {line}", closed("efi_applications"), closed("grub_files")), vec![]),
        (format!("{} && {} && {line}", rtmr(1), closed("grub_files")), vec![]),
        // A closed log of the vTPM does not exclude a shell that the other log shows, which the condition is
        // about.
        (closed_chain(), vec![]),
    ] {
        assert_eq!(gaps(&with(sample!("tdx-both"), MEMBER, &chain)), open, "{chain}");
    }
}

#[test]
fn a_token_alone_is_acknowledged_or_refused() {
    for sample in [sample!("sev-token"), sample!("tdx-token")] {
        assert_eq!(gaps(&with(sample, "@accepts(\"token-alone\")", "")), [Gap::TokenAlone]);
    }
}

#[test]
fn t48_a_token_names_the_owner_too() {
    let project = "principal.google_token.instance.project_number == \"123456789012\"";
    assert_eq!(gaps(&without(sample!("sev-token"), project)), [Gap::Owner]);
    let compiled = policy(sample!("sev-token"));
    let numbers = compiled.project_numbers();
    assert_eq!(*numbers, BTreeSet::from([123_456_789_012]));
    for sample in [sample!("snp-report"), sample!("tdx-quote")] {
        assert_eq!(gaps(&with(sample, "@accepts(\"owner\")", "")), [Gap::Owner]);
    }
    // A disk by a token: it names the instance, and has no phase.
    let disk = with(sample!("sev-token"), "@for(\"app\")", "@for(\"disk\")");
    assert_eq!(gaps(&disk), [Gap::Instance, Gap::Phase, Gap::FailureShell]);
    let instance =
        "principal.google_token.secure_boot && principal.google_token.instance.instance_id == \"1\"";
    let disk = with(&disk, "principal.google_token.secure_boot", instance);
    assert_eq!(gaps(&disk), [Gap::Phase, Gap::FailureShell]);
}

#[test]
fn t27_secure_boot_inside_of_a_trust_domain_is_not_enough() {
    let open = |condition: &str| gaps(&with(sample!("tdx-quote"), MEMBER, condition));
    let everything = || EVERYTHING.to_vec();
    assert_eq!(open("true"), [Gap::BootChain { open: everything() }]);
    let enabled = "principal.tdx has boot && principal.tdx.boot.secure_boot.enabled";
    assert_eq!(open(enabled), [Gap::Pcr7Alone { open: everything() }]);
    let rtmr0 = format!("principal.tdx.rtmrs.rtmr0 == \"{}\"", "0".repeat(96));
    assert_eq!(open(&rtmr0), [Gap::Pcr7Alone { open: everything() }]);
}

#[test]
fn t18_status_and_evaluation_are_demanded_by_name_and_floor() {
    let sample = sample!("tdx-both");
    let status =
        "[TcbStatus::\"up-to-date\", TcbStatus::\"sw-hardening-needed\"].contains(principal.tdx.tcb.status)";
    assert_eq!(gaps(&without(sample, status)), [Gap::TcbStatus]);
    let not_revoked = "principal.tdx.tcb.status != TcbStatus::\"revoked\"";
    assert_eq!(gaps(&with(sample, status, not_revoked)), [Gap::TcbStatus]);
    let floor = "principal.tdx.tcb.evaluation_data_number >= 17";
    assert_eq!(gaps(&without(sample, floor)), [Gap::EvaluationFloor]);
    assert_eq!(gaps(&with(sample, floor, &floor.replace(">=", "<="))), [Gap::EvaluationFloor]);
    let accepted = with(&without(sample, floor), "@for", "@accepts(\"tcb-floor\") @for");
    assert_eq!(gaps(&accepted), []);
}

#[test]
fn t19_module_versions_have_an_order() {
    let claims = kinds::tdx_both();
    let least = |minor: u8| {
        let condition = format!("principal has tdx && principal.tdx.tee_tcb.module_minor >= {minor}");
        ask(&claims, &permitting(&condition), &no_guardrails()).is_ok()
    };
    assert!(least(5) && !least(6));
}

#[test]
fn firmware_is_known_before_its_measurements_are_believed() {
    let measured = format!("principal.tdx.mr_td == \"{}\"", "0".repeat(96));
    let sample = with(sample!("tdx-both"), MEMBER, &closed_chain());
    let open = [Gap::Firmware { claim: "principal.tdx.mr_td" }];
    assert_eq!(gaps(&without(&sample, &measured)), open);
    let root = "principal.tdx has endorsement.root && principal.tdx.endorsement.root == Root::\"google\"";
    let endorsed = format!("{root} && principal.tdx.endorsement.svn >= 1");
    assert_eq!(gaps(&with(&sample, &measured, &endorsed)), []);
    assert_eq!(gaps(&with(&sample, &measured, root)), open);
    let svn = "principal.tdx has endorsement && principal.tdx.endorsement.svn >= 1";
    let unrooted = [Gap::Root { claim: "principal.tdx.endorsement.root" }];
    assert_eq!(gaps(&with(&sample, &measured, svn)), unrooted);
    let snp = without(sample!("snp-report"), "principal.snp.endorsement.svn >= 1");
    assert_eq!(gaps(&snp), [Gap::Firmware { claim: "principal.snp.measurement" }]);
    let snp = without(sample!("snp-report"), "principal.snp.endorsement.root == Root::\"google\"");
    assert_eq!(gaps(&snp), [Gap::Root { claim: "principal.snp.endorsement.root" }]);
}

#[test]
fn each_kind_has_its_root() {
    for (sample, condition, claim) in [
        (sample!("tdx-both"), "principal.tdx.root == Root::\"intel\"", "principal.tdx.root"),
        (
            sample!("sev-token"),
            "principal.google_token.root == Root::\"google\"",
            "principal.google_token.root",
        ),
    ] {
        assert_eq!(gaps(&without(sample, condition)), [Gap::Root { claim }]);
        let among = "principal has roots && principal.roots.contains(Root::\"google\")";
        assert_eq!(gaps(&with(sample, condition, among)), [Gap::Root { claim }]);
        let bound = "principal has roots && [Root::\"google\", Root::\"intel\"].containsAll(principal.roots)";
        assert_eq!(gaps(&with(sample, condition, bound)), []);
    }
}

#[test]
fn confidential_space_is_asked_for_without_debug() {
    let plain = "principal.google_token.software_name == SoftwareName::\"GCE\"";
    let space = "principal.google_token.software_name == SoftwareName::\"CONFIDENTIAL_SPACE\"";
    let text = with(sample!("sev-token"), plain, space);
    assert_eq!(gaps(&text), [Gap::TokenDebug]);
    // What a token may be decides, not what the policy mentions (T53): an image's digest alone also accepts a
    // debug image.
    for open in [
        "true",
        "principal.google_token has container && principal.google_token.container.image_digest == \"DIGEST\"",
        "principal.google_token has debug_disabled",
        "principal.google_token.software_name != SoftwareName::\"GCE\"",
        "(principal.google_token.software_name == SoftwareName::\"GCE\" || principal.google_token.secure_boot)",
    ] {
        let open = open.replace("DIGEST", &format!("sha256:{}", "0".repeat(64)));
        assert_eq!(gaps(&with(sample!("sev-token"), plain, &open)), [Gap::TokenDebug], "{open}");
    }
    let excluded = "principal.google_token.software_name != SoftwareName::\"CONFIDENTIAL_SPACE\"";
    assert_eq!(gaps(&with(sample!("sev-token"), plain, excluded)), []);
    let closed = format!(
        "{space} && principal.google_token has debug_disabled && principal.google_token.debug_disabled"
    );
    assert_eq!(gaps(&text.replace(space, &closed)), []);
}

#[test]
fn t29_optional_claims_of_the_new_kinds_do_not_pass_when_absent() {
    for (sample, claim) in [
        (sample!("tdx-quote"), "principal.tdx.boot"),
        (sample!("tdx-both"), "principal.tdx.endorsement"),
        (sample!("tdx-both"), "principal.google_token"),
    ] {
        let (record, name) = claim.rsplit_once('.').unwrap();
        let passes = format!("(if {record} has {name} then principal.tdx.quote_version == 4 else true)");
        let text = with(sample, MEMBER, &format!("{MEMBER} && {passes}"));
        let missing = Gap::MissingClaim { claim: claim.to_owned() };
        assert!(gaps(&text).contains(&missing), "{claim}");
    }
    for unguarded in [
        "principal.tdx.boot.secure_boot.enabled",
        "principal.snp.root == Root::\"amd\"",
        "principal.google_token.secure_boot",
        "principal.tdx.endorsement.svn >= 1",
    ] {
        let text = permitting(unguarded);
        let compiled = CompiledPolicy::compile(&name("prod/p"), &text);
        assert!(matches!(compiled, Err(PolicyError::Invalid { .. })), "{unguarded}");
    }
    for required in [
        "principal has tdx.boot && principal.tdx.boot.secure_boot.enabled",
        "principal has tdx.tcb && principal.tdx.tcb.status == TcbStatus::\"up-to-date\"",
        "principal has google_token.debug_disabled && principal.google_token.debug_disabled",
        "principal has snp.endorsement && principal.snp.endorsement.svn >= 0",
    ] {
        let refused = refusal(ask(&claims(), &permitting(required), &no_guardrails()));
        assert!(!refused.permitted && refused.errors.is_empty(), "{required}");
    }
}

#[test]
fn t38_malformed_literals_of_the_new_claims_are_refused() {
    let text = |condition: &str| with(sample!("tdx-both"), MEMBER, &format!("{MEMBER} && {condition}"));
    let hex = |digits: usize| "0".repeat(digits);
    for (claim, condition) in [
        ("principal.tdx.mr_td", format!("principal.tdx.mr_td != \"{}\"", hex(64))),
        ("principal.tdx.rtmrs.rtmr1", format!("principal.tdx.rtmrs.rtmr1 == \"{}\"", "A".repeat(96))),
        ("principal.tdx.fmspc", "principal.tdx.fmspc == \"00806F050000\"".to_owned()),
        ("principal.tdx.xfam", format!("principal.tdx.xfam == \"{}\"", hex(8))),
        (
            "principal.tdx.boot.grub_files",
            format!(
                "principal.tdx has boot.grub_files && principal.tdx.boot.grub_files.contains(\"{}\")",
                hex(64)
            ),
        ),
        (
            "principal.tdx.tcb.advisory_ids",
            "principal.tdx.tcb has advisory_ids && principal.tdx.tcb.advisory_ids.contains(\"SA-1\")"
                .to_owned(),
        ),
        (
            "principal.google_token.instance.project_number",
            "principal has google_token.instance && principal.google_token.instance.project_number == \"x\""
                .to_owned(),
        ),
        (
            "principal.google_token.container.image_digest",
            format!(
                "principal has google_token.container && \
                 principal.google_token.container.image_digest == \"{}\"",
                hex(64)
            ),
        ),
    ] {
        let compiled = policy(&text(&condition));
        let found = compiled.check(&known(&["prod/web"]), NOW).unwrap_err();
        let malformed = |error: &CheckError| matches!(error, CheckError::MalformedLiteral { claim: other, .. } if other == claim);
        assert!(found.as_slice().iter().any(malformed), "{claim}: {found}");
    }
}

fn sees_boot(claims: &Claims, baseline: Option<(Baseline, bool)>) -> bool {
    let text = "principal has tdx.boot || principal in Baseline::\"prod/web\"";
    let baselines = baseline.map(|(baseline, revoked)| NamedBaseline {
        name: name("prod/web"),
        revoked,
        baseline: Ok(Arc::new(baseline)),
    });
    let secret = SecretState::Active {
        version: 1,
        purpose: Purpose::App,
        policy: policy(&permitting(text)),
        baselines: baselines.into_iter().collect(),
    };
    let request = request(vec![DecideItem { path: path("prod/db/x"), secret }]);
    outcome(evaluate(claims, Suite::XWing, &request, &no_guardrails())).is_ok()
}

#[test]
fn boot_claims_of_a_trust_domain_show_under_known_firmware_only() {
    let mut claims = kinds::tdx_both();
    assert!(sees_boot(&claims, None), "endorsed");
    // An anchor from a file endorses nothing for a quote that chains to Intel (T10).
    claims.tdx.as_mut().unwrap().endorsement.as_mut().unwrap().root = Root::Extra;
    assert!(!sees_boot(&claims, None), "endorsed by an extra anchor");
    claims.tdx.as_mut().unwrap().endorsement = None;
    assert!(!sees_boot(&claims, None), "unknown");
    // Another boot, so that membership itself fails.
    let boot = Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot);
    let listing = Baseline::capture(&kinds::tdx_both(), 1, UnixTime(NOW.0 + 1000)).unwrap();
    boot.events.get_mut(&9).unwrap().clear();
    assert!(sees_boot(&claims, Some((listing.clone(), false))), "listed");
    assert!(!sees_boot(&claims, Some((listing.clone(), true))), "revoked");
    let ended = Baseline { ends_at: NOW, ..listing.clone() };
    assert!(!sees_boot(&claims, Some((ended, false))), "ended");
    claims.tdx.as_mut().unwrap().mr_td.0[0] ^= 1;
    assert!(!sees_boot(&claims, Some((listing, false))), "other firmware");
}

#[test]
fn roots_are_those_of_all_pieces() {
    let has = |claims: &Claims, roots: &str| {
        let text = permitting(&format!("principal has roots && principal.roots == [{roots}]"));
        ask(claims, &text, &no_guardrails()).is_ok()
    };
    let alone = Claims { vtpm: None, ..kinds::snp_endorsed() };
    assert!(has(&alone, "Root::\"amd\", Root::\"google\""));
    assert!(has(&Claims { vtpm: None, ..claims() }, "Root::\"amd\""));
    let mut quote = kinds::tdx_alone();
    assert!(has(&quote, "Root::\"intel\", Root::\"google\""));
    quote.tdx.as_mut().unwrap().endorsement = None;
    assert!(has(&quote, "Root::\"intel\""));
}
