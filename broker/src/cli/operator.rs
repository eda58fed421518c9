//! `vouchsafe operator …`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vouchsafe_policy::operators::OperatorAction;
use vouchsafe_protocol::UnixTime;

use self::rotate::Rotate;
pub(super) use self::shown::{end, token};
use super::client::{Client, Connection};
use super::failure::Failure;
use super::{output, when};
use crate::api::operators::{
    AddedOperator, NewOperator, Operator, OperatorRole, RemoveOperator, TokenLifetime,
};
use crate::clock;

mod rotate;
mod shown;

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
        /// How long the token is valid: a duration such as 30d, at most 366d, or `never`.
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = when::lifetime)]
        expires_in: TokenLifetime,
        /// Write an operator file for the new operator (server, CA and token) to this new file (0600), or with `-` to standard
        /// output, instead of printing the token.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List all operators, and when their tokens end.
    List,
    /// Replace your own token, or that of another operator, by a new one.
    ///
    /// If the command is interrupted, repeat it: nobody is locked out, and it continues with the token that it has written to a
    /// file with `.new` at the end of its name.
    Rotate(Rotate),
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
        let Self { connection, action } = self;
        match action {
            Action::Rotate(rotate) => rotate.run(&connection, json),
            Action::Add { name, role, namespace: namespaces, expires_in, out } => {
                let request = NewOperator { name, role, namespaces, expires_in };
                let client = connection.open()?;
                let added = client.post("/v1/operators/add", &request)?;
                match out {
                    Some(file) if output::is_standard_output(&file) && !json => {
                        let added: AddedOperator<'_> = output::read_answer(added)?;
                        output::print_document(&client.operator_file(&added.token))
                    }
                    Some(file) if !output::is_standard_output(&file) => write(&client, json, added, &file),
                    _ => output::show(json, added, |added: AddedOperator<'_>| token(&added)),
                }
            }
            Action::List => list(&connection.open()?, json),
            Action::Remove { name } => {
                let request = RemoveOperator { name };
                connection.open()?.post("/v1/operators/remove", &request)?;
                let RemoveOperator { name } = request;
                output::show(json, json!({ "name": name }), |_: Value| format!("Operator {name} is removed."))
            }
        }
    }
}

fn list(client: &Client, json: bool) -> Result<ExitCode, Failure> {
    output::show(json, client.get("/v1/operators", &())?, |all: Vec<Operator>| {
        let now = clock::now();
        let rows: Vec<_> = all.into_iter().map(|operator| row(operator, now)).collect();
        output::table(&["NAME", "ROLE", "NAMESPACES", "SINCE", "TOKEN ENDS"], &rows)
    })
}

/// The answer has the only copy of the token: if the file cannot be written, the token is printed.
fn write(client: &Client, json: bool, added: Value, file: &Path) -> Result<ExitCode, Failure> {
    let AddedOperator { name, token: secret, expires_at } = output::read_answer(added.clone())?;
    if let Err(failure) = output::write_private(file, client.operator_file(&secret).as_bytes()) {
        output::note(&format!("vouchsafe: {failure}"));
        return output::show(json, added, |added: AddedOperator<'_>| token(&added));
    }
    let answer = json!({ "name": name, "operator_file": file, "expires_at": expires_at });
    output::show(json, answer, |_: Value| {
        format!("Operator file of {name}, whose token {}: {}\n", end(expires_at), file.display())
    })
}

fn row(operator: Operator, now: UnixTime) -> Vec<String> {
    let Operator { name, role, namespaces, created_at, expires_at, previous_until } = operator;
    let namespaces =
        if role == OperatorRole::Administrator { "all".to_owned() } else { namespaces.join(" ") };
    let mut ends = expires_at.map_or_else(|| "never".to_owned(), clock::human);
    if expires_at.is_some_and(|end| end <= now) {
        ends.push_str(" (has ended)");
    }
    if let Some(until) = previous_until.filter(|until| now < *until) {
        ends.push_str(&format!(" (the one before: {})", clock::human(until)));
    }
    vec![name, role.to_string(), namespaces, clock::human(created_at), ends]
}
