//! `vouchsafe policy new`: a complete, commented policy, from captured evidence or from options.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use vouchsafe_attestation::Technology;
use vouchsafe_keystore::policy::{OwnerEvidence, PolicyTemplate, Purpose, TemplateRoot};
use vouchsafe_protocol::ObjectName;

use super::super::{Failure, output};
use super::captured::Captured;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["evidence", "project"]))]
pub(in super::super) struct New {
    /// What the secrets are for: disk or app.
    #[arg(long = "for", value_name = "PURPOSE")]
    purpose: Purpose,
    /// Evidence of the VM (vouchsafe-guest evidence): the policy is for exactly this VM as it booted.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Project number of the VMs' owner.
    #[arg(long, value_name = "NUMBER", requires = "technology")]
    project: Option<u64>,
    /// Instance ids; any VM of the project unless given.
    #[arg(long, value_name = "ID", requires = "project")]
    instance: Vec<u64>,
    /// What protects the VMs' memory.
    #[arg(long, requires = "project")]
    technology: Option<TechnologyName>,
    /// What shows whose VM it is.
    #[arg(long, value_name = "KIND", value_enum, default_value = "vtpm", conflicts_with = "evidence")]
    evidence_kind: OwnerKind,
    /// The kernel's whole command line.
    #[arg(long, value_name = "TEXT", requires = "project")]
    command_line: Option<String>,
    /// Baselines, any of which everything that boots must be in.
    #[arg(long, value_name = "NAME")]
    baseline: Vec<ObjectName>,
    /// Do not ask for UEFI Secure Boot.
    #[arg(long, requires = "project")]
    no_secure_boot: bool,
    /// The VMs' AK certificates come from an extra trust anchor: tests and demonstrations.
    #[arg(long, requires = "project")]
    extra_root: bool,
    #[command(flatten)]
    captured: Captured,
    /// Write to this new file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OwnerKind {
    /// The certificate of the vTPM's key.
    Vtpm,
    /// A token of Google Cloud Attestation, without a vTPM: says nothing about what booted.
    Token,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TechnologyName {
    /// No confidential computing: any Shielded VM.
    None,
    /// AMD SEV.
    Sev,
    /// AMD SEV-ES.
    SevEs,
    /// Intel TDX.
    Tdx,
    /// AMD SEV-SNP.
    SevSnp,
}

impl New {
    pub(in super::super) fn run(self) -> Result<ExitCode, Failure> {
        let mut template = match (&self.evidence, self.project) {
            (Some(file), _) => self.of_evidence(file)?,
            (None, Some(project)) => self.of_options(project)?,
            (None, None) => return Err(Failure::Usage("give --evidence or --project".to_owned())),
        };
        template.baselines.clone_from(&self.baseline);
        let text = template.generate();
        let Some(out) = &self.out else { return output::print(&text) };
        let file = OpenOptions::new().write(true).create_new(true).open(out);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure::file(out, error))?;
        output::print(&format!(
            "Written to {}. Read it, then: vouchsafe policy put NAMESPACE/NAME {}",
            out.display(),
            out.display()
        ))
    }

    fn of_options(&self, project: u64) -> Result<PolicyTemplate, Failure> {
        let technology = self.technology.ok_or_else(|| Failure::Usage("give --technology".to_owned()))?;
        let mut template = PolicyTemplate::new(self.purpose, project, technology.into());
        template.instance_ids.clone_from(&self.instance);
        template.command_line.clone_from(&self.command_line);
        template.secure_boot = !self.no_secure_boot;
        if self.evidence_kind == OwnerKind::Token {
            if self.purpose == Purpose::Disk || self.command_line.is_some() || !self.baseline.is_empty() {
                let what = "a token says nothing of phase, command line or boot: give --evidence-kind vtpm";
                return Err(Failure::Usage(what.to_owned()));
            }
            template.owner = OwnerEvidence::Token;
        }
        if self.extra_root {
            template.vtpm_root = TemplateRoot::Extra;
        }
        Ok(template)
    }

    fn of_evidence(&self, file: &Path) -> Result<PolicyTemplate, Failure> {
        let claims = self.captured.inspect(file)?.claims;
        PolicyTemplate::from_claims(self.purpose, &claims).map_err(|error| Failure::file(file, error))
    }
}

impl From<TechnologyName> for Technology {
    fn from(name: TechnologyName) -> Self {
        match name {
            TechnologyName::None => Self::None,
            TechnologyName::Sev => Self::Sev,
            TechnologyName::SevEs => Self::SevEs,
            TechnologyName::Tdx => Self::Tdx,
            TechnologyName::SevSnp => Self::SevSnp,
        }
    }
}
