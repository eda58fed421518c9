//! `vouchsafe policy diff`: which recorded decisions a new policy text would change.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use vouchsafe_policy::MAX_TEXT;
use vouchsafe_protocol::ObjectName;

use super::super::client::Connection;
use super::super::failure::Failure;
use super::super::output;
use crate::api::policies::{ChangedDecision, PolicyDiff, PolicyDiffRequest};
use crate::clock;

#[derive(Debug, Args)]
pub(in super::super) struct Diff {
    /// The policy at the broker: prod/db, or an older version: prod/db@3.
    old: Versioned,
    /// File with the new text; - is standard input.
    new: PathBuf,
    /// How many of the latest records to evaluate.
    #[arg(long, value_name = "LAST", value_parser = clap::value_parser!(u32).range(1..=1000))]
    decisions: u32,
}

/// A policy, optionally with a version.
#[derive(Clone, Debug)]
struct Versioned {
    name: ObjectName,
    version: Option<u64>,
}

impl FromStr for Versioned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => {
                (name, Some(version.parse().map_err(|_| "a version is a number".to_owned())?))
            }
            None => (text, None),
        };
        Ok(Self { name: ObjectName::parse(name).map_err(|error| error.to_string())?, version })
    }
}

impl Diff {
    pub(in super::super) fn run(self, connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
        let Versioned { name, version } = self.old;
        let text = output::read_text(&self.new, MAX_TEXT)?;
        let body = PolicyDiffRequest { name, version, text, decisions: self.decisions };
        output::show(json, connection.open()?.ask("/v1/policies/diff", &body)?, human)
    }
}

fn human(diff: PolicyDiff) -> String {
    let PolicyDiff { replayed, without_evidence, not_compared, changed } = diff;
    let mut text = String::new();
    for ChangedDecision { decision, at, path, instance, before: _, after, because } in &changed {
        let outcome = if *after { "refused, would be released" } else { "released, would be refused" };
        let vm = instance.as_deref().unwrap_or("an unnamed VM");
        let _ = writeln!(text, "{decision} {} {path} to {vm}: {outcome}", clock::human(*at));
        for line in because.iter().flat_map(|because| because.lines()) {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(text, "{replayed} releases decided again, {} would change.", changed.len());
    if without_evidence > 0 {
        let _ = writeln!(text, "{without_evidence} decisions have no evidence that still verifies.");
    }
    if not_compared > 0 {
        let _ = writeln!(
            text,
            "{not_compared} older decisions were not looked at: with texts of this length the work is bounded."
        );
    }
    text
}
