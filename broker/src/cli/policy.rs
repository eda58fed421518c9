//! `vouchsafe policy …`.

mod captured;
mod check;
mod diff;
mod new;
mod schema;
mod test;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use vouchsafe_policy::MAX_TEXT;

use super::client::Connection;
use super::documents::{Document, Named};
use super::failure::Failure;
use super::online::Online;
use super::output;
use crate::api::documents::{self, StoredVersion};
use crate::api::policies::ListedPolicy;
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a complete, commented policy as a starting point. Needs no broker.
    New(new::New),
    /// Evaluate a policy against captured evidence, condition by condition. Needs no broker.
    Test(test::Test),
    /// List the recorded decisions that a new policy text would change.
    Diff(Online<diff::Diff>),
    /// Register a policy, or a new version of it. It takes effect at once.
    Put(Online<Document>),
    /// Check whether a policy would be accepted. Needs no broker, unless --broker is given. Exit codes: 0 accepted; 1
    /// rejected; 2 usage, or a file that cannot be read.
    Check(Online<check::Check>),
    /// Print the claims that policies can read: type, source, and when each is absent. Needs no broker.
    Schema(schema::Schema),
    /// List the policies that you may read.
    List(Connection),
    /// Show a policy's text.
    Show(Online<Named>),
}

impl Policy {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.action {
            Action::New(new) => new.run(),
            Action::Test(test) => test.run(json),
            Action::Diff(Online { connection, arguments: diff }) => diff.run(&connection, json),
            Action::Put(Online { connection, arguments: document }) => {
                let body = document.read(MAX_TEXT)?;
                output::show(json, connection.open()?.post("/v1/policies/put", &body)?, stored)
            }
            Action::Check(Online { connection, arguments: check }) => check.run(&connection, json),
            Action::Schema(schema) => schema.run(json),
            Action::List(connection) => {
                output::show(json, connection.open()?.get("/v1/policies", &())?, list)
            }
            Action::Show(Online { connection, arguments: named }) => {
                let answer = connection.open()?.get("/v1/policies/show", &named.query())?;
                output::show_document(json, answer, human)
            }
        }
    }
}

fn stored(StoredVersion { name, version }: StoredVersion) -> String {
    format!("{name}: version {version} is in force.")
}

/// The text, with a heading in comments.
fn human(document: documents::Document) -> String {
    let documents::Document { name, version, digest, revoked, created_at, created_by, text } = document;
    let revoked = if revoked { ", revoked" } else { "" };
    let at = clock::human(created_at);
    format!(
        "// {name} version {version}{revoked}, put by {created_by} at {at}\n// SHA-256 {digest}\n\n{text}"
    )
}

fn list(all: Vec<ListedPolicy>) -> String {
    if all.is_empty() {
        return "There are no policies that you may read.".to_owned();
    }
    let found: String = all
        .iter()
        .flat_map(|one| {
            one.findings.iter().map(move |found| format!("{}: would be rejected today: {found}\n", one.name))
        })
        .collect();
    let rows: Vec<_> = all
        .into_iter()
        .map(|one| {
            let state = if one.revoked { "revoked" } else { "in force" };
            vec![one.name.to_string(), one.version.to_string(), state.to_owned()]
        })
        .collect();
    format!("{}{found}", output::table(&["NAME", "VERSION", "STATE"], &rows))
}
