//! `vouchsafe baseline …`.

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
        let client = self.connection.open()?;
        match self.action {
            Action::Put(document) => {
                let answer = client.post("/v1/baselines/put", &document.read(MAX_BASELINE)?)?;
                output::show(json, answer, Stored::human)
            }
            Action::List => output::show(json, client.get("/v1/baselines", &[])?, list),
            Action::Show(named) => {
                let answer = client.get("/v1/baselines/show", &named.query())?;
                output::show(json, answer, |full: Full| full.human(""))
            }
            Action::Revoke { name } => {
                client.post("/v1/baselines/revoke", &json!({ "name": name }))?;
                output::show(json, json!({ "name": name }), |_: Value| format!("{name} is revoked."))
            }
        }
    }
}
