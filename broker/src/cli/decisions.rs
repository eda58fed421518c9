//! `vouchsafe decisions …`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use vouchsafe_keystore::record::LogRecord;
use vouchsafe_protocol::{SecretPath, UnixTime};

use super::client::Connection;
use super::{Failure, output};
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
    /// Decisions and changes by operators, the newest first.
    List {
        /// Only these.
        #[arg(long)]
        outcome: Option<Outcome>,
        /// Only those that concern this secret.
        #[arg(long)]
        path: Option<SecretPath>,
        /// Only those of this VM: project number/instance id.
        #[arg(long, value_name = "PROJECT/ID")]
        instance: Option<String>,
        /// Not earlier than this, in seconds since 1970.
        #[arg(long, value_name = "UNIX")]
        since: Option<u64>,
        /// Earlier than this, in seconds since 1970.
        #[arg(long, value_name = "UNIX")]
        until: Option<u64>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// The page that follows: what the one before gave as `next`.
        #[arg(long, value_name = "INDEX")]
        before: Option<u64>,
        /// Refusals of strangers instead, which are in the broker's memory only.
        #[arg(long)]
        remembered: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    /// Secrets were granted.
    Granted,
    /// A request was refused.
    Refused,
    /// An operator changed something.
    Operator,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Shown>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct Shown {
    record: LogRecord,
}

impl Decisions {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        let Action::List { outcome, path, instance, since, until, limit, before, remembered } = self.action;
        let outcome = outcome.map(|outcome| match outcome {
            Outcome::Granted => "granted",
            Outcome::Refused => "refused",
            Outcome::Operator => "operator",
        });
        let given = [
            ("outcome", outcome.map(str::to_owned)),
            ("path", path.map(|path| path.to_string())),
            ("instance", instance),
            ("since", since.map(|time| time.to_string())),
            ("until", until.map(|time| time.to_string())),
            ("before", before.map(|index| index.to_string())),
            ("limit", Some(limit.to_string())),
            ("remembered", remembered.then(|| "true".to_owned())),
        ];
        let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        output::show(json, client.get("/v1/decisions", &query)?, |page: Page| page.human())
    }
}

impl Page {
    fn human(&self) -> String {
        let rows: Vec<_> = self.records.iter().map(|shown| row(&shown.record)).collect();
        let mut text = output::table(&["AT", "ID", "WHO", "OUTCOME", "WHAT"], &rows);
        if let Some(next) = self.next {
            text.push_str(&format!("\nMore: --before {next}\n"));
        }
        text
    }
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
            (refusal.instance.clone(), refusal.code.to_string(), paths(&mut refusal.paths.iter()))
        }
        LogRecord::Operator(change) => {
            (Some(change.operator.clone()), change.action.clone(), change.target.clone())
        }
    };
    vec![at(record.at()), record.id().to_string(), who.unwrap_or_else(|| "-".to_owned()), outcome, what]
}

fn at(time: UnixTime) -> String {
    clock::human(time)
}
