//! The text of a new policy, and sentences that describe it.

use std::fmt::Write as _;

use vouchsafe_attestation::google_token::SoftwareName;
use vouchsafe_attestation::tdx::TcbStatus;

use super::root::TemplateRoot;
use super::shell::FailureShell;
use super::{OwnerEvidence, PolicyTemplate};
use crate::baseline::BaselineLog;
use crate::purpose::Purpose;

impl PolicyTemplate {
    /// The text.
    #[must_use]
    pub fn generate(&self) -> String {
        write(self)
    }

    /// What the policy requires, one condition per line.
    #[must_use]
    pub fn promises(&self) -> Vec<String> {
        promises(self)
    }

    /// What the policy leaves open, for the operator to evaluate.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        open(self)
    }
}

fn write(template: &PolicyTemplate) -> String {
    let mut text = String::from(
        "// A release policy: every condition below must hold. What the VM did not prove is absent, and an absent\n\
         // claim fails its condition. Add `forbid` statements for exceptions; they always win.\n//\n// It asks for\n",
    );
    let item = |text: &mut String, sentence: &str| {
        let _ = writeln!(text, "// - {sentence}");
    };
    promises(template).iter().for_each(|sentence| item(&mut text, sentence));
    let open = open(template);
    if !open.is_empty() {
        text.push_str("//\n// It leaves open\n");
        open.iter().for_each(|sentence| item(&mut text, sentence));
    }
    let _ = writeln!(text, "\n@id(\"release\")\n@for(\"{}\")", template.purpose);
    if !template.accepts.is_empty() {
        let codes: Vec<&str> = template.accepts.iter().map(|acceptance| acceptance.code()).collect();
        let _ = writeln!(text, "@accepts(\"{}\")", codes.join(", "));
    }
    text.push_str("permit (principal is Vm, action == Action::\"release\", resource is Secret)\nwhen {\n");
    text.push_str(&template.conditions().lines.join("\n"));
    text.push_str("\n};\n");
    text
}

/// One sentence for each condition.
fn promises(template: &PolicyTemplate) -> Vec<String> {
    let mut all = whose(template);
    all.extend(boot(template));
    if template.purpose == Purpose::Disk {
        all.push("the initrd, before its latch is closed".to_owned());
        if template.shell != FailureShell::Unread {
            all.push("arguments of the kernel that rule out a failure shell in the initrd".to_owned());
        }
    }
    all.extend(evidence(template));
    all
}

fn whose(template: &PolicyTemplate) -> Vec<String> {
    let by = match template.owner {
        OwnerEvidence::Vtpm => "the certificate of the vTPM's key",
        OwnerEvidence::Token => "a token of Google Cloud Attestation",
    };
    let project = template.project_number;
    let mut all = vec![match template.instance_ids.as_slice() {
        [] => format!("a VM of project {project}, by {by}"),
        [id] => format!("instance {id} of project {project} and no other, by {by}"),
        ids => format!("one of {} instances of project {project}, by {by}", ids.len()),
    }];
    if template.vtpm_root == TemplateRoot::Extra {
        all.push("certified under an extra trust anchor: tests and demonstrations".to_owned());
    }
    all.push(format!("technology {}", template.technology));
    all
}

fn boot(template: &PolicyTemplate) -> Vec<String> {
    let mut all = Vec::new();
    if template.secure_boot {
        let shim = template.shim_validation && template.owner == OwnerEvidence::Vtpm;
        all.push(
            if shim { "UEFI Secure Boot, also enforced by shim" } else { "UEFI Secure Boot" }.to_owned(),
        );
    }
    if template.command_line.is_some() {
        all.push("the kernel's command line, as measured".to_owned());
    }
    match template.baselines.as_slice() {
        [] => {}
        [name] => all.push(format!(
            "exactly what baseline {name} lists as boot, and nothing else, by {}",
            log(template)
        )),
        names => all.push(format!(
            "exactly what one of {} baselines lists as boot, by {}",
            names.len(),
            log(template)
        )),
    }
    all
}

fn evidence(template: &PolicyTemplate) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(snp) = &template.snp {
        all.push(format!(
            "an SEV-SNP report of {}: this firmware measurement, no debugging, at least this TCB",
            snp.product
        ));
    }
    if let Some(tdx) = &template.tdx {
        let judged = if tdx.tcb.is_some() { ", at least this appraisal of Intel's" } else { "" };
        all.push(format!("a TDX quote: this firmware measurement, at least this TDX module{judged}"));
    }
    if let Some(token) = &template.token {
        let software = match token.software {
            SoftwareName::Gce => "a plain VM",
            SoftwareName::ConfidentialSpace => "a Confidential Space image that is not a debug image",
        };
        let container = if token.image_digest.is_some() { ", this container" } else { "" };
        let accounts = if token.service_accounts.is_empty() { "" } else { ", these service accounts" };
        all.push(format!("a token of Google Cloud Attestation: {software}{container}{accounts}"));
    }
    all
}

/// What the conditions above do not cover.
fn open(template: &PolicyTemplate) -> Vec<String> {
    let mut all: Vec<&str> = Vec::new();
    if template.instance_ids.is_empty() {
        all.push("which VM of the project it is");
    }
    match (template.owner, template.baselines.is_empty(), template.command_line.is_some(), template.secure_boot) {
        (OwnerEvidence::Token, ..) => {
            all.push("what boots: a token says nothing about kernel, initrd and command line");
        }
        (_, true, true, _) => all.push("which loader, kernel and initrd run with that command line"),
        (_, true, false, true) => all.push("what boots: any kernel that a vendor has signed, with any initrd and command line"),
        (_, true, false, false) => all.push("what boots: anything may"),
        (_, false, ..) => all.push(match template.log {
            BaselineLog::Vtpm => "settings of the firmware, boot entries and the partition table (PCR 1, 3, 5), and what runs after boot",
            BaselineLog::Ccel => "settings of the firmware (RTMR 0) unless the baseline lists them, and what runs after boot",
        }),
    }
    if template.secure_boot && !template.shim_validation {
        all.push("what shim starts: it was told not to verify (MokSBState)");
    }
    if template.snp.is_none() && template.tdx.is_none() {
        all.push("the processor: technology, firmware and boot are asserted by Google, no hardware report is asked for");
    }
    match template.tdx.as_ref().map(|tdx| tdx.tcb) {
        Some(None) => {
            all.push("the state of the TDX platform: the evidence was judged without Intel's collateral")
        }
        Some(Some((status, _))) if status != TcbStatus::UpToDate => {
            all.push("a TDX platform of which Intel does not say that it is up to date, since the captured one is not");
        }
        _ => {}
    }
    if template.purpose == Purpose::Disk && template.shell == FailureShell::Unread {
        all.push("a failure shell in the initrd: the log does not show the kernel's arguments; look at the image's .cmdline");
    }
    all.into_iter().map(str::to_owned).collect()
}

const fn log(template: &PolicyTemplate) -> &'static str {
    match template.log {
        BaselineLog::Vtpm => "the vTPM's log",
        BaselineLog::Ccel => "the log of the RTMRs",
    }
}
