//! Text of a new policy, complete and commented, so that nobody has to start with an empty file.
//!
//! Its heading lists what it requires and what it leaves open, from the same fields as its conditions. It
//! never acknowledges a gap: that is up to the operator.

use std::collections::BTreeSet;

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_protocol::ObjectName;

use super::acceptance::Acceptance;
use super::baseline::BaselineLog;
use super::purpose::Purpose;

mod conditions;
mod error;
mod kinds;
mod root;
mod shell;
mod text;

use conditions::{Conditions, literal};
pub use error::TemplateError;
pub use kinds::{SnpTemplate, TdxTemplate, TokenTemplate};
pub use root::TemplateRoot;
pub use shell::FailureShell;

/// The requirements of a new policy.
#[derive(Clone, Debug)]
pub struct PolicyTemplate {
    /// Purpose of the secrets.
    pub purpose: Purpose,
    /// The evidence that names the owner.
    pub owner: OwnerEvidence,
    /// Root of that evidence: `google`, or `extra` for tests.
    pub vtpm_root: TemplateRoot,
    /// The owner's project.
    pub project_number: u64,
    /// The VMs; empty for any VM of the project.
    pub instance_ids: Vec<u64>,
    /// The technology.
    pub technology: Technology,
    /// Whether UEFI Secure Boot must be on.
    pub secure_boot: bool,
    /// Whether shim must verify what it starts, in addition to Secure Boot.
    pub shim_validation: bool,
    /// The kernel's whole command line.
    pub command_line: Option<String>,
    /// Alternative baselines.
    pub baselines: Vec<ObjectName>,
    /// The log that the baselines are for, and from which kernel arguments are read.
    pub log: BaselineLog,
    /// How a disk's policy rules out a failure shell in the initrd.
    pub shell: FailureShell,
    /// The codes that the operator acknowledges.
    pub accepts: BTreeSet<Acceptance>,
    /// The SNP report; without it the technology is only asserted by Google.
    pub snp: Option<SnpTemplate>,
    /// The TDX quote, likewise.
    pub tdx: Option<TdxTemplate>,
    /// A token of Google Cloud Attestation, with a vTPM or alone.
    pub token: Option<TokenTemplate>,
}

/// The evidence that names the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerEvidence {
    /// The certificate of the vTPM's AK.
    Vtpm,
    /// A token, if there is no vTPM.
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

impl PolicyTemplate {
    /// A policy for VMs of one project whose only condition on the boot is Secure Boot.
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
            shim_validation: true,
            command_line: None,
            baselines: Vec::new(),
            log: BaselineLog::Vtpm,
            shell: FailureShell::AnyArgument,
            accepts: BTreeSet::new(),
            snp: None,
            tdx: None,
            token: None,
        }
    }

    /// A policy for the VM that made this evidence. What it boots is determined by the baseline that the
    /// caller names.
    ///
    /// # Errors
    /// When the evidence is not sufficient.
    pub fn from_claims(purpose: Purpose, claims: &Claims) -> Result<Self, TemplateError> {
        Self::from_claims_by(purpose, claims, BaselineLog::Vtpm)
    }

    /// The same, with the boot according to this log.
    ///
    /// # Errors
    /// As [`Self::from_claims`].
    pub fn from_claims_by(
        purpose: Purpose,
        claims: &Claims,
        log: BaselineLog,
    ) -> Result<Self, TemplateError> {
        let instance = claims.instance().ok_or(TemplateError::NoInstance)?;
        let technology = claims.technology.ok_or(TemplateError::NoTechnology)?;
        let mut template = Self {
            instance_ids: vec![instance.instance_id],
            log,
            snp: claims.sev_snp.as_ref().and_then(SnpTemplate::of),
            tdx: claims.tdx.as_ref().map(TdxTemplate::of),
            token: claims.google_token.as_ref().map(TokenTemplate::of).transpose()?,
            ..Self::new(purpose, instance.project_number, technology)
        };
        match (&claims.vtpm, &claims.google_token) {
            (Some(vtpm), _) => {
                template.vtpm_root = TemplateRoot::of(vtpm.root, TemplateRoot::Google);
                template.secure_boot = vtpm.boot.secure_boot.enabled;
                template.shim_validation = !vtpm.boot.secure_boot.shim_validation_disabled;
            }
            (None, _) if purpose == Purpose::Disk => return Err(TemplateError::NoPhase),
            (None, Some(token)) => {
                template.owner = OwnerEvidence::Token;
                template.vtpm_root = TemplateRoot::of(token.root, TemplateRoot::Google);
                template.secure_boot = token.secure_boot;
            }
            (None, None) => return Err(TemplateError::NoInstance),
        }
        if purpose == Purpose::Disk {
            template.shell = FailureShell::of(claims, log)?;
        }
        Ok(template)
    }

    /// All conditions, in the order of the text.
    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        self.owner(&mut conditions);
        if let Some(snp) = &self.snp {
            snp.conditions(&mut conditions);
        }
        if let Some(tdx) = &self.tdx {
            tdx.conditions(&mut conditions);
        }
        if let Some(token) = &self.token {
            token.conditions(&mut conditions);
        }
        // After the evidence itself: a missing report explains more than a mismatch of the baseline's
        // firmware.
        self.boot(&mut conditions);
        if self.purpose == Purpose::Disk {
            self.disk(&mut conditions);
        }
        conditions
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
        if !self.instance_ids.is_empty() {
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
            if self.shim_validation && self.owner == OwnerEvidence::Vtpm {
                conditions.more("!principal.vtpm.secure_boot.shim_validation_disabled".to_owned());
            }
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
    }

    fn disk(&self, conditions: &mut Conditions) {
        conditions.add(
            "Only in the initrd, before the latch is closed.",
            "principal.vtpm.phase == Phase::\"initrd\"",
        );
        self.shell.conditions(self.log, conditions);
    }
}
