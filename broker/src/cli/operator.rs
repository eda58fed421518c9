//! `vouchsafe operator …`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};
use vouchsafe_protocol::UnixTime;

use super::client::Connection;
use super::{Failure, output};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct OperatorCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an operator. The token is shown this once.
    Add {
        /// A name for the record.
        name: String,
        /// What the operator may do.
        #[arg(long)]
        role: Role,
        /// Where; not needed for administrators.
        #[arg(long, value_name = "NAME")]
        namespace: Vec<String>,
    },
    /// All operators.
    List,
    /// Remove an operator; the token stops working at once.
    Remove {
        /// The name.
        name: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Everything, everywhere.
    Administrator,
    /// Secrets, policies and baselines of some namespaces.
    Editor,
    /// Reading, in some namespaces.
    Auditor,
}

#[derive(Deserialize)]
struct Added {
    name: String,
    token: String,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    role: String,
    namespaces: Vec<String>,
    created_at: UnixTime,
}

impl OperatorCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Add { name, role, namespace } => {
                let role = match role {
                    Role::Administrator => "administrator",
                    Role::Editor => "editor",
                    Role::Auditor => "auditor",
                };
                let request = json!({ "name": name, "role": role, "namespaces": namespace });
                output::show(json, client.post("/v1/operators/add", &request)?, |added: Added| {
                    format!("Token of operator {}, shown this once:\n\n  {}\n", added.name, added.token)
                })
            }
            Action::List => output::show(json, client.get("/v1/operators", &[])?, |all: Vec<Listed>| {
                let rows: Vec<_> = all.into_iter().map(Listed::row).collect();
                output::table(&["NAME", "ROLE", "NAMESPACES", "SINCE"], &rows)
            }),
            Action::Remove { name } => {
                client.post("/v1/operators/remove", &json!({ "name": name }))?;
                output::show(json, json!({ "name": name }), |_: Value| format!("Operator {name} is removed."))
            }
        }
    }
}

impl Listed {
    fn row(self) -> Vec<String> {
        let namespaces =
            if self.role == "administrator" { "all".to_owned() } else { self.namespaces.join(" ") };
        vec![self.name, self.role, namespaces, clock::human(self.created_at)]
    }
}
