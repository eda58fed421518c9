//! `vouchsafe policy new`: a complete, commented policy, from captured evidence or from options.
//!
//! From evidence it writes two files: the policy, and the baseline of the captured boot. Its summary is
//! derived from the policy and from the registration check; it never acknowledges a gap for the operator.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use vouchsafe_attestation::{Claims, Technology};
use vouchsafe_policy::{
    Acceptance, Baseline, BaselineLog, CompiledPolicy, KnownBaselines, OwnerEvidence, PolicyTemplate,
    Purpose, TemplateRoot,
};
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::super::failure::Failure;
use super::super::output;
use super::captured::Captured;
use crate::clock;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["evidence", "project"]))]
pub(in super::super) struct New {
    /// Purpose of the secrets: disk or app.
    #[arg(long = "for", value_name = "PURPOSE")]
    purpose: Purpose,
    /// Evidence of the VM: JSON of `vouchsafe-guest evidence`, or an attestation of go-tpm-tools. The policy is for
    /// exactly this VM and exactly this boot.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Name under which the policy will be put, such as prod/db; the baseline of the captured boot gets the same
    /// name.
    #[arg(long, value_name = "NAME")]
    name: Option<ObjectName>,
    /// New file for the baseline of the captured boot; default: like --out, but ending in .baseline.json.
    #[arg(long, value_name = "FILE", requires = "evidence", requires = "name")]
    baseline_out: Option<PathBuf>,
    /// The log for the boot claims: the vTPM's, or that of a TDX guest's own registers.
    #[arg(long, value_enum, default_value = "vtpm", requires = "evidence")]
    log: LogName,
    /// Number (not id) of the project that owns the VMs.
    #[arg(long, value_name = "NUMBER", requires = "technology", value_parser = project_number)]
    project: Option<u64>,
    /// Instance id; repeat it for several. Default: any VM of the project.
    #[arg(long, value_name = "ID", requires = "project")]
    instance: Vec<u64>,
    /// The VMs' memory encryption.
    #[arg(long, requires = "project")]
    technology: Option<TechnologyName>,
    /// Evidence of the owner.
    #[arg(long, value_name = "KIND", value_enum, default_value = "vtpm", conflicts_with = "evidence")]
    evidence_kind: OwnerKind,
    /// The kernel's whole command line.
    #[arg(long, value_name = "TEXT", requires = "project")]
    command_line: Option<String>,
    /// Existing baseline that the boot must be a member of; repeat it for alternatives. With --evidence it replaces
    /// the new one.
    #[arg(long, value_name = "NAME", conflicts_with = "baseline_out")]
    baseline: Vec<ObjectName>,
    /// Do not require UEFI Secure Boot.
    #[arg(long, requires = "project")]
    no_secure_boot: bool,
    /// The VMs' AK certificates come from an extra trust anchor: tests and demonstrations.
    #[arg(long, requires = "project")]
    extra_root: bool,
    /// Acknowledge a gap that registration would reject, by its code; written into the policy as @accepts. By default
    /// nothing is acknowledged.
    #[arg(long, value_name = "CODE", value_parser = acceptance)]
    accept: Vec<Acceptance>,
    #[command(flatten)]
    captured: Captured,
    /// Write to this new file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogName {
    /// The vTPM's log: asserted by Google's host.
    Vtpm,
    /// The CCEL log, replayed to the RTMRs: measured by the TDX module.
    Ccel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OwnerKind {
    /// The certificate of the vTPM's key.
    Vtpm,
    /// A token of Google Cloud Attestation, without a vTPM: proves nothing about the boot.
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

/// A policy and its accompanying baseline.
struct Written {
    template: PolicyTemplate,
    /// The baseline of the captured boot: name, text and file.
    baseline: Option<(ObjectName, String, PathBuf)>,
}

impl New {
    pub(in super::super) fn run(self) -> Result<ExitCode, Failure> {
        let mut written = match (&self.evidence, self.project) {
            (Some(file), _) => self.of_evidence(file)?,
            (None, Some(project)) => Written { template: self.of_options(project)?, baseline: None },
            (None, None) => return Err(Failure::Usage("give --evidence or --project".to_owned())),
        };
        written.template.accepts.extend(&self.accept);
        let text = written.template.generate();
        let said = self.said(&written, &text)?;
        // Both files or neither.
        for file in written.baseline.iter().map(|(_, _, file)| file).chain(&self.out) {
            if file.exists() {
                return Err(Failure::new_file(file, &ErrorKind::AlreadyExists.into()));
            }
        }
        if let Some((_, baseline, file)) = &written.baseline {
            create(file, baseline)?;
        }
        match &self.out {
            Some(out) => {
                create(out, &text)?;
                output::print(&said)
            }
            None => {
                output::note(&said);
                output::print_document(&text)
            }
        }
    }

    fn of_options(&self, project: u64) -> Result<PolicyTemplate, Failure> {
        let technology = self.technology.ok_or_else(|| Failure::Usage("give --technology".to_owned()))?;
        let mut template = PolicyTemplate::new(self.purpose, project, technology.into());
        template.instance_ids.clone_from(&self.instance);
        template.command_line.clone_from(&self.command_line);
        template.baselines.clone_from(&self.baseline);
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

    fn of_evidence(&self, file: &Path) -> Result<Written, Failure> {
        let claims = self.captured.inspect(file)?.claims;
        let log = self.log.into();
        let mut template = PolicyTemplate::from_claims_by(self.purpose, &claims, log)
            .map_err(|error| Failure::file(file, error))?;
        template.baselines.clone_from(&self.baseline);
        // A token alone proves nothing about the boot.
        let baseline = if self.baseline.is_empty() && claims.vtpm.is_some() {
            let (name, out) = self.baseline_place()?;
            template.baselines = vec![name.clone()];
            Some((name, self.learn(file, &claims, log)?, out))
        } else {
            None
        };
        Ok(Written { template, baseline })
    }

    /// Name and file of the baseline of the captured boot.
    fn baseline_place(&self) -> Result<(ObjectName, PathBuf), Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        let name = self.name.clone().ok_or_else(|| {
            usage(
                "give --name NAMESPACE/NAME, under which you will put the policy: the captured boot is written as a \
                 baseline of the same name, which the policy demands. With --baseline NAME it demands one that exists",
            )
        })?;
        let out = match (&self.baseline_out, &self.out) {
            (Some(out), _) => out.clone(),
            (None, Some(out)) => out.with_extension("baseline.json"),
            (None, None) => return Err(usage("give --out FILE, or --baseline-out FILE for the baseline")),
        };
        Ok((name, out))
    }

    fn learn(&self, file: &Path, claims: &Claims, log: BaselineLog) -> Result<String, Failure> {
        let ends_at = UnixTime(clock::now().0 + YEAR);
        let baseline = Baseline::capture_log(claims, log, 1, ends_at)
            .map_err(|error| Failure::file(file, format!("no baseline can be learned: {error}")))?;
        // The policy relies on the baseline, so the baseline must match the VM that it was made from.
        baseline.is_member(claims, self.captured.now()).map_err(|mismatch| {
            Failure::file(file, format!("its own baseline would refuse it: {mismatch}"))
        })?;
        let boot = claims.vtpm.as_ref().map(|vtpm| &vtpm.boot).filter(|_| log == BaselineLog::Vtpm);
        let names = boot.map(|boot| Baseline::untrusted_names(boot)).unwrap_or_default();
        let remarks = baseline.remarks(claims);
        if !remarks.is_empty() {
            output::note(remarks.trim_start());
        }
        let heading = format!(
            "Learned from {}: exactly this one boot, for one year.\n\
             Whoever ran it could have booted anything: compare the digests with files that you trust.\n\
             A line that begins with two slashes is a comment.{remarks}",
            file.display()
        );
        Ok(baseline.to_commented(&heading, &names))
    }

    /// What the files contain, what they leave open, and what to do next.
    fn said(&self, written: &Written, text: &str) -> Result<String, Failure> {
        let Written { template, baseline } = written;
        let mut said = String::new();
        let list = |said: &mut String, head: &str, items: &[String]| {
            if !items.is_empty() {
                let _ = writeln!(said, "{head}");
                items.iter().for_each(|item| {
                    let _ = writeln!(said, "  - {item}");
                });
            }
        };
        list(&mut said, "The policy asks for", &template.promises());
        list(&mut said, "It leaves open", &template.open());
        let refused = refused(self.name.as_ref(), template, text)?;
        list(&mut said, "Registration will refuse it as it stands", &refused);
        if !refused.is_empty() {
            let _ = writeln!(
                said,
                "Add the conditions, or write @accepts(\"CODE\") into the text for what you take the responsibility for."
            );
        }
        let name = self.name.as_ref().map_or_else(|| "NAMESPACE/NAME".to_owned(), ToString::to_string);
        let out = self.out.as_deref().map_or_else(|| "FILE".to_owned(), |out| out.display().to_string());
        let _ = writeln!(said, "Read what was written, then:");
        if let Some((name, _, file)) = baseline {
            let _ = writeln!(said, "  vouchsafe baseline put {name} {}", file.display());
        }
        let _ = writeln!(said, "  vouchsafe policy put {name} {out}");
        Ok(said)
    }
}

/// What registration will reject, once the baselines are put.
fn refused(name: Option<&ObjectName>, template: &PolicyTemplate, text: &str) -> Result<Vec<String>, Failure> {
    let shown =
        |error: &dyn std::fmt::Display| Failure::Usage(format!("the policy cannot be written: {error}"));
    // Without a name, one in the namespace of its baselines.
    let namespace = template.baselines.first().map_or("prod", ObjectName::namespace);
    let name = name.cloned().map_or_else(|| ObjectName::parse(&format!("{namespace}/new")), Ok);
    let name = name.map_err(|error| shown(&error))?;
    let policy = CompiledPolicy::compile(&name, text).map_err(|error| shown(&error))?;
    let mut known = KnownBaselines::default();
    template.baselines.iter().for_each(|name| known.assume(name.clone()));
    let found = policy.check(&known, clock::now()).err();
    Ok(found.iter().flat_map(|found| found.as_slice()).map(ToString::to_string).collect())
}

fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Failure::new_file(path, &error))
}

/// A code of `@accepts`.
fn acceptance(code: &str) -> Result<Acceptance, String> {
    Acceptance::from_code(code).ok_or_else(|| {
        let codes: Vec<&str> = Acceptance::ALL.iter().map(|acceptance| acceptance.code()).collect();
        format!("one of {}", codes.join(", "))
    })
}

impl From<LogName> for BaselineLog {
    fn from(name: LogName) -> Self {
        match name {
            LogName::Vtpm => Self::Vtpm,
            LogName::Ccel => Self::Ccel,
        }
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

/// A project number, not a project id.
fn project_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        "a project's number is digits; for a project id, `gcloud projects describe ID --format='value(projectNumber)'` prints it"
            .to_owned()
    })
}

/// Seconds.
const YEAR: u64 = 365 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_id_in_place_of_the_number_is_detected() {
        assert_eq!(project_number("620438545889"), Ok(620_438_545_889));
        let said = project_number("my-project").unwrap_err();
        assert!(said.contains("gcloud projects describe"), "{said}");
    }
}
