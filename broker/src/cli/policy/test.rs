//! `vouchsafe policy test`: evaluates a policy, and explains the result. Needs no broker, and releases
//! nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vouchsafe_attestation::Withheld;
use vouchsafe_policy::{
    CompiledPolicy, DecideItem, Guardrails, MAX_TEXT, Protocol, Purpose, RehearseRequest, RehearsedPath,
    RehearsedStatement, SecretState, rehearse,
};
use vouchsafe_protocol::{ObjectName, SecretPath, Suite};

use super::super::failure::Failure;
use super::super::output;
use super::captured::{BaselineFile, Captured};

#[derive(Debug, Args)]
pub(in super::super) struct Test {
    /// File with the policy's text; - is standard input.
    policy: PathBuf,
    /// Evidence of VMs, one file each: JSON of `vouchsafe-guest evidence`, or an attestation of go-tpm-tools.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    captured: Captured,
    /// A baseline that the policy names: prod/web=FILE.
    #[arg(long, value_name = "NAME=FILE")]
    baseline: Vec<BaselineFile>,
    /// Guardrails; default: those that this version ships.
    #[arg(long, value_name = "FILE")]
    guardrails: Option<PathBuf>,
    /// Path of the requested secret.
    #[arg(long, default_value = "prod/policy/test")]
    path: SecretPath,
    /// Purpose of the secret; default: the policy's.
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

/// The results for all files.
#[derive(Serialize)]
struct Tested {
    /// What registration would reject.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registration: Vec<String>,
    /// What the policy accepts that may not have been intended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    vms: Vec<TestedVm>,
}

#[derive(Serialize)]
struct TestedVm {
    evidence: PathBuf,
    /// Claims for which the evidence has data that proves nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withheld: Vec<Withheld>,
    #[serde(flatten)]
    path: RehearsedPath,
}

impl Test {
    pub(in super::super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        self.rehearse()?.print(json)
    }

    fn rehearse(&self) -> Result<Tested, Failure> {
        let policy = self.compile()?;
        let baselines = BaselineFile::read_all(&self.baseline)?;
        let (registration, notes) = match policy.check(&baselines.iter().collect(), self.captured.now()) {
            Ok(notes) => (Vec::new(), notes.iter().map(ToString::to_string).collect()),
            Err(found) => (found.as_slice().iter().map(ToString::to_string).collect(), Vec::new()),
        };
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
            let claims = self.captured.inspect(file)?;
            let rehearsal = rehearse(&claims, &request, &guardrails);
            let tested =
                |path| TestedVm { evidence: file.clone(), withheld: claims.claims.all_withheld(), path };
            vms.extend(rehearsal.paths.into_iter().map(tested));
        }
        Ok(Tested { registration, notes, vms })
    }

    fn compile(&self) -> Result<CompiledPolicy, Failure> {
        let text = output::read_text(&self.policy, MAX_TEXT)?;
        let name = ObjectName::parse(&format!("{}/test", self.path.namespace()))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        CompiledPolicy::compile(&name, &text).map_err(|error| Failure::file(&self.policy, error))
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
            let _ = writeln!(text, "would be rejected: {found}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for TestedVm { evidence, withheld, path } in &self.vms {
            let outcome = if path.release { "released" } else { "refused" };
            let _ = writeln!(text, "{}: {} would be {outcome}", evidence.display(), path.path);
            for withheld in withheld {
                let _ = writeln!(text, "  {withheld}");
            }
            if let (Some(denial), true) = (&path.denial, path.statements.is_empty()) {
                let _ = writeln!(text, "  {denial}");
            }
            let (guardrails, own): (Vec<_>, Vec<_>) =
                path.statements.iter().partition(|statement| statement.guardrail);
            own.into_iter().for_each(|statement| explain(&mut text, statement));
            // Of the guardrails, which are many, only those that deny.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use tempfile::TempDir;
    use vouchsafe_attestation::anchors::Product;
    use vouchsafe_attestation::test_util::snp::FakeAmd;
    use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google};
    use vouchsafe_protocol::{BoundRequest, BrokerIdentity, GuestKey, Nonce, ReleasePaths};

    use super::*;
    use crate::testing::{PROJECT, crls, path, policy};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        test: Test,
    }

    /// A folder with a policy, evidence of a VM, its roots and their CRLs.
    fn folder(text: &str, kinds: Kinds) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        let key = GuestKey::generate(Suite::XWing);
        let paths = ReleasePaths::sort(vec![path("prod/a/x")]).expect("paths");
        let bound =
            BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
        let evidence = SimulatedVm::new().evidence(kinds, &bound);
        let [google, amd] = crls(crate::clock::now());
        for (file, bytes) in [
            ("policy.cedar", text.as_bytes().to_vec()),
            ("evidence.json", serde_json::to_vec(&evidence).expect("JSON")),
            ("google.der", shared_google().root_der().to_vec()),
            ("amd.der", FakeAmd::shared(Product::Genoa).ark_der().to_vec()),
            ("google.crl", google),
            ("amd.crl", amd),
        ] {
            fs::write(folder.path().join(file), bytes).expect("written");
        }
        folder
    }

    fn tested(folder: &TempDir, more: &[&str]) -> Result<Tested, Failure> {
        let at = |file: &str| folder.path().join(file).display().to_string();
        let mut line = vec!["test".to_owned(), at("policy.cedar")];
        for (option, file) in [
            ("--evidence", "evidence.json"),
            ("--anchor", "google.der"),
            ("--anchor", "amd.der"),
            ("--collateral", "google.crl"),
            ("--collateral", "amd.crl"),
        ] {
            line.extend([option.to_owned(), at(file)]);
        }
        line.extend(more.iter().map(|part| (*part).to_owned()));
        Line::try_parse_from(line).expect("a command line").test.rehearse()
    }

    #[test]
    fn a_policy_is_evaluated_on_captured_evidence() {
        let folder = folder(&policy(PROJECT), Kinds::VTPM);
        let found = tested(&folder, &[]).expect("rehearsed");
        assert!(found.registration.is_empty(), "{:?}", found.registration);
        assert!(found.vms[0].path.release, "{}", found.human());
        assert!(found.human().contains("would be released"));
    }

    #[test]
    fn t48_a_refusal_is_explained_condition_by_condition() {
        let folder = folder(&policy(PROJECT + 1), Kinds::VTPM);
        let found = tested(&folder, &[]).expect("rehearsed");
        assert!(!found.vms[0].path.release);
        let text = found.human();
        for part in [
            "would be refused",
            "permit release does not hold",
            "NO  principal.vtpm.instance.project_number == \"620438545890\"",
            "principal.vtpm.instance.project_number = \"620438545889\"",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn t38_purposes_must_agree() {
        let folder = folder(&policy(PROJECT), Kinds::VTPM);
        let found = tested(&folder, &["--for", "disk"]).expect("rehearsed");
        assert!(!found.vms[0].path.release && found.human().contains("the secret is for disk"));
    }

    #[test]
    fn t29_guardrails_apply_and_registration_findings_are_shown() {
        let open =
            "@id(\"all\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource);";
        let folder = folder(open, Kinds::BOTH);
        let found = tested(&folder, &[]).expect("rehearsed");
        assert!(found.vms[0].path.release, "{}", found.human());
        assert!(found.human().contains("would be rejected: all: it has no conditions"));
        let file = folder.path().join("guardrails.cedar");
        fs::write(&file, "@id(\"no\") forbid (principal is Vm, action == Action::\"release\", resource);")
            .expect("written");
        let found = tested(&folder, &["--guardrails", &file.display().to_string()]).expect("rehearsed");
        assert!(!found.vms[0].path.release);
        assert!(found.human().contains("guardrail forbid no holds"), "{}", found.human());
    }

    #[test]
    fn t02_unverifiable_evidence_gives_no_claims() {
        let folder = folder(&policy(PROJECT), Kinds::VTPM);
        fs::write(folder.path().join("google.der"), FakeAmd::shared(Product::Milan).ark_der())
            .expect("written");
        let failure = tested(&folder, &[]).map(|_| ()).expect_err("refused");
        assert!(failure.to_string().contains("refused: "), "{failure}");
    }
}
