//! `vouchsafe-guest update`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::config::{DEFAULT_PATH, VtpmConfig};
use vouchsafe_guest_client::update::{self, Measured, NextBoots, label, lists};
use vouchsafe_guest_client::vtpm::read_event_log;
use vouchsafe_protocol::messages::ProposalState;
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::text::{printable, printable_json};
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::doctor::now;
use super::failure::Failure;
use super::{console, request};
use crate::deliver::descriptor::Sink;

#[derive(clap::Args)]
pub(super) struct Update {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print what the next boot will measure that this boot did not. Asks no broker.
    Check(Check),
    /// Propose what the next boot will measure for the baseline in the section `updates`, and print whether an operator has to approve it.
    Propose(Propose),
}

#[derive(clap::Args)]
struct Check {
    /// Print all events as JSON, also those that this boot measured.
    #[arg(long)]
    json: bool,
    /// Folder with the machine's files.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The firmware's event log; default: the configuration's.
    #[arg(long, value_name = "FILE")]
    event_log: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Propose {
    /// Print nothing if all of the next boot is predicted and allowed: for hooks of package managers.
    #[arg(long)]
    quiet: bool,
    /// Folder with the machine's files.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

pub(super) fn run(config: &Path, command: &Update) -> Result<ExitCode, Failure> {
    match &command.command {
        Command::Check(check) => run_check(config, check),
        Command::Propose(propose) => run_propose(config, propose),
    }
}

fn run_propose(config: &Path, command: &Propose) -> Result<ExitCode, Failure> {
    let config = GuestConfig::read(config)?;
    let updates = config.updates.as_ref().ok_or(Failure::NoUpdates)?;
    let next = predicted(&command.root, &config.collect.vtpm.event_log)?;
    let events = next.events.iter().map(|measured| measured.event.clone()).collect();
    let events = ProposedEvents::sort(events)?;
    let found = lists::of_baseline(&command.root, &updates.lists, &updates.baseline);
    found.notes.iter().for_each(|note| console::note(note));
    let baseline = &updates.baseline;
    let answer = request::client(&config, request::Notes::PROGRAM)?.propose_baseline(
        baseline.clone(),
        events,
        &found.lists,
    )?;
    let is_complete = next.unknown.is_empty();
    if !command.quiet || !is_complete || answer.state != ProposalState::Allowed {
        let text = summary(&next) + &verdict(baseline, &answer.state, is_complete);
        Sink::open(None)?.write(text.as_bytes())?;
    }
    Ok(ExitCode::from(match answer.state {
        ProposalState::Allowed => 0,
        ProposalState::Pending { .. } => NOT_ALLOWED,
        ProposalState::Rejected { .. } => REJECTED,
    }))
}

/// What the broker says, and what to do. Whether it knows all of the next boot is said by `is_complete`.
fn verdict(baseline: &ObjectName, state: &ProposalState, is_complete: bool) -> String {
    match state {
        ProposalState::Allowed if is_complete => format!("vouchsafe: {baseline} allows the next boot\n"),
        ProposalState::Allowed => {
            format!("vouchsafe: {baseline} allows the next boot, as far as it is predicted\n")
        }
        ProposalState::Pending { id, until } => format!(
            "vouchsafe: {baseline} {} until an operator approves it with\n    vouchsafe baseline approve {id}\n",
            refused(*until)
        ),
        ProposalState::Rejected { id, until } => format!(
            "vouchsafe: {baseline} {}: an operator has rejected it (proposal {id})\n",
            refused(*until)
        ),
    }
}

/// When the next boot is refused.
fn refused(until: Option<UnixTime>) -> String {
    match until {
        None => "does not allow it yet: the next boot is refused".to_owned(),
        Some(until) => {
            let hours = until.since(now()).div_ceil(3600);
            format!("allows it for {hours} hours from now, and then the next boot is refused")
        }
    }
}

fn run_check(config: &Path, command: &Check) -> Result<ExitCode, Failure> {
    let log = match &command.event_log {
        Some(log) => log.clone(),
        None => vtpm(config)?.event_log,
    };
    let next = predicted(&command.root, &log)?;
    let text = if command.json { json(&next) } else { summary(&next) };
    Sink::open(None)?.write(text.as_bytes())?;
    Ok(ExitCode::from(if next.new_events().next().is_some() { NOT_ALLOWED } else { 0 }))
}

/// The configuration for the TPM. If there is no file at the default path, the defaults.
fn vtpm(path: &Path) -> Result<VtpmConfig, Failure> {
    if path == Path::new(DEFAULT_PATH) && !path.exists() {
        return Ok(VtpmConfig::default());
    }
    Ok(GuestConfig::read(path)?.collect.vtpm)
}

fn predicted(root: &Path, log: &Path) -> Result<NextBoots, Failure> {
    let log = read_event_log(log).map_err(Failure::EventLog)?;
    Ok(update::next_boots(root, &log)?)
}

/// What is new, for people.
fn summary(next: &NextBoots) -> String {
    let mut lines = Vec::new();
    let new: Vec<&Measured> = next.new_events().collect();
    if new.is_empty() {
        lines.push("vouchsafe: the next boot measures nothing that this boot did not".to_owned());
    } else {
        lines.push("vouchsafe: the next boot measures what this boot did not:".to_owned());
        lines.extend(new.into_iter().map(line));
    }
    if !next.unknown.is_empty() {
        lines.push("Not predicted:".to_owned());
        lines.extend(next.unknown.iter().map(|text| format!("  {}", printable(text))));
    }
    lines.join("\n") + "\n"
}

fn line(measured: &Measured) -> String {
    let digest = measured.event.digest.to_string();
    let digest = digest.get(..SHOWN_DIGITS).unwrap_or_default();
    let what = label(&measured.event.component);
    let space = if measured.file.is_empty() { "" } else { " " };
    format!(
        "  PCR {:<2} {digest}… {}",
        measured.event.pcr,
        printable(&format!("{what}{space}{}", measured.file))
    )
}

fn json(next: &NextBoots) -> String {
    let event = |measured: &Measured| {
        let mut value =
            serde_json::to_value(&measured.event).expect("an event has only types that JSON can hold");
        if let Some(members) = value.as_object_mut() {
            members.insert("file".to_owned(), measured.file.clone().into());
            members.insert("known".to_owned(), measured.known.into());
        }
        value
    };
    let events: Vec<_> = next.events.iter().map(event).collect();
    let value = serde_json::json!({ "events": events, "unknown": next.unknown });
    printable_json(&format!("{value:#}\n"))
}

/// The exit code if the next boot measures something that is not allowed yet, or, for `check`, that this boot did not measure.
const NOT_ALLOWED: u8 = 20;
/// The exit code if an operator has rejected the proposal.
const REJECTED: u8 = 21;
/// Digits of a digest in a list.
const SHOWN_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{Digest32, ProposalId};

    use super::*;

    #[test]
    fn a_verdict_promises_only_what_is_predicted() {
        let baseline = "prod/web".parse().unwrap();
        let said = |state, is_complete| verdict(&baseline, &state, is_complete);
        assert_eq!(said(ProposalState::Allowed, true), "vouchsafe: prod/web allows the next boot\n");
        assert_eq!(
            said(ProposalState::Allowed, false),
            "vouchsafe: prod/web allows the next boot, as far as it is predicted\n"
        );
        let id = ProposalId(Digest32([1; 32]));
        assert_eq!(
            said(ProposalState::Pending { id, until: None }, true),
            format!(
                "vouchsafe: prod/web does not allow it yet: the next boot is refused until an operator approves it with\n    \
                 vouchsafe baseline approve {id}\n"
            )
        );
        let until = Some(now().plus(7200));
        let rejected = said(ProposalState::Rejected { id, until }, true);
        assert!(
            rejected.contains("allows it for 2 hours from now, and then the next boot is refused: "),
            "{rejected}"
        );
    }
}
