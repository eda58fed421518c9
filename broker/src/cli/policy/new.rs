//! `vouchsafe policy new`: a complete, commented policy, from captured evidence or from options.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use vouchsafe_attestation::snp::SnpEvidence;
use vouchsafe_attestation::{
    Claims, Collateral, Context, Endorsements, Expected, Technology, TrustAnchors, VerifyError, VerifyMemory,
    inspect_snp, inspect_vtpm,
};
use vouchsafe_keystore::policy::{PolicyTemplate, Purpose, TemplateRoot};
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{Evidence, ObjectName, UnixTime};

use super::super::{Failure, output};
use crate::clock;

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
    /// Trust anchors for the evidence, beside the built-in ones.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    anchor: Vec<PathBuf>,
    /// The time to judge the evidence at, in seconds since 1970; now unless given.
    #[arg(long, value_name = "UNIX", requires = "evidence")]
    at: Option<u64>,
    /// Write to this new file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
        if self.extra_root {
            template.vtpm_root = TemplateRoot::Extra;
        }
        Ok(template)
    }

    fn of_evidence(&self, file: &Path) -> Result<PolicyTemplate, Failure> {
        let text = output::read_text(file, MAX_REQUEST)?;
        let evidence: Evidence = serde_json::from_str(&text)
            .map_err(|error| Failure::file(file, format!("no evidence: {error}")))?;
        let claims =
            self.inspect(&evidence)?.map_err(|error| Failure::file(file, format!("refused: {error}")))?;
        PolicyTemplate::from_claims(self.purpose, &claims).map_err(|error| Failure::file(file, error))
    }

    /// The claims of both pieces, each by itself: whoever writes a policy trusts the file it comes from.
    fn inspect(&self, evidence: &Evidence) -> Result<Result<Claims, VerifyError>, Failure> {
        let mut anchors = TrustAnchors::builtin();
        for path in &self.anchor {
            let anchor = output::read_input(path, MAX_REQUEST)?;
            anchors = anchors.with_extra(&anchor).map_err(|error| Failure::file(path, error))?;
        }
        let (collateral, endorsements, memory) =
            (Collateral::empty(), Endorsements::default(), VerifyMemory::default());
        let now = self.at.map_or_else(clock::now, UnixTime);
        let context = Context {
            anchors: &anchors,
            collateral: &collateral,
            endorsements: &endorsements,
            audiences: &[],
            now,
            memory: &memory,
        };
        Ok(claims(evidence, &context))
    }
}

fn claims(evidence: &Evidence, context: &Context<'_>) -> Result<Claims, VerifyError> {
    evidence.check_sizes()?;
    let vtpm = evidence.vtpm.as_ref().ok_or(VerifyError::NoEvidence)?;
    let mut claims = inspect_vtpm(vtpm, Expected::Waived, context)?.claims;
    if let Some(snp) = &evidence.sev_snp {
        let certificates: Vec<Vec<u8>> = snp.ca_certificates.iter().map(|bytes| bytes.0.clone()).collect();
        let vek = snp.vek_certificate.as_deref().unwrap_or_default();
        let report = SnpEvidence { report: &snp.report, vek, certificates: &certificates };
        let hardware = inspect_snp(&report, Expected::Waived, context)?.claims;
        claims.technology = hardware.technology;
        claims.sev_snp = hardware.sev_snp;
    }
    Ok(claims)
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
