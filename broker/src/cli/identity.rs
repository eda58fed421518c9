//! `vouchsafe identity …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use vouchsafe_protocol::{BrokerIdentity, UnixTime};

use super::client::Connection;
use super::failure::Failure;
use super::{output, when};
use crate::api::identities::{
    ChangedIdentity, Identity, IdentityState, PromoteIdentity, RemoveIdentity, RemovedIdentity,
};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct IdentityCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

/// The identity that signs answers and that guests pin, while the broker serves: `add` the next one, let guests pin it, `promote` it, and
/// `remove` the one before. Each step is taken whole or not at all.
#[derive(Debug, Subcommand)]
enum Action {
    /// Show the broker's identities: what each is used for, and until when guests that pin a previous one accept its successor.
    Status,
    /// Make the next identity. It signs nothing yet: put it into the `identities` of guests, beside the present one, and make a
    /// backup of the database.
    Add,
    /// Have the next identity sign from now on. The one before signs a statement about it, by which guests that pin only that
    /// one accept it during the overlap. Repeated in the same form, for instance after an answer was lost, it changes nothing.
    Promote {
        /// The next identity, as guests pin it: `ed25519:` and 43 characters.
        identity: BrokerIdentity,
        /// How long that is, at most 366d. With 0s there is no statement: if the key of the present identity may be in the hands
        /// of others.
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = when::identity_overlap)]
        overlap: u64,
    },
    /// Remove the next identity or the oldest previous one, and erase its key. Guests that pin only that one accept no answer any
    /// more. For it to have no worth to a thief, remove it from their `identities` too.
    Remove {
        /// The identity: `ed25519:` and 43 characters.
        identity: BrokerIdentity,
    },
}

impl IdentityCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Status => output::show(json, client.get("/v1/identities", &())?, status),
            Action::Add => output::show(
                json,
                client.post("/v1/identities/add", &json!({}))?,
                |ChangedIdentity { identity }| {
                    format!(
                        "The next identity is {identity}. Put it into `identities` in guest.toml beside the present one, and make a \
                         backup of the database; then: vouchsafe identity promote {identity}"
                    )
                },
            ),
            Action::Promote { identity, overlap } => output::show(
                json,
                client.post("/v1/identities/promote", &PromoteIdentity { identity, overlap })?,
                |ChangedIdentity { identity }| promoted(&identity, overlap),
            ),
            Action::Remove { identity } => output::show(
                json,
                client.post("/v1/identities/remove", &RemoveIdentity { identity })?,
                |RemovedIdentity { erased }| removed(&identity, erased),
            ),
        }
    }
}

fn promoted(identity: &BrokerIdentity, overlap: u64) -> String {
    let until = match overlap {
        0 => "Guests that do not pin it accept no answer any more.".to_owned(),
        seconds => format!(
            "Guests that pin only the one before accept it for {} from its promotion on: until then put it into their `identities`, \
             and remove the one before.",
            when::human_duration(seconds)
        ),
    };
    format!(
        "The broker signs as {identity} now. {until} At the end, `vouchsafe identity remove` the one before."
    )
}

fn removed(identity: &BrokerIdentity, erased: bool) -> String {
    let key = if erased {
        "its key is erased"
    } else {
        "its key is erased when a backup or a long read that is running has ended"
    };
    format!(
        "{identity} is removed; {key}. Copies in backups can be opened as long as the keyring has their generation. Guests that \
         still pin it trust whoever has the key."
    )
}

fn status(all: Vec<Identity>) -> String {
    let time = |time: Option<UnixTime>| time.map(clock::human).unwrap_or_default();
    let row = |found: &Identity| {
        vec![
            found.identity.to_string(),
            found.state.as_str().to_owned(),
            time(found.created_at),
            time(found.since),
            time(found.accepted_until),
        ]
    };
    let table = output::table(
        &["IDENTITY", "STATE", "CREATED", "SINCE", "ACCEPTED UNTIL"],
        &all.iter().map(row).collect::<Vec<_>>(),
    );
    let left = all.iter().filter(|found| found.state == IdentityState::Previous);
    let lines = left.map(|found| {
        let ends = match found.accepted_until {
            Some(until) if until > clock::now() => {
                format!("accept the present one until {}", clock::human(until))
            }
            _ => "do not accept the present one".to_owned(),
        };
        format!("\nGuests that pin only {} {ends}.", found.identity)
    });
    std::iter::once(table).chain(lines).collect()
}
