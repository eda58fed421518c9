//! `vouchsafe guardrails …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use vouchsafe_policy::MAX_TEXT;

use super::client::Connection;
use super::failure::Failure;
use super::output;
use crate::api::guardrails::{Guardrails, GuardrailsReset, GuardrailsVersion, PutGuardrails};

#[derive(Debug, Args)]
pub(super) struct GuardrailsCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the guardrails in force.
    Show,
    /// Replace the guardrails. The new ones take effect at once, for every secret.
    Put {
        /// File with their text; - is standard input.
        file: PathBuf,
        /// Id of a shipped rule that the new text leaves out or changes; without it such a text is rejected.
        #[arg(long, value_name = "ID")]
        drop: Vec<String>,
    },
    /// Restore the shipped guardrails. They take effect at once, and change with later versions of the broker.
    Reset,
}

impl GuardrailsCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Show => {
                output::show_document(json, client.get("/v1/guardrails", &())?, |shown: Guardrails| {
                    let whose =
                        if shown.shipped { "shipped with this version" } else { "put by an administrator" };
                    format!("// Guardrails {whose}\n\n{}", shown.text)
                })
            }
            Action::Put { file, drop } => {
                let text = output::read_text(&file, MAX_TEXT)?;
                let put = PutGuardrails { text, drop: drop.into_iter().collect() };
                let answer = client.post("/v1/guardrails/put", &put)?;
                output::show(json, answer, |GuardrailsVersion { version }| {
                    format!("The guardrails have version {version} now, in force at once.")
                })
            }
            Action::Reset => {
                let answer = client.post("/v1/guardrails/reset", &json!({}))?;
                output::show(json, answer, |reset: GuardrailsReset| {
                    let now =
                        if reset.changed { "in force again" } else { "in force already: nothing to reset" };
                    format!("The shipped guardrails are {now}.")
                })
            }
        }
    }
}
