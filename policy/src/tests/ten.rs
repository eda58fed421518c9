//! Ten policies as people first write them: each accepted or rejected as it should be, with comprehensible
//! messages.

use super::*;

/// A permit with these annotations and conditions.
fn policy_of(annotations: &str, head: &str, conditions: &[&str]) -> String {
    format!(
        "@id(\"release\") {annotations}\npermit ({head}, action == Action::\"release\", resource is Secret)\nwhen {{\n  {}\n}};\n",
        conditions.join(" &&\n  ")
    )
}

/// The findings of registration, one per line; empty if it accepts the policy.
fn said(text: &str, baselines: &KnownBaselines) -> Vec<String> {
    let compiled =
        CompiledPolicy::compile(&name("prod/p"), text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let found = compiled.check(baselines, NOW);
    found.map_or_else(|found| found.as_slice().iter().map(ToString::to_string).collect(), |_| Vec::new())
}

fn assert_accepted(text: &str) {
    assert_eq!(said(text, &known(&["prod/web", "prod/next"])), [""; 0], "{text}");
}

fn assert_said(text: &str, expected: &[&str]) {
    assert_eq!(said(text, &known(&["prod/web", "prod/next"])), expected, "{text}");
}

const VM: &str = "principal is Vm";
const DISK: &str = "@for(\"disk\")";
const APP: &str = "@for(\"app\")";
const OWNER: &str = "principal has vtpm.instance && principal.vtpm.root == Root::\"google\" && \
     principal.vtpm.instance.project_number == \"123456789012\"";
const INSTANCE: &str = "principal.vtpm.instance.instance_id == \"4567890123456789012\"";
const SNP: &str = "principal has technology && principal.technology == Technology::\"sev-snp\"";
const MEMBER: &str = "principal in Baseline::\"prod/web\"";
const INITRD: &str = "principal.vtpm.phase == Phase::\"initrd\" && principal.vtpm has arguments && \
     principal.vtpm.arguments.contains(\"panic=-1\")";
const TOKEN: &str = "principal has google_token.instance && principal.google_token.root == Root::\"google\" && \
     principal.google_token.instance.project_number == \"123456789012\"";
const PLAIN: &str = "principal.google_token.software_name == SoftwareName::\"GCE\"";
const SEV: &str = "principal has technology && principal.technology == Technology::\"sev\"";

const CHAIN_OPEN: &str = "release: what boots is not determined; open: the images (another loader can boot anything and extend the \
     other PCRs itself: require [\"…\"].containsAll(principal.vtpm.efi_applications), or compare PCR 2 and PCR 4), the files (the same GRUB \
     can load an attacker's kernel or initrd: require [\"…\"].containsAll(principal.vtpm.grub_files), or compare PCR 9); require \
     a baseline, or determine all of them (or acknowledge it: @accepts(\"boot-chain\"))";

#[test]
fn one_the_disk_of_an_snp_vm() {
    assert_accepted(&policy_of(DISK, VM, &[OWNER, INSTANCE, SNP, MEMBER, INITRD]));
    // Only its command line: another kernel with an attacker's initrd has the same (T53).
    let line = "principal.vtpm has command_line && principal.vtpm.command_line == \"/vmlinuz root=/dev/mapper/root panic=-1\"";
    assert_said(&policy_of(DISK, VM, &[OWNER, INSTANCE, SNP, line, INITRD]), &[CHAIN_OPEN]);
}

#[test]
fn two_an_app_in_a_trust_domain() {
    let quote = "principal has tdx.tcb && principal.tdx.root == Root::\"intel\" && \
         principal.tdx.tcb.status == TcbStatus::\"up-to-date\" && principal.tdx.tcb.evaluation_data_number >= 17";
    let technology = "principal has technology && principal.technology == Technology::\"tdx\"";
    assert_accepted(&policy_of(APP, VM, &[OWNER, technology, quote, MEMBER]));
    let bare = "principal has tdx.tcb && principal.tdx.root == Root::\"intel\"";
    assert_said(
        &policy_of(APP, VM, &[OWNER, technology, bare, MEMBER]),
        &[
            "release: no condition on principal.tdx.tcb.status: a platform that Intel reports as out of date passes; require \
             [TcbStatus::\"up-to-date\", …].contains(principal.tdx.tcb.status) (or acknowledge it: @accepts(\"tcb-floor\"))",
            "release: no minimum for principal.tdx.tcb.evaluation_data_number: an old list reports a platform with known \
             vulnerabilities as up to date; require principal.tdx.tcb.evaluation_data_number >= … (or acknowledge it: @accepts(\"tcb-floor\"))",
        ],
    );
}

#[test]
fn three_a_token_and_nothing_else() {
    let conditions = [TOKEN, PLAIN, "principal.google_token.secure_boot", SEV];
    assert_accepted(&policy_of("@for(\"app\") @accepts(\"token-alone\")", VM, &conditions));
    assert_said(
        &policy_of(APP, VM, &conditions),
        &[
            "release: a token alone says nothing about the kernel: whoever can write the VM's disk can boot another one; also \
           require a vTPM with a baseline (or acknowledge it: @accepts(\"token-alone\"))",
        ],
    );
}

#[test]
fn four_a_fleet_by_project() {
    assert_accepted(&policy_of(APP, VM, &[OWNER, SNP, MEMBER]));
    let anybody = "principal has vtpm.instance && principal.vtpm.root == Root::\"google\" && \
         principal.vtpm.instance.project_id like \"acme-*\"";
    assert_said(
        &policy_of(APP, VM, &[anybody, SNP, MEMBER]),
        &["release: VMs of any owner pass: anyone can boot the same image in another project; compare \
           principal.vtpm.instance.project_number, or principal.google_token's, with yours (or acknowledge it: @accepts(\"owner\"))"],
    );
}

#[test]
fn five_a_service_account() {
    let account = "principal.google_token has service_accounts && \
         principal.google_token.service_accounts.contains(\"db@prod.iam.gserviceaccount.com\")";
    assert_accepted(&policy_of(APP, VM, &[OWNER, SNP, MEMBER, TOKEN, PLAIN, account]));
    assert_said(
        &policy_of(APP, VM, &[OWNER, SNP, MEMBER, TOKEN, account]),
        &[
            "release: the token may be for Confidential Space's debug image, whose operator can log in and read the workload's \
           memory; require principal.google_token.debug_disabled, or exclude Confidential Space: principal.google_token.software_name == \
           SoftwareName::\"GCE\" (or acknowledge it: @accepts(\"debug\"))",
        ],
    );
}

#[test]
fn six_an_image_of_confidential_space() {
    let annotations = "@for(\"app\") @accepts(\"token-alone\")";
    let image = format!(
        "principal.google_token has container && principal.google_token.container.image_digest == \"sha256:{}\"",
        "ab".repeat(32)
    );
    let production = "principal.google_token has debug_disabled && principal.google_token.debug_disabled";
    assert_accepted(&policy_of(annotations, VM, &[TOKEN, SEV, &image, production]));
    let found = said(&policy_of(annotations, VM, &[TOKEN, SEV, &image]), &known(&[]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("Confidential Space's debug image"), "{found:?}");
}

#[test]
fn seven_instances_by_their_ids() {
    let ids = "[\"1\", \"2\", \"3\"].contains(principal.vtpm.instance.instance_id)";
    assert_accepted(&policy_of(DISK, VM, &[OWNER, ids, SNP, MEMBER, INITRD]));
    assert_said(
        &policy_of(
            DISK,
            VM,
            &[OWNER, "principal.vtpm.instance.instance_name == \"db-1\"", SNP, MEMBER, INITRD],
        ),
        &[
            "release: any VM of the project opens the disk, including one that a project editor creates; compare \
           principal.vtpm.instance.instance_id, or principal.google_token's (or acknowledge it: @accepts(\"instance\"))",
        ],
    );
}

#[test]
fn eight_a_baseline_in_the_head() {
    for head in ["principal in Baseline::\"prod/web\"", "principal is Vm in Baseline::\"prod/web\""] {
        assert_accepted(&policy_of(APP, head, &[OWNER, SNP]));
    }
    let found =
        said(&policy_of(APP, "principal in Baseline::\"prod/wbe\"", &[OWNER, SNP]), &known(&["prod/web"]));
    assert_eq!(found, ["release: there is no baseline prod/wbe: put the baseline first"]);
}

#[test]
fn nine_until_a_day() {
    let until = "context.now < datetime(\"2026-12-31\")";
    assert_accepted(&policy_of(APP, VM, &[OWNER, SNP, MEMBER, until]));
    // An expired baseline is a finding, whatever date the policy sets.
    let mut ended = KnownBaselines::default();
    ended.insert(name("prod/web"), &Baseline { ends_at: NOW, ..firmware_baseline(&["snp"]) }, false);
    assert_eq!(
        said(&policy_of(APP, VM, &[OWNER, SNP, MEMBER, until]), &ended),
        [format!(
            "release: baseline prod/web expired at {NOW}, so no VM is a member of it: put a new version of it, or remove it \
             from the policy"
        )]
    );
}

#[test]
fn ten_one_of_two_baselines() {
    let either = "principal in [Baseline::\"prod/web\", Baseline::\"prod/next\"]";
    let or = "(principal in Baseline::\"prod/web\" || principal in Baseline::\"prod/next\")";
    let report = "principal has snp.root && principal.snp.root == Root::\"amd\" && !principal.snp.policy.debug && \
         principal.snp.reported_tcb.boot_loader >= 1 && principal.snp.reported_tcb.tee >= 1 && \
         principal.snp.reported_tcb.snp >= 1 && principal.snp.reported_tcb.microcode >= 1";
    for member in [either, or] {
        let text = policy_of(APP, VM, &[OWNER, SNP, member, report]);
        assert_accepted(&text);
        let mut one_without = known(&["prod/web"]);
        one_without.insert(name("prod/next"), &firmware_baseline(&[]), false);
        assert_eq!(
            said(&text, &one_without),
            [
                "release: any firmware passes, including an attacker's, which can log whatever it likes: compare \
              principal.snp.measurement, or require its endorsement's svn >= …, or a baseline, where each one that is \
              named must list the firmware (or acknowledge it: @accepts(\"firmware\"))"
            ]
        );
    }
}

#[test]
fn t38_a_policy_with_notes_is_accepted() {
    let test = [
        "principal has vtpm.instance && principal.vtpm.root == Root::\"extra\" && \
         principal.vtpm.instance.project_number == \"1\"",
        "principal has technology && [Technology::\"none\", Technology::\"sev\"].contains(principal.technology)",
        MEMBER,
    ];
    let notes = policy(&policy_of(APP, VM, &test)).check(&known(&["prod/web"]), NOW).unwrap();
    assert_eq!(notes, [Note::NoTechnology, Note::ExtraRoot { claim: "principal.vtpm.root" }]);
    let plain = policy(&policy_of(APP, VM, &[OWNER, SNP, MEMBER])).check(&known(&["prod/web"]), NOW);
    assert_eq!(plain, Ok(Vec::new()));
    // A forbid prevents it.
    let forbid = "@id(\"no\") forbid (principal is Vm, action == Action::\"release\", resource)
        unless { principal has technology && principal.technology == Technology::\"sev\" };";
    let text = format!("{}{forbid}", policy_of(APP, VM, &test));
    let notes = policy(&text).check(&known(&["prod/web"]), NOW).unwrap();
    assert_eq!(notes, [Note::ExtraRoot { claim: "principal.vtpm.root" }]);
}

#[test]
fn t28_a_baseline_that_allows_replaced_entries_is_named() {
    let mut baseline = firmware_baseline(&["snp", "tdx"]);
    let times = [1, 2, 5000].map(|seconds| UnixTime(NOW.0 + seconds));
    baseline.until = times.map(|until| (until, ExpiringEntries::default())).into();
    let mut known = KnownBaselines::default();
    known.insert(name("prod/web"), &baseline, false);
    let policy = policy(&policy_of(APP, VM, &[OWNER, SNP, MEMBER]));
    let notes = |now| policy.check(&known, now).unwrap();
    let note = |until| vec![Note::ExpiringEntries { name: name("prod/web"), until }];
    assert_eq!(notes(NOW), note(times[0]));
    assert_eq!(notes(times[0]), note(times[1]));
    // The baseline ends before the last of them.
    assert_eq!(notes(times[1]), []);
}

#[test]
fn t53_images_in_any_order_are_named_and_accepted() {
    let digest = "ab".repeat(32);
    let closed = |claim: &str, list: &str| {
        format!("principal.vtpm has {claim} && [{list}].containsAll(principal.vtpm.{claim})")
    };
    let one = format!("\"{digest}\"");
    let files = closed("grub_files", &one);
    let line = "principal.vtpm has command_line && principal.vtpm.command_line == \"/vmlinuz ro\"";
    let notes = |images: &str, more: &str| {
        let images = closed("efi_applications", images);
        let text = policy_of(APP, VM, &[OWNER, SNP, &images, &files, line, more]);
        policy(&text).check(&known(&["prod/web"]), NOW).unwrap()
    };
    let several = format!("{one}, \"{}\"", "cd".repeat(32));
    assert_eq!(notes(&several, "true"), [Note::ImagesInAnyOrder]);
    // With one register still open.
    let pcr = |index: u8| format!("principal.vtpm has pcrs && principal.vtpm.pcrs.pcr{index} == {one}");
    assert_eq!(notes(&several, &pcr(4)), [Note::ImagesInAnyOrder]);
    for ordered in [format!("{} && {}", pcr(2), pcr(4)), MEMBER.to_owned()] {
        assert_eq!(notes(&several, &ordered), [], "{ordered}");
    }
    assert_eq!(notes(&one, "true"), []);
}

#[test]
fn a_technology_may_be_the_one_that_the_evidence_names() {
    for technology in [
        "principal.vtpm has technology && principal.vtpm.technology == Technology::\"sev-snp\"",
        "principal has google_token && principal.google_token.technology == Technology::\"sev-snp\"",
    ] {
        let token = if technology.contains("google") { vec![TOKEN, PLAIN] } else { vec![] };
        assert_accepted(&policy_of(APP, VM, &[vec![OWNER, MEMBER, technology], token].concat()));
    }
}
