//! `vouchsafe volume …`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vouchsafe_protocol::{Digest32, SecretPath};

use super::client::Connection;
use super::failure::Failure;
use super::output;
use crate::api::volumes::{ListVolumes, NameVolume, Volume, VolumeChange, VolumeId, VolumePage};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Volumes {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List registered volumes, by secret and VM.
    List {
        /// Only volumes that this secret opens.
        #[arg(long)]
        path: Option<SecretPath>,
        /// Only those of this VM: project number/instance id.
        #[arg(long, value_name = "PROJECT/ID")]
        instance: Option<String>,
        /// Maximum number of entries.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Continue after the previous page, with the value that it gave as `next`.
        #[arg(long, value_name = "VOLUME")]
        after: Option<VolumeId>,
    },
    /// Show the header that a volume must have, and the one that its VM announced.
    Show {
        /// The volume, as in the list: path@project number/instance id.
        volume: VolumeId,
    },
    /// Remove a registration: the VM gets the secret with any header, and may register a new one.
    ///
    /// Do this only if you know why the header differs, for example because the disk was set up again. A disk
    /// that an attacker replaced or rolled back looks the same.
    Forget {
        /// The volume, as in the list: path@project number/instance id.
        volume: VolumeId,
    },
}

impl Volumes {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::List { path, instance, limit, after } => {
                let query = ListVolumes { path, instance, after, limit: Some(limit) };
                output::show(json, client.get("/v1/volumes", &query)?, page)
            }
            Action::Show { volume } => {
                output::show(json, client.get("/v1/volumes/show", &NameVolume { volume })?, one)
            }
            Action::Forget { volume } => {
                let request = NameVolume { volume };
                client.post("/v1/volumes/forget", &request)?;
                let NameVolume { volume } = request;
                output::show(json, json!({ "volume": volume }), |_: Value| {
                    format!("Volume {volume} is forgotten: its VM may register a header anew.")
                })
            }
        }
    }
}

fn page(VolumePage { volumes, next }: VolumePage) -> String {
    if volumes.is_empty() {
        return "No volume is registered.".to_owned();
    }
    let rows: Vec<_> = volumes.iter().map(row).collect();
    let mut text = output::table(&["VOLUME", "GENERATION", "HEADER", "ANNOUNCED", "CHANGED"], &rows);
    output::more(&mut text, "--after", next);
    text
}

fn row(shown: &Volume) -> Vec<String> {
    let short =
        |digest: Digest32| -> String { digest.to_string().chars().take(SHOWN).chain(['…']).collect() };
    vec![
        shown.volume.to_string(),
        shown.state.generation.to_string(),
        short(shown.state.current),
        shown.state.pending.map_or_else(|| "-".to_owned(), short),
        clock::human(shown.changed_at),
    ]
}

fn one(shown: Volume) -> String {
    let Volume { volume, state, registered_at, change, changed_at, decision } = shown;
    let mut text = format!("Volume {volume}\n");
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _written = writeln!(text, "  {name:<11}{value}");
    };
    line("generation", &state.generation.to_string());
    line("header", &state.current.to_string());
    if let Some(pending) = state.pending {
        line("announced", &pending.to_string());
    }
    line("registered", &clock::human(registered_at));
    let change = match change {
        VolumeChange::Registered => "registered",
        VolumeChange::Advanced => "a header was announced",
        VolumeChange::Promoted => "the announced header is in use",
    };
    line("changed", &format!("{}: {change}, decision {decision}", clock::human(changed_at)));
    text
}

/// Enough to tell digests apart at a glance; `show` prints them in full.
const SHOWN: usize = 16;
