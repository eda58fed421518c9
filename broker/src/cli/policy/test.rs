//! `vouchsafe policy test`: what would happen, and why. Needs no broker, and releases nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vouchsafe_keystore::policy::{
    Baseline, CompiledPolicy, DecideItem, Guardrails, MAX_BASELINE, MAX_TEXT, NamedBaseline, Protocol,
    Purpose, RehearseRequest, RehearsedPath, RehearsedStatement, SecretState, rehearse,
};
use vouchsafe_protocol::{ObjectName, SecretPath, Suite};

use super::super::{Failure, output};
use super::captured::Captured;

#[derive(Debug, Args)]
pub(in super::super) struct Test {
    /// File with the policy's text; - is standard input.
    policy: PathBuf,
    /// Evidence of VMs (vouchsafe-guest evidence), one file a VM.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    captured: Captured,
    /// A baseline that the policy names: prod/web=FILE.
    #[arg(long, value_name = "NAME=FILE")]
    baseline: Vec<BaselineFile>,
    /// Guardrails; those that this version ships unless given.
    #[arg(long, value_name = "FILE")]
    guardrails: Option<PathBuf>,
    /// The secret that is asked for.
    #[arg(long, default_value = "prod/policy/test")]
    path: SecretPath,
    /// What the secret is for; what the policy is for unless given.
    #[arg(long = "for", value_name = "PURPOSE")]
    purpose: Option<Purpose>,
    /// The suite of the guest's key.
    #[arg(long, value_enum, default_value = "x-wing")]
    suite: SuiteName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SuiteName {
    /// X-Wing.
    XWing,
    /// X25519.
    X25519,
}

/// A baseline's name and its file.
#[derive(Clone, Debug)]
struct BaselineFile {
    name: ObjectName,
    file: PathBuf,
}

impl FromStr for BaselineFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').ok_or("write it as NAME=FILE")?;
        let name = ObjectName::parse(name).map_err(|error| error.to_string())?;
        Ok(Self { name, file: file.into() })
    }
}

/// What came out, for all files.
#[derive(Serialize)]
struct Tested {
    /// What registration would refuse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registration: Vec<String>,
    vms: Vec<TestedVm>,
}

#[derive(Serialize)]
struct TestedVm {
    evidence: PathBuf,
    #[serde(flatten)]
    path: RehearsedPath,
}

impl Test {
    pub(in super::super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let policy = self.compile()?;
        let baselines = self.baselines()?;
        let known = baselines.iter().map(|named| named.name.clone()).collect();
        let found = policy.check(&known).err();
        let registration = found.iter().flat_map(|found| found.as_slice()).map(ToString::to_string).collect();
        let guardrails = self.guardrails()?;
        let purpose = self.purpose.or_else(|| policy.purpose()).unwrap_or(Purpose::App);
        let policy = Arc::new(policy);
        let mut vms = Vec::new();
        for file in &self.evidence {
            let secret = SecretState::Active {
                version: 1,
                purpose,
                policy: Arc::clone(&policy),
                baselines: baselines.clone(),
            };
            let request = RehearseRequest {
                suite: self.suite.into(),
                now: self.captured.now(),
                protocol: Protocol::V1,
                items: vec![DecideItem { path: self.path.clone(), secret }],
            };
            let rehearsal = rehearse(&self.captured.inspect(file)?, &request, &guardrails);
            vms.extend(rehearsal.paths.into_iter().map(|path| TestedVm { evidence: file.clone(), path }));
        }
        Tested { registration, vms }.print(json)
    }

    fn compile(&self) -> Result<CompiledPolicy, Failure> {
        let text = output::read_text(&self.policy, MAX_TEXT)?;
        let name = ObjectName::parse(&format!("{}/test", self.path.namespace()))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        CompiledPolicy::compile(&name, &text).map_err(|error| Failure::file(&self.policy, error))
    }

    fn baselines(&self) -> Result<Vec<NamedBaseline>, Failure> {
        let read = |named: &BaselineFile| {
            let text = output::read_text(&named.file, MAX_BASELINE)?;
            let baseline = Baseline::parse(&text).map_err(|error| Failure::file(&named.file, error))?;
            Ok(NamedBaseline { name: named.name.clone(), revoked: false, baseline: Arc::new(baseline) })
        };
        self.baseline.iter().map(read).collect()
    }

    fn guardrails(&self) -> Result<Guardrails, Failure> {
        let read = |file: &Path| {
            let text = output::read_text(file, MAX_TEXT)?;
            Guardrails::compile(&text).map_err(|error| Failure::file(file, error))
        };
        self.guardrails.as_deref().map_or_else(|| Ok(Guardrails::shipped()), read)
    }
}

impl Tested {
    fn print(&self, json: bool) -> Result<ExitCode, Failure> {
        if json {
            output::print_json(self)?;
        } else {
            output::print(&self.human())?;
        }
        let all = self.vms.iter().all(|vm| vm.path.release);
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn human(&self) -> String {
        let mut text = String::new();
        for found in &self.registration {
            let _ = writeln!(text, "would not be taken: {found}");
        }
        for TestedVm { evidence, path } in &self.vms {
            let outcome = if path.release { "released" } else { "refused" };
            let _ = writeln!(text, "{}: {} would be {outcome}", evidence.display(), path.path);
            if let (Some(denial), true) = (&path.denial, path.statements.is_empty()) {
                let _ = writeln!(text, "  {denial}");
            }
            let (guardrails, own): (Vec<_>, Vec<_>) =
                path.statements.iter().partition(|statement| statement.guardrail);
            own.into_iter().for_each(|statement| explain(&mut text, statement));
            // Of the guardrails only those that stand in the way: they are many, and nobody's own.
            guardrails
                .into_iter()
                .filter(|statement| statement.holds)
                .for_each(|statement| explain(&mut text, statement));
        }
        text
    }
}

fn explain(text: &mut String, statement: &RehearsedStatement) {
    let says = match (statement.in_scope, statement.holds) {
        (false, _) => "is not about this request",
        (true, true) => "holds",
        (true, false) => "does not hold",
    };
    let kind = if statement.guardrail { "guardrail " } else { "" };
    let because = statement.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let _ = writeln!(text, "  {kind}{} {}{because} {says}", statement.effect, statement.id);
    for condition in &statement.conditions {
        let met = if condition.met { "  ok" } else { "  NO" };
        let not = if condition.wanted { "" } else { "not: " };
        let _ = writeln!(text, "  {met}  {not}{}", condition.text);
        if !condition.met {
            for value in &condition.values {
                let _ = writeln!(text, "          {} = {}", value.path, value.value);
            }
        }
    }
}

impl From<SuiteName> for Suite {
    fn from(name: SuiteName) -> Self {
        match name {
            SuiteName::XWing => Self::XWing,
            SuiteName::X25519 => Self::X25519,
        }
    }
}
