//! `vouchsafe baseline …`.

mod changed;
mod learn;
mod predict;
mod proposals;
mod sign;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use vouchsafe_policy::MAX_BASELINE;
use vouchsafe_protocol::ObjectName;

use changed::changed;

use super::client::Connection;
use super::documents::{Document, Named};
use super::failure::Failure;
use super::online::Online;
use super::output;
use crate::api::baselines::{BaselineSummary, RevokeBaseline};
use crate::api::documents;
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Baseline {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a commented baseline of one captured boot. Read it before you register it.
    Learn(Box<Online<learn::Learn>>),
    /// Predict what a boot will measure, from the files of an update. Needs no broker.
    Predict(predict::Predict),
    /// Print the public part of a key that signs component lists, for `update_signers` of baselines. Needs no broker.
    Signer(sign::Signer),
    /// Sign the list of an update's components, by which baselines that name the signer approve the update. Needs no broker.
    Sign(sign::Sign),
    /// Register a baseline (JSON), or a new version of it. It takes effect at once.
    Put(Online<Document>),
    /// List the baselines that you may read, with their state and expiry.
    List(Connection),
    /// Show a baseline's JSON.
    Show(Online<Named>),
    /// List updates that VMs have proposed and that wait for approval.
    ///
    /// A proposal is what a VM says about its own next boot. Compare it with the distribution's files (`vouchsafe baseline
    /// predict`) before you approve it.
    Pending(Online<proposals::Pending>),
    /// Allow a proposed update: puts a new version of the baseline, in which what the update replaces expires.
    Approve(Online<proposals::Approve>),
    /// Reject a proposed update: VMs that ask for it learn so.
    Reject(Online<proposals::Reject>),
    /// Revoke a baseline permanently: a policy that relies on it alone denies from now on.
    Revoke(Online<Revoke>),
}

#[derive(Debug, Args)]
struct Revoke {
    /// Its name.
    name: ObjectName,
}

impl Baseline {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Learn(online) => {
                let Online { connection, arguments } = *online;
                arguments.run(|| connection.open())
            }
            Action::Predict(predict) => predict.run(json),
            Action::Signer(signer) => signer.run(json),
            Action::Sign(sign) => sign.run(),
            Action::Put(Online { connection, arguments: document }) => {
                let document = document.read(MAX_BASELINE)?;
                let answer = connection.open()?.post("/v1/baselines/put", &document)?;
                output::show(json, answer, changed)
            }
            Action::List(connection) => {
                output::show(json, connection.open()?.get("/v1/baselines", &())?, list)
            }
            Action::Show(Online { connection, arguments: named }) => {
                let answer = connection.open()?.get("/v1/baselines/show", &named.query())?;
                output::show_document(json, answer, |document: documents::Document| document.text)
            }
            Action::Pending(Online { connection, arguments }) => arguments.run(&connection.open()?, json),
            Action::Approve(Online { connection, arguments }) => arguments.run(&connection.open()?, json),
            Action::Reject(Online { connection, arguments }) => arguments.run(&connection.open()?, json),
            Action::Revoke(Online { connection, arguments: Revoke { name } }) => {
                let answer = connection.open()?.post("/v1/baselines/revoke", &RevokeBaseline { name })?;
                output::show(json, answer, changed)
            }
        }
    }
}

fn list(baselines: Vec<BaselineSummary>) -> String {
    if baselines.is_empty() {
        return "There are no baselines that you may read.".to_owned();
    }
    let row = |baseline: BaselineSummary| {
        let BaselineSummary { name, version, state, ends_at } = baseline;
        let ends_at = ends_at.map_or_else(|| "-".to_owned(), clock::human);
        vec![name.to_string(), version.to_string(), state.to_string(), ends_at]
    };
    let rows: Vec<_> = baselines.into_iter().map(row).collect();
    output::table(&["NAME", "VERSION", "STATE", "ENDS"], &rows)
}
