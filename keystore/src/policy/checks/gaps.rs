//! What one way of allowing a release leaves open.

use super::facts::Facts;
use super::findings::Gap;
use crate::policy::purpose::Purpose;

/// The pieces of evidence that a way asks for.
struct Kinds {
    vtpm: bool,
    snp: bool,
    tdx: bool,
    token: bool,
}

impl Kinds {
    fn of(facts: &Facts<'_>) -> Self {
        Self {
            vtpm: facts.has("vtpm"),
            snp: facts.has("snp"),
            tdx: facts.has("tdx"),
            token: facts.has("google_token"),
        }
    }

    const fn count(&self) -> u8 {
        self.vtpm as u8 + self.snp as u8 + self.tdx as u8 + self.token as u8
    }
}

pub(super) fn of(facts: &Facts<'_>, purpose: Option<Purpose>) -> Vec<Gap> {
    let kinds = Kinds::of(facts);
    let mut gaps = Vec::new();
    gaps.extend(facts.absent().map(|claim| Gap::MissingClaim { claim }));
    gaps.extend(roots(facts, &kinds));
    if !names_instance(facts, "project_number") {
        gaps.push(Gap::Owner);
    }
    if !facts.equals("technology") {
        gaps.push(Gap::Technology);
    }
    if kinds.snp {
        gaps.extend(snp(facts));
    }
    if kinds.tdx {
        gaps.extend(tdx(facts));
    }
    if kinds.token {
        gaps.extend(token(facts));
    }
    gaps.extend(boot(facts, &kinds));
    if purpose == Some(Purpose::Disk) {
        gaps.extend(disk(facts));
    }
    gaps
}

/// Each piece of evidence is restricted to roots, and each launch endorsement.
fn roots(facts: &Facts<'_>, kinds: &Kinds) -> Vec<Gap> {
    let members = facts.members("roots");
    let names = |root: &str| members.iter().any(|member| member == root);
    // `roots` has the root of every piece, so that a bound on all of them bounds each. That it has Google's says
    // nothing about one piece: there are three that Google can vouch for. AMD's and Intel's come from one piece each.
    let bound = facts.within("roots");
    // A report whose root is withheld (T11) has none among the roots.
    let snp = facts.equals("snp.root") || names("amd");
    let restricted = |claim: &str| bound || facts.equals(claim);
    let found = [
        (kinds.vtpm || kinds.count() == 0, restricted("vtpm.root"), "principal.vtpm.root"),
        (kinds.snp, snp, "principal.snp.root"),
        (kinds.tdx, restricted("tdx.root") || names("intel"), "principal.tdx.root"),
        (kinds.token, restricted("google_token.root"), "principal.google_token.root"),
        (facts.has("snp.endorsement"), restricted("snp.endorsement.root"), "principal.snp.endorsement.root"),
        (facts.has("tdx.endorsement"), restricted("tdx.endorsement.root"), "principal.tdx.endorsement.root"),
    ];
    let open = found.into_iter().filter(|(asked, restricted, _)| *asked && !restricted);
    open.map(|(_, _, claim)| Gap::Root { claim }).collect()
}

/// A member of the instance, by the AK certificate or by a token: where there are both, they name the same one.
fn names_instance(facts: &Facts<'_>, member: &str) -> bool {
    INSTANCES.iter().any(|instance| facts.equals(&format!("{instance}.{member}")))
}

fn snp(facts: &Facts<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if !facts.flag("snp.policy.debug", false) {
        gaps.push(Gap::Debug);
    }
    let floored = |component: &&&str| facts.floor(&format!("snp.reported_tcb.{component}"));
    let missing = SNP_COMPONENTS.iter().find(|component| !floored(component));
    gaps.extend(missing.map(|component| Gap::TcbFloor { component }));
    if !knows_firmware(facts, "snp.measurement", "snp.endorsement.svn") {
        gaps.push(Gap::Firmware { claim: "principal.snp.measurement" });
    }
    gaps
}

/// Debugging is refused when the quote is verified.
fn tdx(facts: &Facts<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    // T18: by name, since the names have no order that holds for everybody.
    if !facts.equals("tdx.tcb.status") {
        gaps.push(Gap::TcbStatus);
    }
    // Without this floor the status may be that of an old list.
    if !facts.floor("tdx.tcb.evaluation_data_number") {
        gaps.push(Gap::EvaluationFloor);
    }
    if !knows_firmware(facts, "tdx.mr_td", "tdx.endorsement.svn") {
        gaps.push(Gap::Firmware { claim: "principal.tdx.mr_td" });
    }
    gaps
}

/// One of these measurements, Google's word with a floor, or a baseline.
fn knows_firmware(facts: &Facts<'_>, measurement: &str, svn: &str) -> bool {
    facts.equals(measurement) || facts.floor(svn) || facts.in_baseline()
}

/// Of an image of Confidential Space a token says whether it can be debugged.
fn token(facts: &Facts<'_>) -> Option<Gap> {
    let software = facts.values("google_token.software_name");
    let space = software.iter().any(|name| name == "CONFIDENTIAL_SPACE");
    (space && !facts.flag("google_token.debug_disabled", true)).then_some(Gap::TokenDebug)
}

/// Something that what booted is compared with (T01, T27). The whole command line counts, single arguments do not.
///
/// Which log it is from does not matter for a composite: a boot that is approved in either lets nobody have evidence made
/// that links to another VM's.
fn boot(facts: &Facts<'_>, kinds: &Kinds) -> Option<Gap> {
    let chain = facts.in_baseline()
        || PINNED.iter().any(|claim| facts.equals(claim))
        || CLOSED.iter().any(|claim| facts.within(claim));
    if chain {
        return None;
    }
    let secure_boot = SECURE_BOOT.iter().any(|claim| facts.reads(claim));
    match kinds {
        Kinds { vtpm: false, snp: false, tdx: false, token: true } => Some(Gap::TokenAlone),
        // SNP alone says nothing above the firmware; that it names no owner is a gap of its own.
        Kinds { vtpm: false, snp: true, tdx: false, token: false } => None,
        _ if kinds.count() > 1 => Some(Gap::CompositeBootChain),
        _ if secure_boot => Some(Gap::Pcr7Alone),
        _ => Some(Gap::BootChain),
    }
}

fn disk(facts: &Facts<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if !names_instance(facts, "instance_id") {
        gaps.push(Gap::Instance);
    }
    // Neither a quote nor a token says in which phase it was made.
    if facts.values("vtpm.phase") != ["initrd"] {
        gaps.push(Gap::Phase);
    }
    let shown = |boot: &&&str| **boot != "tdx.boot" || closes_rtmr2(facts);
    if !BOOTS.iter().filter(shown).any(|boot| has_no_shell(facts, boot)) {
        gaps.push(Gap::FailureShell);
    }
    gaps
}

/// Of RTMR 2 only the sequence of digests is measured: a log can call a text of GRUB's a file, and have another text follow. So
/// texts of the CCEL log say what booted only where every file is on a list (T49).
fn closes_rtmr2(facts: &Facts<'_>) -> bool {
    facts.in_baseline() || facts.equals("tdx.rtmrs.rtmr2") || facts.within("tdx.boot.grub_files")
}

fn has_no_shell(facts: &Facts<'_>, boot: &str) -> bool {
    let lines = facts.values(&format!("{boot}.command_line"));
    let line_fits = |line: &String| rules_out_shell(line.split(' '));
    let by_line = !lines.is_empty() && lines.iter().all(line_fits);
    let members = |name: &str| facts.members(&format!("{boot}.{name}"));
    let arguments = [members("arguments"), members("words")].concat();
    by_line || rules_out_shell(arguments.iter().map(String::as_str))
}

/// T35: `panic=` with a number makes initramfs-tools reboot; dracut needs both of its own arguments.
fn rules_out_shell<'a>(arguments: impl Iterator<Item = &'a str>) -> bool {
    let arguments: Vec<&str> = arguments.collect();
    let reboots = |argument: &&str| {
        let seconds = argument.strip_prefix("panic=").and_then(|value| value.parse::<i32>().ok());
        seconds.is_some_and(|seconds| seconds != 0)
    };
    arguments.iter().any(reboots)
        || (arguments.contains(&"rd.shell=0") && arguments.contains(&"rd.emergency=reboot"))
}

/// Where evidence names the instance.
pub(super) const INSTANCES: [&str; 2] = ["vtpm.instance", "google_token.instance"];
const BOOTS: [&str; 2] = ["vtpm", "tdx.boot"];
const SNP_COMPONENTS: [&str; 4] = ["boot_loader", "tee", "snp", "microcode"];
/// Claims that each pin a part of the boot chain. RTMR 1 has what PCR 2 to 6 have, RTMR 2 what PCR 8 to 15 have. The command
/// line of a CCEL log pins nothing by itself: see [`closes_rtmr2`].
const PINNED: [&str; 7] = [
    "vtpm.command_line",
    "vtpm.pcrs.pcr4",
    "vtpm.pcrs.pcr8",
    "vtpm.pcrs.pcr9",
    "vtpm.pcrs.pcr11",
    "tdx.rtmrs.rtmr1",
    "tdx.rtmrs.rtmr2",
];
/// Sets of which nothing may be left over.
const CLOSED: [&str; 5] = [
    "vtpm.efi_applications",
    "vtpm.grub_files",
    "vtpm.stub_sections",
    "tdx.boot.efi_applications",
    "tdx.boot.grub_files",
];
/// What says no more than whose signature the boot has. RTMR 0 has what PCR 1 and 7 have.
const SECURE_BOOT: [&str; 5] = [
    "vtpm.secure_boot",
    "vtpm.pcrs.pcr7",
    "tdx.boot.secure_boot",
    "tdx.rtmrs.rtmr0",
    "google_token.secure_boot",
];
