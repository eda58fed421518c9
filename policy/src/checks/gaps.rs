//! What one way of allowing a release leaves open.
//!
//! Requirements depend on the kinds of evidence that the permit itself requires, or on every kind if it
//! requires none; conditions may be in the permit or in a forbid. Each rule is monotone: another condition
//! never opens a gap.

use std::collections::BTreeSet;

use super::chain::open_parts;
use super::facts::{Facts, KINDS};
use super::gap::{Gap, TECHNOLOGIES};
use super::known::KnownBaselines;
use super::shell;
use crate::acceptance::Acceptance;
use crate::purpose::Purpose;

/// Facts outside of the way itself.
pub(super) struct Circumstances<'a> {
    pub(super) purpose: Option<Purpose>,
    pub(super) accepts: &'a BTreeSet<Acceptance>,
    pub(super) baselines: &'a KnownBaselines,
}

/// Everything that is open and not acknowledged.
pub(super) fn of(facts: &Facts<'_>, circumstances: &Circumstances<'_>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> =
        facts.optional().map(|claim| Gap::MissingClaim { claim: claim.to_owned() }).collect();
    gaps.extend(roots(facts));
    if !names_instance(facts, "project_number") {
        gaps.push(Gap::Owner);
    }
    if !TECHNOLOGIES.iter().any(|claim| facts.is_one_of(claim) && counts(facts, claim)) {
        gaps.push(Gap::Technology);
    }
    if may_rest_on(facts, "snp", "sev-snp") {
        gaps.extend(snp(facts, circumstances.baselines));
    }
    if may_rest_on(facts, "tdx", "tdx") {
        gaps.extend(tdx(facts, circumstances.baselines));
    }
    gaps.extend(token(facts));
    let disk = if circumstances.purpose == Some(Purpose::Disk) { disk(facts) } else { Vec::new() };
    let accepted = |gap: &Gap| circumstances.accepts.contains(&gap.acceptance());
    let boot = boot(facts, circumstances.accepts);
    gaps.into_iter()
        .filter(|gap| !accepted(gap))
        .chain(boot)
        .chain(disk.into_iter().filter(|gap| !accepted(gap)))
        .collect()
}

/// Whether facts about a claim may be used: for a top-level claim always; for one of a kind of evidence, if
/// facts about that kind may be used.
fn counts(facts: &Facts<'_>, claim: &str) -> bool {
    claim.split_once('.').is_none_or(|(kind, _)| facts.counts(kind))
}

/// Whether the permit requires this evidence, or none at all, so that this kind alone may be presented.
fn may_rest_on(facts: &Facts<'_>, kind: &str, technology: &str) -> bool {
    let alone = facts.asks_for_nothing()
        && !facts.is_present("vtpm")
        && !facts.is_present("google_token")
        && !TECHNOLOGIES.iter().any(|claim| facts.is_not(claim, technology));
    facts.asks_for(kind) || alone
}

/// Roots must be restricted for each kind of evidence that the permit requires, and for each launch
/// endorsement.
fn roots(facts: &Facts<'_>) -> Vec<Gap> {
    let names = |root: &str| facts.members("roots").any(|member| member == root);
    // `roots` contains the root of every kind, so a bound on all of them bounds each. That it contains
    // Google's says nothing about one kind, since three kinds can have Google's root. AMD's and Intel's can
    // each be the root of only one kind.
    let bound = facts.closed("roots");
    // A report whose root is withheld (T11) adds none to `roots`.
    let snp = facts.is_one_of("snp.root") || names("amd");
    let restricted = |claim: &str| bound || facts.is_one_of(claim);
    let asked = |claim: &str| facts.asks_for(claim);
    let found = [
        (asked("vtpm") || facts.asks_for_nothing(), restricted("vtpm.root"), "principal.vtpm.root"),
        (asked("snp"), snp, "principal.snp.root"),
        (asked("tdx"), restricted("tdx.root") || names("intel"), "principal.tdx.root"),
        (asked("google_token"), restricted("google_token.root"), "principal.google_token.root"),
        (asked("snp.endorsement"), restricted("snp.endorsement.root"), "principal.snp.endorsement.root"),
        (asked("tdx.endorsement"), restricted("tdx.endorsement.root"), "principal.tdx.endorsement.root"),
    ];
    let open = found.into_iter().filter(|(asked, restricted, _)| *asked && !restricted);
    open.map(|(_, _, claim)| Gap::Root { claim }).collect()
}

/// A member of the instance, from the AK certificate or a token: if both are present, they name the same one.
fn names_instance(facts: &Facts<'_>, member: &str) -> bool {
    INSTANCES
        .iter()
        .any(|instance| counts(facts, instance) && facts.is_one_of(&format!("{instance}.{member}")))
}

fn snp(facts: &Facts<'_>, baselines: &KnownBaselines) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if !facts.flag("snp.policy.debug", false) {
        gaps.push(Gap::Debug);
    }
    let floored = |component: &&&str| facts.floor(&format!("snp.reported_tcb.{component}"));
    let missing = SNP_COMPONENTS.iter().filter(|component| !floored(component));
    gaps.extend(missing.map(|component| Gap::TcbFloor { component }));
    if !knows_firmware(facts, "snp", "measurement", baselines) {
        gaps.push(Gap::Firmware { claim: "principal.snp.measurement" });
    }
    gaps
}

/// Verification of the quote already refuses debugging.
fn tdx(facts: &Facts<'_>, baselines: &KnownBaselines) -> Vec<Gap> {
    let mut gaps = Vec::new();
    // T18: by name, because no order of the names suits everyone.
    if !facts.is_one_of("tdx.tcb.status") {
        gaps.push(Gap::TcbStatus);
    }
    // Without this minimum the status may be from an old list.
    if !facts.floor("tdx.tcb.evaluation_data_number") {
        gaps.push(Gap::EvaluationFloor);
    }
    if !knows_firmware(facts, "tdx", "mr_td", baselines) {
        gaps.push(Gap::Firmware { claim: "principal.tdx.mr_td" });
    }
    gaps
}

/// One of these measurements, Google's endorsement with a minimum version, or membership that implies a
/// measurement.
fn knows_firmware(facts: &Facts<'_>, kind: &str, measurement: &str, baselines: &KnownBaselines) -> bool {
    let endorsement = format!("{kind}.endorsement");
    facts.is_one_of(&format!("{kind}.{measurement}"))
        || (facts.counts(&endorsement) && facts.floor(&format!("{endorsement}.svn")))
        || facts.baselines().any(|names| names.iter().all(|name| baselines.lists_firmware(name, kind)))
}

/// For an image of Confidential Space a token says whether it can be debugged; any token may be for one.
fn token(facts: &Facts<'_>) -> Option<Gap> {
    let safe = facts.flag("google_token.debug_disabled", true)
        || facts.is_not("google_token.software_name", "CONFIDENTIAL_SPACE");
    (facts.asks_for("google_token") && !safe).then_some(Gap::TokenDebug)
}

/// The boot must be determined (T01, T27, T53), or an acknowledgement must cover what is not. An
/// acknowledgement of more also covers less: accepting any boot includes a boot of which only Secure Boot, a
/// token or a report is known.
fn boot(facts: &Facts<'_>, accepts: &BTreeSet<Acceptance>) -> Option<Gap> {
    let open = open_parts(facts);
    let accepted = |acceptance: Acceptance| accepts.contains(&acceptance);
    if open.is_empty() || accepted(Acceptance::BootChain) {
        return None;
    }
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| facts.asks_for(kind)).collect();
    let token = kinds.contains(&"google_token");
    let (composite, secure_boot) = (kinds.len() > 1, demands_secure_boot(facts));
    if (composite && accepted(Acceptance::CompositeBootChain))
        || (token && accepted(Acceptance::TokenAlone))
        || (secure_boot && shim_verifies(facts) && accepted(Acceptance::Pcr7Alone))
    {
        return None;
    }
    match kinds.as_slice() {
        ["google_token"] => Some(Gap::TokenAlone),
        // SNP alone says nothing above the firmware. That it names no owner is a separate gap.
        ["snp"] => None,
        _ if secure_boot && accepted(Acceptance::Pcr7Alone) => Some(Gap::ShimValidation),
        _ if composite => Some(Gap::CompositeBootChain { open }),
        _ if secure_boot => Some(Gap::Pcr7Alone { open }),
        _ => Some(Gap::BootChain { open }),
    }
}

fn disk(facts: &Facts<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if !names_instance(facts, "instance_id") {
        gaps.push(Gap::Instance);
    }
    // Neither a quote nor a token shows the phase in which it was made.
    if !facts.counts("vtpm") || !facts.each("vtpm.phase", |phase| phase == "initrd") {
        gaps.push(Gap::Phase);
    }
    if !shell::is_ruled_out(facts) {
        gaps.push(Gap::FailureShell);
    }
    gaps
}

/// The firmware started only signed images.
fn demands_secure_boot(facts: &Facts<'_>) -> bool {
    let enabled = |state: &&str| counts(facts, state) && facts.flag(&format!("{state}.enabled"), true);
    SECURE_BOOT.iter().any(enabled) || facts.flag("google_token.secure_boot", true) || pins_authorities(facts)
}

/// And shim verified what it started: according to its claim, or because its measurements are pinned.
fn shim_verifies(facts: &Facts<'_>) -> bool {
    let verifies = |state: &&str| facts.flag(&format!("{state}.shim_validation_disabled"), false);
    SECURE_BOOT.iter().any(|state| counts(facts, state) && verifies(state)) || pins_authorities(facts)
}

/// PCR 7 as a whole, or a closed list of authorities. RTMR 0 has the events of PCR 1 and 7.
fn pins_authorities(facts: &Facts<'_>) -> bool {
    let authorities = |state: &&str| counts(facts, state) && facts.closed(&format!("{state}.authorities"));
    SECURE_BOOT.iter().any(authorities)
        || (facts.counts("vtpm") && facts.is_one_of("vtpm.pcrs.pcr7"))
        || (facts.counts("tdx") && facts.is_one_of("tdx.rtmrs.rtmr0"))
}

/// Claims that name the instance.
pub(super) const INSTANCES: [&str; 2] = ["vtpm.instance", "google_token.instance"];
const SECURE_BOOT: [&str; 2] = ["vtpm.secure_boot", "tdx.boot.secure_boot"];
const SNP_COMPONENTS: [&str; 4] = ["boot_loader", "tee", "snp", "microcode"];
