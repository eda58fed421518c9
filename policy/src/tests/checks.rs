//! What registration rejects: a valid policy, broken in one place at a time.

use super::*;

/// A complete disk policy, for a composite.
const DISK: &str = r#"
@id("release")
@for("disk")
permit (principal is Vm, action == Action::"release", resource is Secret)
when {
  principal has vtpm.instance &&
  principal.vtpm.root == Root::"google" &&
  principal.vtpm.instance.project_number == "1234567890" &&
  principal.vtpm.instance.instance_id == "42" &&
  principal has technology &&
  principal.technology == Technology::"sev-snp" &&
  principal.vtpm.secure_boot.enabled &&
  !principal.vtpm.secure_boot.shim_validation_disabled &&
  principal.vtpm has command_line &&
  principal.vtpm.command_line like "*" &&
  principal in Baseline::"prod/web" &&
  principal.vtpm.phase == Phase::"initrd" &&
  principal.vtpm has arguments &&
  principal.vtpm.arguments.contains("panic=-1") &&
  principal has snp.root &&
  principal.snp.root == Root::"amd" &&
  principal.snp.measurement == "MEASUREMENT" &&
  !principal.snp.policy.debug &&
  principal.snp.reported_tcb.boot_loader >= 1 &&
  principal.snp.reported_tcb.tee >= 0 &&
  principal.snp.reported_tcb.snp >= 1 &&
  principal.snp.reported_tcb.microcode >= 1
};
"#;

fn disk() -> String {
    DISK.replace("MEASUREMENT", &"ab".repeat(48))
}

/// The policy with one condition replaced; `true` removes it.
fn with(old: &str, new: &str) -> String {
    let text = disk();
    assert!(text.contains(old), "{old:?} is not in the policy");
    text.replace(old, new)
}

fn check(text: &str) -> Result<(), Vec<CheckError>> {
    let compiled =
        CompiledPolicy::compile(&name("prod/p"), text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let found = compiled.check(&known(&["prod/web", "shared/web", "dev/web"]), NOW);
    found.map(|_| ()).map_err(|found| found.as_slice().to_vec())
}

fn gaps(text: &str) -> Vec<Gap> {
    let gap = |error| match error {
        CheckError::Gap { gap, .. } => gap,
        other => panic!("expected a gap, got {other:?}"),
    };
    check(text).map_or_else(|found| found.into_iter().map(gap).collect(), |()| Vec::new())
}

fn invalid(text: &str) -> Vec<String> {
    match CompiledPolicy::compile(&name("prod/p"), text) {
        Err(PolicyError::Invalid { details }) => details.iter().map(ToString::to_string).collect(),
        other => panic!("expected the validator's refusal, got {other:?}"),
    }
}

const ID: fn() -> String = || "release".to_owned();

#[test]
fn a_complete_policy_is_accepted() {
    assert_eq!(check(&disk()), Ok(()));
}

#[test]
fn t38_policies_without_a_permit_or_conditions_are_refused() {
    assert_eq!(check(""), Err(vec![CheckError::NoPermit]));
    let bare =
        "@id(\"release\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource);";
    assert!(gaps(bare).contains(&Gap::Unconditional));
    assert!(gaps(bare).contains(&Gap::Owner));
    let bare = bare.replace("resource);", "resource) when { true };");
    assert!(gaps(&bare).contains(&Gap::Unconditional));
}

#[test]
fn t38_only_the_action_release_will_do() {
    let found = check(&with("action == Action::\"release\"", "action")).unwrap_err();
    assert_eq!(found, [CheckError::OtherAction { id: ID() }]);
    let found = check(&with("action == Action::\"release\"", "action in [Action::\"release\"]")).unwrap_err();
    assert_eq!(found, [CheckError::OtherAction { id: ID() }]);
    assert!(!invalid(&with("Action::\"release\"", "Action::\"read-records\"")).is_empty());
}

#[test]
fn t38_misspelt_names_and_members_are_refused() {
    for (old, new) in [
        ("principal.vtpm.phase ==", "principal.vtpm.phaze =="),
        ("Phase::\"initrd\"", "Phase::\"initramfs\""),
        ("Phase::\"initrd\"", "\"initrd\""),
        ("Technology::\"sev-snp\"", "Technology::\"snp\""),
        ("Root::\"google\"", "Root::\"Google\""),
        ("principal has technology", "principal has tecnology"),
        ("principal.snp.reported_tcb.tee >= 0", "principal.snp.reported_tcb.tee >= \"0\""),
        // A claim without its test.
        ("principal has technology &&", ""),
        ("principal.vtpm has arguments &&", ""),
    ] {
        assert!(!invalid(&with(old, new)).is_empty(), "{new}");
    }
    for text in ["principal is Vn", "Phaze::\"initrd\" == Phaze::\"initrd\""] {
        assert!(CompiledPolicy::compile(&name("prod/p"), &with("principal has technology", text)).is_err());
    }
}

#[test]
fn t38_impossible_conditions_are_errors() {
    assert!(!invalid(&with("principal.vtpm.secure_boot.enabled", "false")).is_empty());
    let contradiction = with("principal.vtpm.secure_boot.enabled", "principal.snp.policy.debug");
    let contradiction = contradiction.replace(
        "principal.snp.policy.debug &&\n  !principal.vtpm.secure_boot",
        "principal has snp && principal.snp.policy.debug &&\n  !principal.vtpm.secure_boot",
    );
    assert_eq!(check(&contradiction), Err(vec![CheckError::NeverHolds { id: ID() }]));
}

#[test]
fn t38_ids_and_annotations_are_checked() {
    let error = |text: &str| CompiledPolicy::compile(&name("prod/p"), text).unwrap_err();
    assert_eq!(error(&with("@id(\"release\")", "")), PolicyError::MissingId { number: 1 });
    let malformed = PolicyError::MalformedId { id: "a b".to_owned() };
    assert_eq!(error(&with("@id(\"release\")", "@id(\"a b\")")), malformed);
    assert_eq!(error(&disk().repeat(2)), PolicyError::DuplicateId { id: ID() });
    let unknown = PolicyError::UnknownAnnotation { id: ID(), annotation: "accept".to_owned() };
    assert_eq!(error(&with("@for(\"disk\")", "@for(\"disk\") @accept(\"owner\")")), unknown);
    let unknown = PolicyError::UnknownPurpose { id: ID(), value: "disc".to_owned() };
    assert_eq!(error(&with("@for(\"disk\")", "@for(\"disc\")")), unknown);
    let unknown = PolicyError::UnknownAcceptance { id: ID(), code: "ovner".to_owned() };
    assert_eq!(error(&with("@for(\"disk\")", "@for(\"disk\") @accepts(\"phase, ovner\")")), unknown);
    let template = "@id(\"t\") permit (principal == ?principal, action == Action::\"release\", resource);";
    assert_eq!(error(template), PolicyError::Template);
}

#[test]
fn every_permit_says_what_it_is_for_and_no_forbid_does() {
    assert_eq!(check(&with("@for(\"disk\")", "")), Err(vec![CheckError::MissingPurpose { id: ID() }]));
    let app = disk().replace("@id(\"release\")", "@id(\"zwei\")").replace("@for(\"disk\")", "@for(\"app\")");
    let mixed = CheckError::MixedPurposes { id: "zwei".to_owned() };
    assert_eq!(check(&format!("{}{app}", disk())), Err(vec![mixed]));
    for annotation in ["@for(\"disk\")", "@accepts(\"owner\")"] {
        let forbid = format!(
            "@id(\"no\") {annotation} forbid (principal is Vm, action == Action::\"release\", resource)
             unless {{ principal has snp && principal.snp.vmpl == 0 }};"
        );
        let found = check(&format!("{}{forbid}", disk())).unwrap_err();
        assert_eq!(found, [CheckError::AnnotatedForbid { id: "no".to_owned() }]);
    }
}

#[test]
fn t38_malformed_digests_and_ids_are_refused() {
    let digest = "ab".repeat(48);
    for text in
        [digest.to_uppercase(), digest[2..].to_owned(), format!("{digest}ab"), format!("0x{}", &digest[2..])]
    {
        let found =
            check(&with("\"MEASUREMENT\"".replace("MEASUREMENT", &digest).as_str(), &format!("\"{text}\"")))
                .unwrap_err();
        let claim = "principal.snp.measurement".to_owned();
        assert_eq!(found, [CheckError::MalformedLiteral { id: ID(), claim, text }]);
    }
    for text in ["0x4d2", "01234567890", "123456789O", "18446744073709551616", "my-project"] {
        let found = check(&with("\"1234567890\"", &format!("\"{text}\""))).unwrap_err();
        let claim = "principal.vtpm.instance.project_number".to_owned();
        assert_eq!(found, [CheckError::MalformedLiteral { id: ID(), claim, text: text.to_owned() }]);
    }
    for condition in [
        "[\"AB\"].contains(principal.snp.measurement)",
        "principal.snp.measurement != \"AB\"",
        "\"AB\" == principal.snp.measurement",
        "(if principal.vtpm.secure_boot.enabled then \"AB\" else \"AC\") == principal.snp.measurement",
        "principal.snp.measurement like \"ab*\"",
        "principal.vtpm has efi_applications && principal.vtpm.efi_applications.containsAny([\"AB\"])",
        "principal.vtpm has stub_sections && principal.vtpm.stub_sections.contains(\".linux\")",
        "principal.vtpm has pcrs && principal.vtpm.pcrs.pcr7 == \"00\"",
        "principal.vtpm.secure_boot has db && principal.vtpm.secure_boot.db == \"00\"",
        "principal.snp has current_mitigations && principal.snp.current_mitigations == \"3\"",
    ] {
        let text =
            with("!principal.snp.policy.debug", &format!("!principal.snp.policy.debug && ({condition})"));
        let found = check(&text).unwrap_err();
        assert!(matches!(found[..], [CheckError::MalformedLiteral { .. }]), "{condition}: {found:?}");
    }
}

#[test]
fn t38_unknown_and_foreign_baselines_are_refused() {
    assert_eq!(check(&with("prod/web", "shared/web")), Ok(()));
    let found = check(&with("prod/web", "prod/wbe")).unwrap_err();
    assert_eq!(found, [CheckError::UnknownBaseline { id: ID(), name: name("prod/wbe") }]);
    let found = check(&with("prod/web", "dev/web")).unwrap_err();
    assert_eq!(found, [CheckError::ForeignBaseline { id: ID(), name: name("dev/web") }]);
    let error = CompiledPolicy::compile(&name("prod/p"), &with("prod/web", "web")).unwrap_err();
    assert_eq!(error, PolicyError::BaselineName { id: ID(), name: "web".to_owned() });
}

#[test]
fn t38_secrets_of_another_namespace_are_refused() {
    for (scope, foreign) in [
        ("resource == Secret::\"prod/db/disk\"", None),
        ("resource in Namespace::\"prod\"", None),
        ("resource == Secret::\"dev/db/disk\"", Some("dev/db/disk")),
        ("resource in Namespace::\"dev\"", Some("dev")),
        ("resource is Secret in Namespace::\"dev\"", Some("dev")),
    ] {
        let expected =
            foreign.map(|name| vec![CheckError::ForeignResource { id: ID(), name: name.to_owned() }]);
        assert_eq!(check(&with("resource is Secret", scope)).err(), expected, "{scope}");
    }
}

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

/// The policy without its SNP half.
fn closed_vtpm() -> String {
    let text = disk();
    let start = text.find(" &&\n  principal has snp.root").unwrap();
    format!("{}\n}};\n", &text[..start])
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
fn t48_disks_name_the_instance() {
    let text = with("principal.vtpm.instance.instance_id == \"42\" &&", "");
    assert_eq!(gaps(&text), [Gap::Instance]);
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

#[test]
fn t27_pcr_7_alone_is_refused() {
    let text = closed_vtpm().replace("principal in Baseline::\"prod/web\" &&", "");
    let everything = || vec![ChainPart::Images, ChainPart::Files, ChainPart::CommandLine];
    let alone = || [Gap::Pcr7Alone { open: everything() }];
    assert_eq!(gaps(&text), alone());
    let (enabled, verifies) =
        ("principal.vtpm.secure_boot.enabled", "!principal.vtpm.secure_boot.shim_validation_disabled");
    let pcr7 = format!("principal.vtpm has pcrs && principal.vtpm.pcrs.pcr7 == \"{}\"", "0".repeat(64));
    assert_eq!(gaps(&text.replace(enabled, &pcr7)), alone());
    let accepted = |text: &str| gaps(&text.replace("@for", "@accepts(\"pcr7-alone\") @for"));
    assert_eq!(accepted(&text), []);
    // The acknowledgement covers kernels signed by vendors, not a shim that verifies nothing.
    assert_eq!(accepted(&text.replace(&format!("{verifies} &&"), "")), [Gap::ShimValidation]);
    let inverted = text.replace(verifies, "principal.vtpm.secure_boot.shim_validation_disabled");
    assert_eq!(accepted(&inverted), [Gap::ShimValidation]);
    // The value of PCR 7 includes shim's switch, and so does a closed list of authorities.
    assert_eq!(accepted(&text.replace(enabled, &pcr7).replace(&format!("{verifies} &&"), "")), []);
    let authorities = format!(
        "principal.vtpm.secure_boot has authorities && [\"{}\"].containsAll(principal.vtpm.secure_boot.authorities)",
        "0".repeat(64)
    );
    assert_eq!(accepted(&text.replace(verifies, &authorities)), []);
    assert_eq!(gaps(&text.replace(&format!("{enabled} &&"), "")), [Gap::BootChain { open: everything() }]);
}

/// The policy on a vTPM alone, with this instead of a baseline.
fn with_chain(chain: &str) -> Vec<Gap> {
    let text = closed_vtpm().replace("principal.vtpm.secure_boot.enabled &&", "");
    gaps(&text.replace("principal in Baseline::\"prod/web\"", &format!("principal.vtpm has pcrs && {chain}")))
}

fn pcr(index: u8) -> String {
    format!("principal.vtpm.pcrs.pcr{index} == \"{}\"", "1".repeat(64))
}

fn only(claim: &str) -> String {
    let item = if claim == "stub_sections" { ".linux=" } else { "" };
    let item = format!("{item}{}", "0".repeat(64));
    format!("principal.vtpm has {claim} && [\"{item}\"].containsAll(principal.vtpm.{claim})")
}

/// Conditions that determine parts of a boot chain.
struct Conditions {
    images: String,
    files: String,
    sections: String,
    line: String,
    no_grub: String,
    no_extensions: String,
    two_images: String,
}

fn conditions() -> Conditions {
    let images = only("efi_applications");
    Conditions {
        two_images: images.replace("[\"", &format!("[\"{}\", \"", "1".repeat(64))),
        images,
        files: only("grub_files"),
        sections: only("stub_sections"),
        line: "principal.vtpm.command_line == \"k panic=-1\"".to_owned(),
        no_grub: unextended(8),
        no_extensions: unextended(13),
    }
}

fn unextended(index: u8) -> String {
    format!("principal.vtpm.pcrs.pcr{index} == \"{}\"", "0".repeat(64))
}

/// A policy with this chain leaves exactly these parts of it open.
fn assert_open<const N: usize>(chain: [&str; N], open: &[ChainPart]) {
    let expected = if open.is_empty() { vec![] } else { vec![Gap::BootChain { open: open.to_vec() }] };
    assert_eq!(with_chain(&chain.join(" && ")), expected, "{chain:?}");
}

#[test]
fn t53_every_part_of_a_grub_boot_has_to_be_determined() {
    use ChainPart::{CommandLine, Files, Images};
    let Conditions { images, files, line, no_grub, no_extensions, .. } = &conditions();
    let commands =
        "principal.vtpm has grub_commands && [\"linux /k\"].containsAll(principal.vtpm.grub_commands)";
    let [pcr2, pcr4, pcr8, pcr9, pcr12] = &[2, 4, 8, 9, 12].map(pcr);
    // A single part: another kernel with an attacker's initrd passes.
    assert_open([line], &[Images, Files]);
    assert_open([pcr8], &[Images, Files]);
    assert_open([pcr9], &[Images, CommandLine]);
    assert_open([files], &[Images, CommandLine]);
    assert_open([images], &[Files, CommandLine]);
    assert_open([pcr4], &EVERYTHING);
    // Two of them.
    assert_open([images, files], &[CommandLine]);
    assert_open([images, line], &[Files]);
    assert_open([files, line], &[Images]);
    // Drivers and, on TDX firmware, unified kernel images are in PCR 2.
    assert_open([pcr4, pcr8, pcr9], &[Images]);
    // All of it.
    assert_open([images, files, line], &[]);
    assert_open([images, pcr9, pcr8], &[]);
    assert_open([pcr4, pcr2, pcr9, pcr8], &[]);
    assert_open([images, files, commands], &[]);
    // PCR 8 at its reset value is not a command line, and does not indicate a unified kernel image.
    assert_open([images, files, no_grub, pcr12], &[CommandLine]);
    assert_open([images, no_grub, no_extensions], &[Files, CommandLine]);
}

#[test]
fn t53_every_part_of_a_unified_kernel_image_has_to_be_determined() {
    use ChainPart::{CommandLine, Extensions, Files, Grub, Images, Order};
    let Conditions { images, files, sections, no_grub, no_extensions, two_images, .. } = &conditions();
    let [pcr2, pcr4, pcr11] = &[2, 4, 11].map(pcr);
    // Any kernel can extend PCR 11 with any section, even one started by GRUB: only the image shows that
    // it was the stub.
    assert_open([sections], &[Images, Grub, Extensions]);
    assert_open([pcr11], &[Images, Grub, Extensions]);
    assert_open([&unextended(11), images, no_grub, no_extensions], &[Files, CommandLine]);
    assert_open([images, sections], &[Grub, Extensions]);
    assert_open([images, sections, no_grub], &[Extensions]);
    assert_open([images, sections, no_extensions], &[Grub]);
    assert_open([files, sections], &[Images, CommandLine]);
    // One of two images may be the kernel inside the other.
    assert_open([two_images, sections, no_grub, no_extensions], &[Order]);
    assert_open([two_images, pcr4, sections, no_grub, no_extensions], &[Order]);
    // All of it.
    assert_open([images, sections, no_grub, no_extensions], &[]);
    assert_open([images, pcr11, no_grub, no_extensions], &[]);
    assert_open([two_images, files, sections, no_grub, no_extensions], &[]);
    assert_open([pcr2, pcr4, sections, no_grub, no_extensions], &[]);
}

#[test]
fn t53_options_from_outside_a_unified_kernel_image_have_to_be_ruled_out() {
    // A known command line proves that there are none.
    let Conditions { images, sections, no_grub, no_extensions, .. } = conditions();
    let text = closed_vtpm()
        .replace("principal.vtpm.secure_boot.enabled &&", "")
        .replace("principal.vtpm has command_line &&\n  principal.vtpm.command_line like \"*\" &&", "")
        .replace("principal.vtpm has arguments &&", "")
        .replace("principal.vtpm.arguments.contains(\"panic=-1\")", "true")
        .replace("@for", "@accepts(\"failure-shell\") @for");
    let chain = |chain: &str| {
        let conditions = format!("principal.vtpm has pcrs && {chain}");
        gaps(&text.replace("principal in Baseline::\"prod/web\"", &conditions))
    };
    let unified = format!("{images} && {sections} && {no_grub} && {no_extensions}");
    assert_eq!(chain(&unified), [Gap::BootChain { open: vec![ChainPart::Options] }]);
    assert_eq!(chain(&format!("{unified} && {}", pcr(12))), []);
}

const EVERYTHING: [ChainPart; 3] = [ChainPart::Images, ChainPart::Files, ChainPart::CommandLine];

#[test]
fn t49_that_a_digest_is_among_those_measured_says_nothing() {
    let digest = "0".repeat(64);
    let open = [Gap::BootChain { open: EVERYTHING.to_vec() }];
    for among in [
        format!("principal.vtpm has grub_files && principal.vtpm.grub_files.contains(\"{digest}\")"),
        format!("principal.vtpm has grub_files && principal.vtpm.grub_files.containsAll([\"{digest}\"])"),
        format!("principal.vtpm has grub_files && [\"{digest}\"].containsAny(principal.vtpm.grub_files)"),
        "principal.vtpm has grub_files && principal.vtpm has efi_applications && \
             principal.vtpm.grub_files.containsAll(principal.vtpm.efi_applications)"
            .to_owned(),
        format!("!({})", pcr(4)),
    ] {
        assert_eq!(with_chain(&among), open, "{among}");
    }
    // Equality of sets leaves no other members.
    let equal =
        |claim: &str| format!("principal.vtpm has {claim} && principal.vtpm.{claim} == [\"{digest}\"]");
    let all = format!("{} && {} && {}", equal("efi_applications"), equal("grub_files"), pcr(8));
    assert_eq!(with_chain(&all), []);
}

#[test]
fn t53_baselines_count_by_their_lists() {
    let measurement = format!("principal.snp.measurement == \"{}\" &&", "ab".repeat(48));
    let text = with(&measurement, "");
    let two = text.replace(
        "principal in Baseline::\"prod/web\"",
        "principal in [Baseline::\"prod/web\", Baseline::\"prod/old\"]",
    );
    let both = text.replace(
        "principal in Baseline::\"prod/web\"",
        "principal in Baseline::\"prod/web\" && principal in Baseline::\"prod/old\"",
    );
    let (listed, open) = (firmware_baseline(&["snp"]), firmware_baseline(&["tdx"]));
    let check = |text: &str, old: &Baseline| {
        let mut known = KnownBaselines::default();
        known.insert(name("prod/web"), &listed, false);
        known.insert(name("prod/old"), old, false);
        let found = policy(text).check(&known, NOW);
        found.err().map(|found| found.as_slice().to_vec()).unwrap_or_default()
    };
    let firmware = Gap::Firmware { claim: "principal.snp.measurement" };
    assert_eq!(check(&text, &open), []);
    assert_eq!(check(&two, &listed), []);
    // If one of two is sufficient, each must list the firmware. If both are required, one is enough.
    assert_eq!(check(&two, &open), [CheckError::Gap { id: ID(), gap: firmware }]);
    assert_eq!(check(&both, &open), []);
}

#[test]
fn t28_a_permit_that_rests_on_a_baseline_without_members_is_refused() {
    let baseline = firmware_baseline(&["snp"]);
    let mut known = KnownBaselines::default();
    known.insert(name("prod/web"), &baseline, true);
    let found = policy(&disk()).check(&known, NOW).unwrap_err();
    assert_eq!(found.as_slice(), [CheckError::RevokedBaseline { id: ID(), name: name("prod/web") }]);
    known.insert(name("prod/web"), &baseline, false);
    let ends_at = baseline.ends_at;
    assert!(policy(&disk()).check(&known, UnixTime(ends_at.0 - 1)).is_ok());
    let found = policy(&disk()).check(&known, ends_at).unwrap_err();
    assert_eq!(found.as_slice(), [CheckError::EndedBaseline { id: ID(), name: name("prod/web"), ends_at }]);
}

#[test]
fn t01_a_composite_needs_a_boot_chain() {
    assert_eq!(
        gaps(&with("principal in Baseline::\"prod/web\" &&", "")),
        [Gap::CompositeBootChain { open: EVERYTHING.to_vec() }]
    );
}

#[test]
fn t31_disks_are_for_the_phase_initrd() {
    assert_eq!(gaps(&with("principal.vtpm.phase == Phase::\"initrd\" &&", "")), [Gap::Phase]);
    assert_eq!(gaps(&with("Phase::\"initrd\"", "Phase::\"latched\"")), [Gap::Phase]);
    assert_eq!(gaps(&with("principal.vtpm.phase ==", "principal.vtpm.phase !=")), [Gap::Phase]);
    // Anything but a disk is released in any phase.
    let app =
        with("principal.vtpm.phase == Phase::\"initrd\" &&", "").replace("@for(\"disk\")", "@for(\"app\")");
    assert_eq!(gaps(&app), []);
}

#[test]
fn t35_disks_rule_out_a_failure_shell() {
    let shell = "principal.vtpm.arguments.contains(\"panic=-1\")";
    for open in [
        "principal.vtpm.arguments.contains(\"quiet\")",
        "principal.vtpm.arguments.contains(\"panic=\")",
        "principal.vtpm.arguments.contains(\"panic=0\")",
        // Not numbers to initramfs-tools.
        "principal.vtpm.arguments.contains(\"panic=-2\")",
        "principal.vtpm.arguments.contains(\"panic=+5\")",
        "principal.vtpm.arguments.contains(\"panic=1s\")",
        // `words`, which has every possible reading of a line, proves no argument.
        "principal.vtpm has words && principal.vtpm.words.contains(\"panic=-1\")",
        // The last one takes effect.
        "principal.vtpm.command_line == \"/vmlinuz panic=-1 panic=0\"",
        "principal.vtpm.command_line == \"/vmlinuz panic=-1 a=\\\"b panic=0\\\"\"",
        "principal.vtpm.command_line == \"/vmlinuz rd.shell=0 rd.emergency=reboot rd.shell\"",
        "principal.vtpm.arguments.contains(\"rd.shell=0\")",
        "!principal.vtpm.arguments.contains(\"panic=-1\")",
        "(principal.vtpm.arguments.contains(\"panic=-1\") || principal.vtpm.secure_boot.enabled)",
    ] {
        assert_eq!(gaps(&with(shell, open)), [Gap::FailureShell], "{open}");
    }
    for closed in [
        "principal.vtpm.arguments.contains(\"panic=10\")",
        "principal.vtpm.arguments.containsAll([\"rd.shell=0\", \"rd.emergency=reboot\"])",
        "principal.vtpm.arguments.contains(\"rd.shell=0\") && principal.vtpm.arguments.contains(\"rd.emergency=reboot\")",
        "principal.vtpm.command_line == \"/vmlinuz ro panic=-1\"",
        "principal.vtpm.command_line == \"/vmlinuz ro panic=0 panic=-1\"",
    ] {
        assert_eq!(gaps(&with(shell, closed)), [], "{closed}");
    }
}

#[test]
fn too_many_alternatives_are_refused() {
    let choice = "(principal.snp.vmpl == 0 || principal.snp.guest_svn == 0)";
    let choices: Vec<String> = (0..10).map(|n| choice.replace("== 0", &format!("== {n}"))).collect();
    let text = with(
        "!principal.snp.policy.debug",
        &format!("!principal.snp.policy.debug && {}", choices.join(" && ")),
    );
    assert_eq!(check(&text), Err(vec![CheckError::TooComplex { id: ID() }]));
}

#[test]
fn each_acceptance_has_a_code() {
    for acceptance in Acceptance::ALL {
        assert_eq!(Acceptance::from_code(acceptance.code()), Some(*acceptance));
    }
    assert_eq!(Acceptance::from_code(""), None);
}

#[test]
fn project_numbers_are_those_of_permits() {
    let compiled = CompiledPolicy::compile(&name("prod/p"), &disk()).unwrap();
    assert_eq!(*compiled.project_numbers(), BTreeSet::from([1_234_567_890]));
}
