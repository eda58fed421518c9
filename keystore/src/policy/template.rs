//! Text of a new policy, complete and commented, so that nobody starts from an empty file.
//!
//! What it generates passes [`super::CompiledPolicy::check`] as it stands; what is left open is acknowledged in it, with the
//! reason beside it.

use std::fmt::Write as _;

use vouchsafe_attestation::anchors::{Product, Root};
use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::snp::{SnpClaims, Tcb};
use vouchsafe_protocol::{Digest48, ObjectName};

use super::checks::Acceptance;
use super::purpose::Purpose;

mod kinds;

pub use kinds::{TdxTemplate, TokenTemplate};

/// What a new policy asks for.
#[derive(Clone, Debug)]
pub struct PolicyTemplate {
    /// What the secrets are for.
    pub purpose: Purpose,
    /// Which evidence names the owner.
    pub owner: OwnerEvidence,
    /// Root of that evidence: `google`, or `extra` for tests.
    pub vtpm_root: TemplateRoot,
    /// Whose VM.
    pub project_number: u64,
    /// Which VMs; none means any of the project.
    pub instance_ids: Vec<u64>,
    /// The technology.
    pub technology: Technology,
    /// Whether UEFI Secure Boot must be on.
    pub secure_boot: bool,
    /// The kernel's whole command line.
    pub command_line: Option<String>,
    /// Baselines, any of which will do.
    pub baselines: Vec<ObjectName>,
    /// The SNP report; without it the technology is Google's word alone.
    pub snp: Option<SnpTemplate>,
    /// The TDX quote, likewise.
    pub tdx: Option<TdxTemplate>,
    /// A token of Google Cloud Attestation, beside a vTPM or by itself.
    pub token: Option<TokenTemplate>,
}

/// Which evidence names the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerEvidence {
    /// The certificate of the vTPM's AK.
    Vtpm,
    /// A token, where there is no vTPM.
    Token,
}

impl OwnerEvidence {
    const fn name(self) -> &'static str {
        match self {
            Self::Vtpm => "vtpm",
            Self::Token => "google_token",
        }
    }
}

/// What a new policy asks of the SNP report.
#[derive(Clone, Debug)]
pub struct SnpTemplate {
    /// Root of the report.
    pub root: TemplateRoot,
    /// Product line: `milan`, `genoa`, `turin`.
    pub product: &'static str,
    /// Launch measurement.
    pub measurement: Digest48,
    /// Least firmware.
    pub floor: Tcb,
}

/// A root that a policy can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateRoot {
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Google.
    Google,
    /// An anchor from a file: tests and demonstrations.
    Extra,
}

impl TemplateRoot {
    const fn name(self) -> &'static str {
        match self {
            Self::Amd => "amd",
            Self::Intel => "intel",
            Self::Google => "google",
            Self::Extra => "extra",
        }
    }

    const fn of(root: Root, own: Self) -> Self {
        match root {
            Root::Extra => Self::Extra,
            _ => own,
        }
    }
}

/// The claims lack something that every policy needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No instance, so no owner.
    #[error("the evidence does not say whose VM it is")]
    NoInstance,
    /// No technology.
    #[error("the evidence does not say which technology protects the VM")]
    NoTechnology,
    /// A disk without a vTPM.
    #[error("a policy for a disk needs a vTPM: nothing else says in which phase of the boot it is asked")]
    NoPhase,
}

impl PolicyTemplate {
    /// A policy for VMs of one project that says nothing about what boots but Secure Boot.
    #[must_use]
    pub const fn new(purpose: Purpose, project_number: u64, technology: Technology) -> Self {
        Self {
            purpose,
            owner: OwnerEvidence::Vtpm,
            vtpm_root: TemplateRoot::Google,
            project_number,
            instance_ids: Vec::new(),
            technology,
            secure_boot: true,
            command_line: None,
            baselines: Vec::new(),
            snp: None,
            tdx: None,
            token: None,
        }
    }

    /// A policy for exactly the VM that made this evidence, as it booted.
    ///
    /// # Errors
    /// When the claims name no owner or no technology.
    pub fn from_claims(purpose: Purpose, claims: &Claims) -> Result<Self, TemplateError> {
        let instance = claims.instance().ok_or(TemplateError::NoInstance)?;
        let technology = claims.technology.ok_or(TemplateError::NoTechnology)?;
        let mut template = Self {
            instance_ids: vec![instance.instance_id],
            snp: claims.sev_snp.as_ref().and_then(SnpTemplate::of),
            tdx: claims.tdx.as_ref().map(TdxTemplate::of),
            token: claims.google_token.as_ref().map(TokenTemplate::of),
            ..Self::new(purpose, instance.project_number, technology)
        };
        match (&claims.vtpm, &claims.google_token) {
            (Some(vtpm), _) => {
                template.vtpm_root = TemplateRoot::of(vtpm.root, TemplateRoot::Google);
                template.secure_boot = vtpm.boot.secure_boot.enabled;
                template.command_line.clone_from(&vtpm.boot.kernel_command_line);
            }
            (None, _) if purpose == Purpose::Disk => return Err(TemplateError::NoPhase),
            (None, Some(token)) => {
                template.owner = OwnerEvidence::Token;
                template.vtpm_root = TemplateRoot::of(token.root, TemplateRoot::Google);
                template.secure_boot = token.secure_boot;
            }
            (None, None) => return Err(TemplateError::NoInstance),
        }
        Ok(template)
    }

    /// The text.
    #[must_use]
    pub fn generate(&self) -> String {
        let mut conditions = Conditions::default();
        self.owner(&mut conditions);
        self.boot(&mut conditions);
        if self.purpose == Purpose::Disk {
            self.disk(&mut conditions);
        }
        if let Some(snp) = &self.snp {
            snp.conditions(&mut conditions);
        }
        if let Some(tdx) = &self.tdx {
            tdx.conditions(&mut conditions);
        }
        if let Some(token) = &self.token {
            token.conditions(&mut conditions);
        }
        self.write(&conditions)
    }

    fn owner(&self, conditions: &mut Conditions) {
        let by = self.owner.name();
        let whose = match self.owner {
            OwnerEvidence::Vtpm => {
                "Whose VM: the root of the AK certificate, and the instance that it names."
            }
            OwnerEvidence::Token => "Whose VM: the root of the token, and the instance that it names.",
        };
        conditions.add(whose, format!("principal has {by}.instance"));
        conditions.more(format!("principal.{by}.root == Root::\"{}\"", self.vtpm_root.name()));
        conditions.more(format!("principal.{by}.instance.project_number == \"{}\"", self.project_number));
        if self.instance_ids.is_empty() {
            if self.purpose == Purpose::Disk {
                conditions.accept(Acceptance::Instance, "any VM of the project may open the disk");
            }
        } else {
            let ids: Vec<String> = self.instance_ids.iter().map(|id| format!("\"{id}\"")).collect();
            conditions.more(format!("[{}].contains(principal.{by}.instance.instance_id)", ids.join(", ")));
        }
        conditions.add("What protects its memory.", "principal has technology");
        conditions.more(format!("principal.technology == Technology::\"{}\"", self.technology.name()));
    }

    fn boot(&self, conditions: &mut Conditions) {
        if self.secure_boot {
            conditions.add(
                "UEFI Secure Boot.",
                match self.owner {
                    OwnerEvidence::Vtpm => "principal.vtpm.secure_boot.enabled",
                    OwnerEvidence::Token => "principal.google_token.secure_boot",
                },
            );
        }
        if let Some(line) = &self.command_line {
            conditions.add("The kernel's command line, as measured.", "principal.vtpm has command_line");
            conditions.more(format!("principal.vtpm.command_line == {}", literal(line)));
        }
        if !self.baselines.is_empty() {
            let names: Vec<String> =
                self.baselines.iter().map(|name| format!("Baseline::\"{name}\"")).collect();
            conditions.add(
                "Everything that booted is in one of these baselines.",
                format!("principal in [{}]", names.join(", ")),
            );
        }
        if self.command_line.is_none() && self.baselines.is_empty() {
            let composite = self.snp.is_some() || self.tdx.is_some() || self.token.is_some();
            let (gap, why) = match (composite, self.secure_boot) {
                _ if self.owner == OwnerEvidence::Token => {
                    (Acceptance::TokenAlone, "nothing is said about the kernel")
                }
                (true, _) => (Acceptance::CompositeBootChain, "nothing is said about the kernel"),
                (false, true) => (Acceptance::Pcr7Alone, "any kernel that a vendor has signed may boot"),
                (false, false) => (Acceptance::BootChain, "anything may boot"),
            };
            conditions.accept(gap, why);
        }
    }

    fn disk(&self, conditions: &mut Conditions) {
        conditions.add(
            "Only in the initrd, before the latch is closed.",
            "principal.vtpm.phase == Phase::\"initrd\"",
        );
        conditions.add("An initrd that fails reboots; it opens no shell.", "principal.vtpm has arguments");
        conditions.more(
            "(principal.vtpm.arguments.contains(\"panic=-1\") ||\n     \
             principal.vtpm.arguments.containsAll([\"rd.shell=0\", \"rd.emergency=reboot\"]))"
                .to_owned(),
        );
    }

    fn write(&self, conditions: &Conditions) -> String {
        let mut text = String::from(
            "// A release policy: every condition below must hold. What the VM did not prove is absent, and an absent\n\
             // claim fails its condition. Add `forbid` statements for exceptions; they always win.\n\n",
        );
        for (acceptance, why) in &conditions.accepted {
            let _ = writeln!(text, "// Left open, and acknowledged below ({}): {why}.", acceptance.code());
        }
        let _ = writeln!(text, "@id(\"release\")\n@for(\"{}\")", self.purpose);
        if !conditions.accepted.is_empty() {
            let codes: Vec<&str> =
                conditions.accepted.iter().map(|(acceptance, _)| acceptance.code()).collect();
            let _ = writeln!(text, "@accepts(\"{}\")", codes.join(", "));
        }
        text.push_str(
            "permit (principal is Vm, action == Action::\"release\", resource is Secret)\nwhen {\n",
        );
        text.push_str(&conditions.lines.join("\n"));
        text.push_str("\n};\n");
        text
    }
}

impl SnpTemplate {
    /// None while the report's root is withheld.
    fn of(claims: &SnpClaims) -> Option<Self> {
        Some(Self {
            root: TemplateRoot::of(claims.root?, TemplateRoot::Amd),
            product: match claims.product {
                Product::Milan => "milan",
                Product::Genoa => "genoa",
                Product::Turin => "turin",
            },
            measurement: claims.measurement,
            floor: claims.reported_tcb,
        })
    }

    fn conditions(&self, conditions: &mut Conditions) {
        conditions.add("A genuine report of AMD's secure processor.", "principal has snp.root");
        conditions.more(format!("principal.snp.root == Root::\"{}\"", self.root.name()));
        conditions.more(format!("principal.snp.product == Product::\"{}\"", self.product));
        conditions.add(
            "The firmware that the VM was launched with.",
            format!("principal.snp.measurement == \"{}\"", self.measurement),
        );
        conditions.add("The host may not debug it.", "!principal.snp.policy.debug");
        conditions.add(
            "No older firmware than this.",
            format!("principal.snp.reported_tcb.boot_loader >= {}", self.floor.boot_loader),
        );
        let floors = [("tee", self.floor.tee), ("snp", self.floor.snp), ("microcode", self.floor.microcode)];
        for (component, floor) in floors {
            conditions.more(format!("principal.snp.reported_tcb.{component} >= {floor}"));
        }
    }
}

/// Lines of the `when` clause, and what is acknowledged.
#[derive(Default)]
struct Conditions {
    lines: Vec<String>,
    accepted: Vec<(Acceptance, &'static str)>,
}

impl Conditions {
    fn add(&mut self, comment: &str, condition: impl Into<String>) {
        if let Some(last) = self.lines.last_mut() {
            last.push_str(" &&");
        }
        self.lines.push(format!("  // {comment}"));
        self.lines.push(format!("  {}", condition.into()));
    }

    fn more(&mut self, condition: String) {
        if let Some(last) = self.lines.last_mut() {
            last.push_str(" &&");
        }
        self.lines.push(format!("  {condition}"));
    }

    fn accept(&mut self, acceptance: Acceptance, why: &'static str) {
        self.accepted.push((acceptance, why));
    }
}

/// A string literal of Cedar's.
fn literal(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
