//! `vouchsafe decisions …`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use vouchsafe_protocol::{DecisionId, SecretPath, UnixTime};

use super::client::{Client, Connection};
use super::failure::Failure;
use super::output;
use super::verify::decision::DecisionFile;
use super::when::When;
use crate::api::decisions::{self as api, Decision, DecisionPage, ListDecisions, LogRecord, ShowDecision};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Decisions {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List decisions and changes by operators, newest first.
    List(Box<List>),
    /// Export a decision with the evidence that it was based on, for `verify decision`.
    Evidence {
        /// The decision, 32 hex digits.
        id: DecisionId,
        /// Write to this new file (0600) instead of standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Only entries of this kind.
    #[arg(long)]
    outcome: Option<Outcome>,
    /// Only entries about this secret.
    #[arg(long)]
    path: Option<SecretPath>,
    /// Only entries of this VM: project number/instance id.
    #[arg(long, value_name = "PROJECT/ID")]
    instance: Option<String>,
    /// Start: 2026-11-29T10:00Z, a date, a duration such as 2h before now, or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// End (exclusive), in the same forms.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Maximum number of entries.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Continue after the previous page, with the value that it gave as `next`.
    #[arg(long, value_name = "INDEX")]
    before: Option<u64>,
    /// Show the refusals that are kept in the broker's memory only, such as those of VMs of unknown owners.
    #[arg(long)]
    remembered: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    /// Secrets were granted.
    Granted,
    /// A request was refused.
    Refused,
    /// An operator changed something.
    Operator,
    /// What is registered for a volume changed.
    Volume,
    /// An update of a baseline was proposed.
    Proposal,
}

impl Decisions {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::List(list) => list.run(&client, json),
            Action::Evidence { id, out } => evidence(&client, id, out.as_deref(), json),
        }
    }
}

impl List {
    fn run(self, client: &Client, json: bool) -> Result<ExitCode, Failure> {
        let Self { outcome, path, instance, since, until, limit, before, remembered } = self;
        let outcome = outcome.map(|outcome| match outcome {
            Outcome::Granted => api::Outcome::Granted,
            Outcome::Refused => api::Outcome::Refused,
            Outcome::Operator => api::Outcome::Operator,
            Outcome::Volume => api::Outcome::Volume,
            Outcome::Proposal => api::Outcome::Proposal,
        });
        let (since, until) = (since.map(|When(time)| time), until.map(|When(time)| time));
        let limit = Some(limit);
        let query = ListDecisions { outcome, path, instance, since, until, before, limit, remembered };
        output::show(json, client.get("/v1/decisions", &query)?, human)
    }
}

fn evidence(client: &Client, id: DecisionId, out: Option<&Path>, json: bool) -> Result<ExitCode, Failure> {
    let query = ShowDecision { id };
    let shown: Decision = output::read_answer(client.get("/v1/decisions/show", &query)?)?;
    let evidence = output::read_answer(client.get("/v1/decisions/evidence", &query)?)?;
    let file = DecisionFile { record: shown.record, evidence };
    let Some(out) = out else { return output::print_json(&file) };
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).and_then(|mut open| {
            serde_json::to_writer_pretty(&mut open, &file)?;
            open.write_all(b"\n")
        });
    written.map_err(|error| Failure::new_file(out, &error))?;
    output::show(json, json!({ "id": id, "out": out }), |_: Value| {
        format!(
            "Written to {0}. Verify it again: vouchsafe verify decision {0} --broker IDENTITY --collateral FILE",
            out.display()
        )
    })
}

fn human(DecisionPage { records, next }: DecisionPage) -> String {
    let rows: Vec<_> = records.iter().map(|decision| row(&decision.record)).collect();
    let mut text = output::table(&["AT", "ID", "WHO", "OUTCOME", "WHAT"], &rows);
    output::more(&mut text, "--before", next);
    text
}

fn row(record: &LogRecord) -> Vec<String> {
    let paths = |paths: &mut dyn Iterator<Item = &SecretPath>| {
        paths.map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let (who, outcome, what) = match record {
        LogRecord::Grant(grant) => {
            (grant.instance.clone(), "granted".to_owned(), paths(&mut grant.secrets.iter().map(|s| &s.path)))
        }
        LogRecord::Refusal(refusal) => {
            let baseline = refusal.baseline.as_ref().map(ToString::to_string);
            let what = baseline.unwrap_or_else(|| paths(&mut refusal.paths.iter()));
            (refusal.instance.clone(), refusal.code.to_string(), what)
        }
        LogRecord::Operator(change) => {
            (Some(change.operator.clone()), change.action.clone(), change.target.clone())
        }
        LogRecord::Volume(volume) => {
            (Some(volume.instance.clone()), volume.change.name().to_owned(), volume.path.to_string())
        }
        LogRecord::Proposal(record) => {
            (Some(record.instance.clone()), "proposed".to_owned(), record.proposal.baseline.to_string())
        }
    };
    vec![at(record.at()), record.id().to_string(), who.unwrap_or_else(|| "-".to_owned()), outcome, what]
}

fn at(time: UnixTime) -> String {
    clock::human(time)
}
