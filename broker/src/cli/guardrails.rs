//! `vouchsafe guardrails …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use vouchsafe_keystore::policy::MAX_TEXT;

use super::client::Connection;
use super::{Failure, output};

#[derive(Debug, Args)]
pub(super) struct GuardrailsCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The guardrails in force.
    Show,
    /// Put other guardrails in their place. In force at once, for every secret.
    Put {
        /// File with their text; - is standard input.
        file: PathBuf,
    },
}

#[derive(Deserialize)]
struct Shown {
    shipped: bool,
    text: String,
}

#[derive(Deserialize)]
struct Stored {
    version: u64,
}

impl GuardrailsCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Show => output::show(json, client.get("/v1/guardrails", &[])?, |shown: Shown| {
                let whose =
                    if shown.shipped { "shipped with this version" } else { "put by an administrator" };
                format!("// Guardrails {whose}\n\n{}", shown.text)
            }),
            Action::Put { file } => {
                let text = output::read_text(&file, MAX_TEXT)?;
                output::show(
                    json,
                    client.post("/v1/guardrails/put", &json!({ "text": text }))?,
                    |stored: Stored| {
                        format!("The guardrails have version {} now, in force at once.", stored.version)
                    },
                )
            }
        }
    }
}
