//! What registration rejects: a valid policy, broken in one place at a time.

mod boot_chain;
mod disks;
mod references;
mod required_claims;

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

/// The policy without its SNP half.
fn closed_vtpm() -> String {
    let text = disk();
    let start = text.find(" &&\n  principal has snp.root").unwrap();
    format!("{}\n}};\n", &text[..start])
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
