//! `vouchsafe explain ID`: explains a decision in plain words.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use vouchsafe_keystore::record::{
    Authority, GrantRecord, GuardrailsRef, OperatorRecord, ProposalRecord, RefusalRecord, TokenRecord,
    VolumeRecord,
};
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::DecisionId;

use super::client::Connection;
use super::component;
use super::failure::Failure;
use super::output;
use crate::api::decisions::{Decision, LogRecord, ShowDecision};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    connection: Connection,
    /// Decision id: 32 hex digits, as on the guest's console and in the log.
    id: DecisionId,
}

impl Explain {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        let answer = client.get("/v1/decisions/show", &ShowDecision { id: self.id })?;
        output::show(json, answer, human)
    }
}

fn human(Decision { index, record }: Decision) -> String {
    let mut text = match &record {
        LogRecord::Grant(grant) => granted(grant),
        LogRecord::Refusal(refusal) => refused(refusal),
        LogRecord::Operator(change) => changed(change),
        LogRecord::Volume(volume) => volume_changed(volume),
        LogRecord::Proposal(record) => proposed(record),
    };
    match index {
        Some(index) => line(&mut text, format_args!("\nOn record as number {index} of the log.")),
        None => line(
            &mut text,
            format_args!("\nIn the broker's memory only: requests of strangers are not logged."),
        ),
    }
    text
}

fn granted(grant: &GrantRecord) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("Granted at {}", clock::human(grant.at)));
    line(&mut text, format_args!("  decision  {}", grant.decision));
    line(&mut text, format_args!("  instance  {}", grant.instance.as_deref().unwrap_or("not proved")));
    from(&mut text, grant.peer);
    for seen in &grant.chips {
        let after = match &seen.earlier {
            Some(earlier) => format!("; before it came {earlier}: compare with the restarts of the VM"),
            None => "; its first".to_owned(),
        };
        line(&mut text, format_args!("  new chip  {} of {}{after}", seen.chip, seen.subject));
    }
    if let Some(GuardrailsRef { digest, version }) = grant.guardrails {
        let version = version.map_or_else(|| "as shipped".to_owned(), |version| format!("version {version}"));
        line(&mut text, format_args!("  guardrails {version} (SHA-256 {digest})"));
    }
    for (path, digest) in grant.headers.iter() {
        line(&mut text, format_args!("  header    {digest} of {path}"));
    }
    for secret in &grant.secrets {
        line(
            &mut text,
            format_args!(
                "  {} version {}, by policy {} (SHA-256 {})",
                secret.path, secret.version, secret.policy, secret.policy_digest
            ),
        );
    }
    text
}

fn volume_changed(record: &VolumeRecord) -> String {
    let mut text = String::new();
    let state = &record.state;
    line(&mut text, format_args!("Volume {} at {}", record.change.name(), clock::human(record.at)));
    line(&mut text, format_args!("  decision  {}", record.decision));
    line(&mut text, format_args!("  volume    {}", record.volume()));
    from(&mut text, record.peer);
    line(&mut text, format_args!("  header    {} (generation {})", state.current, state.generation));
    if let Some(pending) = &state.pending {
        line(&mut text, format_args!("  announced {pending}"));
    }
    line(&mut text, format_args!("  by policy {} (SHA-256 {})", record.policy, record.policy_digest));
    text
}

fn proposed(record: &ProposalRecord) -> String {
    let mut text = String::new();
    let baseline = &record.proposal.baseline;
    line(&mut text, format_args!("Update of baseline {baseline} proposed at {}", clock::human(record.at)));
    line(&mut text, format_args!("  decision  {}", record.decision));
    line(&mut text, format_args!("  instance  {}", record.instance));
    from(&mut text, record.peer);
    line(&mut text, format_args!("  proposal  {}", record.id));
    line(&mut text, format_args!("  known     since {}", clock::human(record.proposed_at)));
    for event in record.new.as_slice() {
        line(&mut text, format_args!("  new       {}", component::human(event)));
    }
    for list in &record.lists {
        line(&mut text, format_args!("  list      {}", component::list(list)));
    }
    line(&mut text, format_args!("  asked for by {} VMs so far", record.proposers.len()));
    text
}

fn refused(refusal: &RefusalRecord) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("Refused at {}: {}", clock::human(refusal.at), refusal.code.title()));
    line(&mut text, format_args!("  decision  {}", refusal.decision));
    line(&mut text, format_args!("  code      {} (all that the VM was told)", refusal.code));
    line(&mut text, format_args!("  instance  {}", refusal.instance.as_deref().unwrap_or("not proved")));
    from(&mut text, refusal.peer);
    if let Some(baseline) = &refusal.baseline {
        line(&mut text, format_args!("  proposed for {baseline}"));
    }
    for path in &refusal.paths {
        line(&mut text, format_args!("  asked for {path}"));
    }
    line(&mut text, format_args!("\nWhy:"));
    for reason in &refusal.reasons {
        for part in reason.lines() {
            line(&mut text, format_args!("  {part}"));
        }
    }
    text
}

fn changed(change: &OperatorRecord) -> String {
    let mut text = String::new();
    // The lists stand in place of an operator, whose name the record does not have then.
    let operator = if change.lists.is_empty() { "operator " } else { "" };
    let at = clock::human(change.at);
    line(&mut text, format_args!("{} by {operator}{} at {at}", change.action, change.operator));
    for list in &change.lists {
        line(&mut text, format_args!("  list    {} of {}", list.digest, list.signer));
    }
    if let Some(authority) = &change.authority {
        line(&mut text, format_args!("  role    {}", rights(authority)));
    }
    if let Some(peer) = change.peer {
        line(&mut text, format_args!("  from    {peer}"));
    }
    line(&mut text, format_args!("  id      {}", change.id));
    line(&mut text, format_args!("  target  {}", change.target));
    for row in &change.rows {
        if let Some((_, id)) = row.key.split_once('@').filter(|_| row.table == "baseline_proposals") {
            line(&mut text, format_args!("  proposal {id}"));
        }
    }
    if let Some(account) = &change.account {
        line(&mut text, format_args!("  rights  {}", rights(account)));
    }
    if let Some(TokenRecord { expires_at, previous_until }) = change.token {
        let end = expires_at
            .map_or_else(|| "never ends".to_owned(), |end| format!("ends at {}", clock::human(end)));
        let before = previous_until.map(|until| format!(", the one before at {}", clock::human(until)));
        line(&mut text, format_args!("  token   {end}{}", before.unwrap_or_default()));
    }
    line(&mut text, format_args!("  epoch   {}", change.epoch));
    text
}

/// The client's address: what the network said, and no evidence.
fn from(text: &mut String, peer: Option<IpAddr>) {
    if let Some(peer) = peer {
        line(text, format_args!("  from      {peer}"));
    }
}

/// A role, and the namespaces that it is limited to.
fn rights(authority: &Authority) -> String {
    let Authority { namespaces, role } = authority;
    match (role, namespaces.as_slice()) {
        (OperatorRole::Administrator, _) => role.as_str().to_owned(),
        (_, []) => format!("{} of no namespace", role.as_str()),
        (_, names) => format!("{} of {}", role.as_str(), names.join(", ")),
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{ReasonCode, UnixTime};

    use super::*;

    #[test]
    fn the_address_of_the_client_is_shown() {
        let refusal = |peer| RefusalRecord {
            at: UnixTime(1_800_000_000),
            baseline: None,
            claims: None,
            code: ReasonCode::MalformedRequest,
            decision: DecisionId([7; 16]),
            evidence: Vec::new(),
            instance: None,
            paths: Vec::new(),
            peer,
            reasons: vec!["the body ends too early".to_owned()],
        };
        let shown = |peer| human(Decision { index: None, record: LogRecord::Refusal(refusal(peer)) });
        let peer = "2001:db8::7".parse().ok();
        assert!(shown(peer).contains("\n  from      2001:db8::7\n"), "{}", shown(peer));
        assert!(!shown(None).contains("from   "), "{}", shown(None));
    }
}
