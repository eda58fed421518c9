//! `vouchsafe keyring …`.

mod file;
mod reseal;
mod wrap;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::file::Where;
use super::client::Connection;
use super::failure::Failure;
use super::online::Online;
use super::output;
use crate::api::keyring::{ChangedGeneration, Generation, GenerationState, RemoveGeneration};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct KeyringCommand {
    #[command(subcommand)]
    action: Action,
}

/// The root keys of the broker, while it serves: `add`, `promote`, `reseal`, and `remove` for the old generation. Each step can be
/// interrupted and run again.
#[derive(Debug, Subcommand)]
enum Action {
    /// Show the generations of the keyring, and how many rows of which tables need each.
    Status(Connection),
    /// Add a pending generation to the keyring's file. Back the file up before you promote it: with it is lost what was
    /// sealed under it.
    Add(Online<Where>),
    /// Seal everything new under the pending generation. The one before is retired: it only opens.
    Promote(Online<Where>),
    /// Seal everything that is stored under the primary generation, while the broker serves. Prints the progress; if it is
    /// interrupted, run it again.
    Reseal(Connection),
    /// Remove a generation that nothing needs any more, and erase its key. Backups made before `reseal` was done cannot be
    /// restored without it.
    Remove(Online<Remove>),
    /// Have the root keys wrapped by a key in Cloud KMS. Needs no broker.
    Wrap(wrap::Wrap),
    /// Write the keyring with its root keys not wrapped. Needs no broker.
    Unwrap(wrap::Unwrap),
}

#[derive(Debug, Args)]
struct Remove {
    /// Its number.
    generation: u32,
    #[command(flatten)]
    at: Where,
    /// With --file: `keyring status` of the broker shows that no row needs it, and the broker has had the promoted keyring for
    /// longer than challenges are accepted. Nothing else checks that.
    #[arg(long, requires = "file")]
    unneeded: bool,
}

impl KeyringCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Wrap(command) => command.run(json),
            Action::Unwrap(command) => command.run(json),
            Action::Status(connection) => {
                output::show(json, connection.open()?.get("/v1/keyring", &())?, status)
            }
            Action::Add(Online { connection, arguments }) => {
                let answer = match arguments.file()? {
                    Some(file) => file.change(|keyring| keyring.with_pending(clock::now()))?,
                    None => connection.open()?.post("/v1/keyring/add", &json!({}))?,
                };
                output::show(json, answer, |ChangedGeneration { generation }| {
                    format!(
                        "Generation {generation} is pending. Back up the keyring's file, and put it in place on every broker of \
                         this keystore; if a key in Cloud KMS wraps it, keep a copy that is not wrapped too, as copies from \
                         before lack this generation: vouchsafe keyring unwrap --out FILE. Then: vouchsafe keyring promote"
                    )
                })
            }
            Action::Promote(Online { connection, arguments }) => {
                let answer = match arguments.file()? {
                    Some(file) => file.change(|keyring| keyring.with_promoted(clock::now()))?,
                    None => connection.open()?.post("/v1/keyring/promote", &json!({}))?,
                };
                output::show(json, answer, |ChangedGeneration { generation }| {
                    format!(
                        "Everything new is sealed under generation {generation}. For what is stored: vouchsafe keyring reseal"
                    )
                })
            }
            Action::Reseal(connection) => reseal::reseal(&connection.open()?, json),
            Action::Remove(Online { connection, arguments: Remove { generation, at, unneeded } }) => {
                let file = at.file()?;
                if file.is_some() && !unneeded {
                    return Err(Failure::Usage(format!(
                        "without a broker nothing checks whether rows need generation {generation}, and a database whose rows need it \
                         cannot be read without it. Look at `vouchsafe keyring status` of the broker: if no row needs it, add --unneeded"
                    )));
                }
                let _answer = match file {
                    Some(file) => file.change(|keyring| Ok((keyring.without(generation)?, generation)))?,
                    None => {
                        connection.open()?.post("/v1/keyring/remove", &RemoveGeneration { generation })?
                    }
                };
                output::show(json, json!({ "generation": generation }), |_: Value| {
                    format!(
                        "Generation {generation} is removed. Remove it also where the keyring's file is backed up, once no backup of \
                         the database needs it."
                    )
                })
            }
        }
    }
}

fn status(all: Vec<Generation>) -> String {
    let row = |found: &Generation| {
        let rows: u64 = found.rows.values().sum();
        vec![
            found.generation.to_string(),
            found.state.name().to_owned(),
            clock::human(found.created_at),
            found.retired_at.map(clock::human).unwrap_or_default(),
            rows.to_string(),
        ]
    };
    let table = output::table(
        &["GENERATION", "STATE", "CREATED", "RETIRED", "ROWS"],
        &all.iter().map(row).collect::<Vec<_>>(),
    );
    let needing =
        all.iter().filter(|found| found.state != GenerationState::Primary && !found.rows.is_empty());
    let lines = needing.map(|Generation { generation, rows, .. }| {
        let rows: Vec<_> = rows.iter().map(|(table, count)| format!("{count} of {table}")).collect();
        format!("\nGeneration {generation} is needed by {}.", rows.join(", "))
    });
    std::iter::once(table).chain(lines).collect()
}
