//! `vouchsafe policy check`: whether registration would accept a policy. Needs no broker, unless `--broker`
//! is given.
//!
//! Exit code 0 when the policy would be accepted, 1 when it would be rejected, 2 for usage and files that
//! cannot be read, 3 when the broker cannot be reached.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::json;
use vouchsafe_policy::{CompiledPolicy, MAX_TEXT, Note, PolicyError, Purpose, SourceNote};
use vouchsafe_protocol::ObjectName;

use super::super::client::Connection;
use super::super::failure::Failure;
use super::super::output;
use super::captured::BaselineFile;
use crate::api::documents::NewDocument;
use crate::api::policies::CheckedPolicy;
use crate::clock;

#[derive(Debug, Args)]
pub(in super::super) struct Check {
    /// Name under which the policy will be put, such as prod/db.
    name: ObjectName,
    /// File with its text; - is standard input.
    file: PathBuf,
    /// A baseline that the policy names: prod/web=FILE.
    #[arg(long, value_name = "NAME=FILE", conflicts_with = "broker")]
    baseline: Vec<BaselineFile>,
    /// Ask the broker, which knows the baselines and the secrets under the policy.
    #[arg(long)]
    broker: bool,
}

impl Check {
    pub(in super::super) fn run(self, connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
        let text = output::read_text(&self.file, MAX_TEXT)?;
        if self.broker {
            let body = NewDocument { name: self.name, text };
            let answer = connection.open()?.ask("/v1/policies/check", &body)?;
            return output::show(json, answer, checked);
        }
        let found = self.found(&text)?;
        match found {
            Ok((policy, notes)) => {
                let taken = CheckedPolicy::new(self.name, &policy, &notes);
                if json { output::print_json(&taken) } else { output::print(&checked(taken)) }?;
                Ok(ExitCode::SUCCESS)
            }
            Err(found) => {
                if json {
                    output::print_json(&json!({ "name": self.name, "refused": found }))?;
                } else {
                    let lines = found.iter().map(|found| found.detail.replace('\n', "\n  "));
                    let lines: Vec<_> = lines.map(|line| format!("  {line}\n")).collect();
                    output::print(&format!("{} would be refused:\n{}", self.name, lines.concat()))?;
                }
                Ok(ExitCode::from(1))
            }
        }
    }

    /// The compiled policy, or everything that is wrong with it.
    fn found(&self, text: &str) -> Result<Result<Taken, Vec<Found>>, Failure> {
        let baselines = BaselineFile::read_all(&self.baseline)?;
        let policy = match CompiledPolicy::compile(&self.name, text) {
            Ok(policy) => policy,
            Err(PolicyError::Syntax { details } | PolicyError::Invalid { details }) => {
                return Ok(Err(details.iter().map(Found::of).collect()));
            }
            Err(error) => return Ok(Err(vec![Found::new(&error)])),
        };
        let found = match policy.check(&baselines.iter().collect(), clock::now()) {
            Ok(notes) => return Ok(Ok((policy, notes))),
            Err(found) => found,
        };
        let mut all: Vec<Found> = found.as_slice().iter().map(Found::new).collect();
        let unread: Vec<String> = policy
            .baselines()
            .iter()
            .filter(|name| baselines.iter().all(|named| named.name != **name))
            .map(|name| format!("--baseline {name}=FILE"))
            .collect();
        if !unread.is_empty() {
            let given = unread.join(" ");
            all.push(Found::new(&format_args!(
                "the baselines that it names are given with {given}; or ask the broker with --broker"
            )));
        }
        Ok(Err(all))
    }
}

fn checked(checked: CheckedPolicy) -> String {
    let CheckedPolicy { name, digest, purpose, baselines, notes } = checked;
    let purpose = purpose.map_or("none", Purpose::as_str);
    let mut text = format!("{name} would be accepted.\n  purpose {purpose}\n  SHA-256 {digest}\n");
    for baseline in baselines {
        text.push_str(&format!("  names baseline {baseline}\n"));
    }
    for note in notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

/// A policy that would be accepted, with notes.
type Taken = (CompiledPolicy, Vec<Note>);

/// Something that is wrong with the policy.
#[derive(Serialize)]
struct Found {
    /// The message, with the line and a suggestion.
    detail: String,
    /// From 1; `None` for a finding about the whole policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// In characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl Found {
    fn new(error: &impl std::fmt::Display) -> Self {
        Self { detail: error.to_string(), line: None, column: None }
    }

    fn of(note: &SourceNote) -> Self {
        let at = note.at.as_ref();
        Self { line: at.map(|at| at.line), column: at.map(|at| at.column), ..Self::new(note) }
    }
}
