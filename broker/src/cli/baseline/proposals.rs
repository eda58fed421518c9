//! `vouchsafe baseline pending|approve|reject`: updates that VMs have proposed.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use serde_json::{Value, json};
use vouchsafe_policy::ExpiringEntries;
use vouchsafe_protocol::ObjectName;

use super::changed::changed;
use crate::api::proposals::{
    ApproveProposal, KeepOld, ListProposals, Proposal, ProposalStatus, RejectProposal,
};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::when::duration;
use crate::cli::{component, output};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Pending {
    /// Only proposals for this baseline.
    baseline: Option<ObjectName>,
    /// Also those that have been approved or rejected.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The proposal: its id, or as many of the first digits as tell it apart.
    id: IdPrefix,
    /// How long what the update replaces stays allowed, for VMs that have not restarted yet: such as 12h or 14d, or forever.
    #[arg(long, value_name = "TIME", default_value = "14d")]
    keep_old: KeepOldArgument,
}

#[derive(Debug, Args)]
pub(super) struct Reject {
    /// The proposal: its id, or as many of the first digits as tell it apart.
    id: IdPrefix,
}

/// The first digits of an id.
#[derive(Clone, Debug)]
struct IdPrefix(String);

impl FromStr for IdPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if (FEWEST_DIGITS..=64).contains(&text.len()) && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("expected the id of a proposal, {FEWEST_DIGITS} to 64 lower-case hex digits"))
    }
}

#[derive(Clone, Copy, Debug)]
struct KeepOldArgument(KeepOld);

impl FromStr for KeepOldArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "forever" {
            return Ok(Self(KeepOld::Forever));
        }
        let seconds = duration(text).filter(|seconds| *seconds > 0);
        seconds
            .map(|seconds| Self(KeepOld::Seconds(seconds)))
            .ok_or("expected a duration such as 12h or 14d, or forever")
    }
}

impl Pending {
    pub(super) fn run(self, client: &Client, json: bool) -> Result<ExitCode, Failure> {
        let Self { baseline, all } = self;
        let status = (!all).then_some(ProposalStatus::Pending);
        let answer = client.get("/v1/baseline-proposals", &ListProposals { baseline, status })?;
        output::show(json, answer, list)
    }
}

impl Approve {
    pub(super) fn run(self, client: &Client, json: bool) -> Result<ExitCode, Failure> {
        let Self { id, keep_old: KeepOldArgument(keep_old) } = self;
        let Proposal { baseline, id, replaced, .. } = named(client, &id)?;
        let request = ApproveProposal { baseline, id, keep_old };
        let answer = client.post("/v1/baseline-proposals/approve", &request)?;
        output::show(json, answer, |answer| approved(&changed(answer), &replaced, keep_old))
    }
}

impl Reject {
    pub(super) fn run(self, client: &Client, json: bool) -> Result<ExitCode, Failure> {
        let Proposal { baseline, id, .. } = named(client, &self.id)?;
        client.post("/v1/baseline-proposals/reject", &RejectProposal { baseline, id })?;
        output::show(json, json!({ "id": id }), |_: Value| {
            format!("Proposal {id} is rejected: VMs that ask for it learn so.")
        })
    }
}

/// The proposal whose id starts like this.
fn named(client: &Client, prefix: &IdPrefix) -> Result<Proposal, Failure> {
    let answer = client.get("/v1/baseline-proposals", &ListProposals::default())?;
    let all: Vec<Proposal> = output::read_answer(answer)?;
    let mut found = all.into_iter().filter(|proposal| proposal.id.to_string().starts_with(&prefix.0));
    match (found.next(), found.next()) {
        (Some(proposal), None) => Ok(proposal),
        (None, _) => Err(Failure::Usage(format!(
            "no proposal that you may read starts with {}: `vouchsafe baseline pending` lists them",
            prefix.0
        ))),
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("more than one proposal starts with {}: give more digits", prefix.0)))
        }
    }
}

fn list(proposals: Vec<Proposal>) -> String {
    if proposals.is_empty() {
        return "No update is waiting for approval.".to_owned();
    }
    proposals.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(proposal: &Proposal) -> String {
    let Proposal { baseline, id, status, new, replaced, proposed_at, proposers, decision, lists, .. } =
        proposal;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _written = writeln!(text, "  {name:<10}{value}");
    };
    line("proposal", &id.to_string());
    if *status != ProposalStatus::Pending {
        let by = if proposal.approved_by_list { " by a signed list" } else { "" };
        line("status", &format!("{}{by}", status.name()));
    }
    for event in new.as_slice() {
        line("new", &component::human(event));
    }
    for entry in entries(replaced) {
        line("replaces", &entry);
    }
    line("since", &clock::human(*proposed_at));
    for proposer in proposers.iter().take(SHOWN) {
        line("VM", &format!("{}, {}", proposer.instance, clock::human(proposer.at)));
    }
    if proposers.len() > SHOWN {
        line("VMs", &format!("{} more", proposers.len() - SHOWN));
    }
    for list in lists {
        line("list", &component::list(list));
    }
    line("record", &format!("vouchsafe explain {decision}"));
    if *status == ProposalStatus::Pending {
        let short: String = id.to_string().chars().take(12).collect();
        line("approve", &format!("vouchsafe baseline approve {short}"));
        line("reject", &format!("vouchsafe baseline reject {short}"));
    }
    format!("Baseline {baseline}\n{text}")
}

fn approved(done: &str, replaced: &ExpiringEntries, keep_old: KeepOld) -> String {
    let old = entries(replaced);
    match keep_old {
        _ if old.is_empty() => format!("{done}\nIt replaces nothing that expires."),
        KeepOld::Forever => {
            format!("{done}\nWhat the update replaces stays allowed:\n  {}", old.join("\n  "))
        }
        KeepOld::Seconds(seconds) => {
            let until = clock::human(clock::now().plus(seconds));
            format!(
                "{done}\nWhat the update replaces is allowed until {until}, as far as other entries stay in the same list \
                 (`vouchsafe baseline show` lists what is in force):\n  {}",
                old.join("\n  ")
            )
        }
    }
}

/// One line for each entry.
fn entries(entries: &ExpiringEntries) -> Vec<String> {
    let value = serde_json::to_value(entries).unwrap_or_default();
    let mut lines = Vec::new();
    for (list, value) in value.as_object().into_iter().flatten() {
        let named: Vec<(String, &Value)> = match value {
            Value::Object(sections) => {
                sections.iter().map(|(name, digests)| (format!("section {name}"), digests)).collect()
            }
            _ => vec![(list.replace('_', " "), value)],
        };
        for (name, items) in named {
            let items = items.as_array().into_iter().flatten().filter_map(Value::as_str);
            // A text of a VM makes no lines of its own.
            lines.extend(items.map(|item| match item.contains(char::is_control) {
                true => format!("{name} {item:?}"),
                false => format!("{name} {item}"),
            }));
        }
    }
    lines
}

/// VMs that are listed by name.
const SHOWN: usize = 10;
/// A shorter prefix could be a mistake.
const FEWEST_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use vouchsafe_policy::LogDigest;
    use vouchsafe_protocol::Digest32;

    use super::*;

    #[test]
    fn old_entries_are_kept_for_a_time_or_forever() {
        let read = |text: &str| text.parse::<KeepOldArgument>().map(|KeepOldArgument(keep)| keep);
        assert_eq!(read("14d"), Ok(KeepOld::Seconds(14 * 86_400)));
        assert_eq!(read("12h"), Ok(KeepOld::Seconds(12 * 3600)));
        assert_eq!(read("forever"), Ok(KeepOld::Forever));
        for text in ["", "0d", "14", "ever", "-1d"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_may_be_shortened_to_six_digits() {
        assert!("0123ab".parse::<IdPrefix>().is_ok());
        for text in ["01234", "0123AB", "prod/web", &"0".repeat(65)] {
            assert!(text.parse::<IdPrefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn replaced_entries_are_named() {
        let digest = LogDigest::from(Digest32([1; 32]));
        let mut replaced = ExpiringEntries { kernel: vec![digest], ..ExpiringEntries::default() };
        replaced.sections = [(".linux".to_owned(), vec![digest])].into();
        replaced.command_lines = vec!["/vmlinuz ro".to_owned()];
        let expected = [
            "command lines /vmlinuz ro".to_owned(),
            format!("kernel {digest}"),
            format!("section .linux {digest}"),
        ];
        assert_eq!(entries(&replaced), expected);
    }
}
