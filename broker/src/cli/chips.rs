//! `vouchsafe chips …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::ObjectName;

use super::client::Connection;
use super::failure::Failure;
use super::output;
use crate::api::chips::{ChipPage, ListChips, SeenChip};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Chips {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the chips on which VMs first got a secret, newest first.
    ///
    /// A chip other than the first one raised an alarm. An instance that Google stopped and started elsewhere
    /// moves legitimately: compare the time with the instance's restarts. Where the evidence names no
    /// instance, the chips are those of all VMs under the secret's policy.
    List {
        /// Only entries of this VM: project number/instance id.
        #[arg(long, value_name = "PROJECT/ID", conflicts_with = "policy")]
        instance: Option<String>,
        /// Only those of VMs that got a secret under this policy and named no instance.
        #[arg(long, value_name = "NAME")]
        policy: Option<ObjectName>,
        /// Maximum number of entries.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Continue after the previous page, with the value that it gave as `next`.
        #[arg(long, value_name = "INDEX")]
        before: Option<u64>,
    },
}

impl Chips {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        let Action::List { instance, policy, limit, before } = self.action;
        let query = ListChips { instance, policy, before, limit: Some(limit) };
        output::show(json, client.get("/v1/chips", &query)?, human)
    }
}

fn human(ChipPage { chips, next }: ChipPage) -> String {
    if chips.is_empty() {
        return "No VM has got a secret on a chip that its evidence names.".to_owned();
    }
    let rows: Vec<_> = chips.iter().map(row).collect();
    let mut text = output::table(&["FIRST SEEN", "SUBJECT", "DECISION", "CHIP", "BEFORE"], &rows);
    output::more(&mut text, "--before", next);
    text
}

fn row(shown: &SeenChip) -> Vec<String> {
    let earlier = shown.earlier.as_ref().map_or_else(|| "-".to_owned(), short);
    vec![
        clock::human(shown.first_seen_at),
        shown.subject.to_string(),
        shown.decision.to_string(),
        short(&shown.chip),
        earlier,
    ]
}

/// Enough to tell chips apart at a glance; `--json` shows everything.
fn short(chip: &Chip) -> String {
    let text = chip.as_str();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// `sev-snp:` and 16 digits, the whole id of a Turin chip.
const SHOWN: usize = 24;
