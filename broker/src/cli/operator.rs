//! `vouchsafe operator …`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vouchsafe_policy::operators::OperatorAction;

use super::client::{Client, Connection};
use super::failure::Failure;
use super::output;
use crate::api::operators::{AddedOperator, NewOperator, Operator, OperatorRole, RemoveOperator};
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
    /// Add an operator. The token is shown only once.
    #[command(after_help = authority())]
    Add {
        /// Name, as the decision log shows it.
        name: String,
        /// What the operator may do.
        #[arg(long, value_parser = roles())]
        role: OperatorRole,
        /// Namespace of an editor or auditor; repeat it for several, or '*' for an auditor of everything.
        /// Administrators may act everywhere and have no namespaces.
        #[arg(long, value_name = "NAME")]
        namespace: Vec<String>,
        /// Write an operator file for the new operator (server, CA and token) to this new file (0600), instead of printing
        /// the token.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List all operators.
    List,
    /// Remove an operator; the token stops working at once.
    Remove {
        /// The name.
        name: String,
    },
}

fn roles() -> impl TypedValueParser<Value = OperatorRole> {
    PossibleValuesParser::new(OperatorRole::ALL.map(OperatorRole::as_str))
        .try_map(|name| name.parse::<OperatorRole>())
}

/// The table of authority, as help shows it.
fn authority() -> String {
    let header: Vec<&str> = std::iter::once("").chain(OperatorRole::ALL.map(OperatorRole::as_str)).collect();
    let row = |action: OperatorAction| {
        let scopes = OperatorRole::ALL.map(|role| role.scope(action).to_string());
        std::iter::once(action.to_string()).chain(scopes).collect()
    };
    let rows: Vec<Vec<String>> = OperatorAction::ALL.into_iter().map(row).collect();
    format!("Who may do what, where:\n\n{}", output::table(&header, &rows))
}

impl OperatorCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Add { name, role, namespace: namespaces, out } => {
                let request = NewOperator { name, role, namespaces };
                let added = client.post("/v1/operators/add", &request)?;
                match out {
                    Some(file) => write(&client, json, added, &file),
                    None => output::show(json, added, token),
                }
            }
            Action::List => output::show(json, client.get("/v1/operators", &())?, |all: Vec<Operator>| {
                let rows: Vec<_> = all.into_iter().map(row).collect();
                output::table(&["NAME", "ROLE", "NAMESPACES", "SINCE"], &rows)
            }),
            Action::Remove { name } => {
                let request = RemoveOperator { name };
                client.post("/v1/operators/remove", &request)?;
                let RemoveOperator { name } = request;
                output::show(json, json!({ "name": name }), |_: Value| format!("Operator {name} is removed."))
            }
        }
    }
}

/// The answer has the only copy of the token: if the file cannot be written, the token is printed.
fn write(client: &Client, json: bool, added: Value, file: &Path) -> Result<ExitCode, Failure> {
    let AddedOperator { name, token: secret } = output::read_answer(added.clone())?;
    if let Err(failure) = output::write_private(file, client.operator_file(&secret).as_bytes()) {
        output::note(&format!("vouchsafe: {failure}"));
        return output::show(json, added, token);
    }
    output::show(json, json!({ "name": name, "operator_file": file }), |_: Value| {
        format!("Operator file of {name}: {}\n", file.display())
    })
}

pub(super) fn token(added: AddedOperator<'static>) -> String {
    format!("Token of operator {}, shown this once:\n\n  {}\n", added.name, added.token)
}

fn row(operator: Operator) -> Vec<String> {
    let Operator { name, role, namespaces, created_at } = operator;
    let namespaces =
        if role == OperatorRole::Administrator { "all".to_owned() } else { namespaces.join(" ") };
    vec![name, role.to_string(), namespaces, clock::human(created_at)]
}
