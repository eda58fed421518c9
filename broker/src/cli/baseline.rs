//! `vouchsafe baseline …`.

mod learn;
mod predict;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vouchsafe_keystore::policy::MAX_BASELINE;
use vouchsafe_protocol::ObjectName;

use super::client::Connection;
use super::policy::{Document, Full, Named, Stored, list};
use super::{Failure, output};

#[derive(Debug, Args)]
pub(super) struct Baseline {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a commented baseline of one captured boot, to be read before it is put.
    Learn(learn::Learn),
    /// Say what a boot will measure, from the files of an update. Needs no broker.
    Predict(predict::Predict),
    /// Put a baseline (JSON), or a new version of it. In force at once.
    Put(Document),
    /// Baselines that you may read.
    List,
    /// A baseline's JSON.
    Show(Named),
    /// Revoke a baseline for good: policies that rest on it alone refuse from now on.
    Revoke {
        /// Its name.
        name: ObjectName,
    },
}

impl Baseline {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let open = || self.connection.open();
        match self.action {
            Action::Learn(learn) => learn.run(open),
            Action::Predict(predict) => predict.run(json),
            Action::Put(document) => {
                let answer = open()?.post("/v1/baselines/put", &document.read(MAX_BASELINE)?)?;
                output::show(json, answer, Stored::human)
            }
            Action::List => output::show(json, open()?.get("/v1/baselines", &[])?, list),
            Action::Show(named) => {
                let answer = open()?.get("/v1/baselines/show", &named.query())?;
                output::show(json, answer, |full: Full| full.human(""))
            }
            Action::Revoke { name } => {
                open()?.post("/v1/baselines/revoke", &json!({ "name": name }))?;
                output::show(json, json!({ "name": name }), |_: Value| format!("{name} is revoked."))
            }
        }
    }
}

/// Prints a document, or writes it to a new file.
fn write(text: &str, out: Option<&Path>, then: &str) -> Result<ExitCode, Failure> {
    let Some(out) = out else { return output::print(text) };
    let file = OpenOptions::new().write(true).create_new(true).open(out);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Failure::file(out, error))?;
    output::print(&format!("Written to {}. {then}", out.display()))
}
