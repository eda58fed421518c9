//! `vouchsafe audit`: whether the decision log is whole.

mod checkpoints;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::audit::{AuditError, audit};
use vouchsafe_keystore::backup::BackupError;
use vouchsafe_protocol::{BrokerIdentity, Checkpoint};

use super::failure::Failure;
use super::offline::Offline;
use super::{backup, output, serve};
use crate::broker::StartError;
use crate::log;

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Verify every record of the decision log, and compare the log with checkpoints kept elsewhere.
    Verify(Verify),
}

/// Run this as the broker's user; the broker may be running. Exit code 1 says that a record does not verify, or
/// that the log contradicts a checkpoint or the file `keystore.head` beside the database.
#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    offline: Offline,
    /// The database: a copy that `backup` made, or by default that of the configuration.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// A signed checkpoint, or a log of the broker in JSON, of which every line `log.checkpoint` is used; - reads standard input.
    #[arg(long, value_name = "FILE", requires = "broker")]
    checkpoint: Vec<PathBuf>,
    /// The broker that signed the checkpoints, as you know it: `ed25519:` and 43 characters, as `init` printed it and guests pin it.
    #[arg(long, value_name = "IDENTITY")]
    broker: Option<BrokerIdentity>,
}

impl Audit {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.command {
            AuditCommand::Verify(command) => command.run(json),
        }
    }
}

impl Verify {
    fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = self.offline.load()?;
        log::start(config.log);
        let checkpoints = self.checkpoints()?;
        let keyring = config.load_keyring().map_err(StartError::from)?;
        let database = self.database.unwrap_or_else(|| config.database());
        let audited = serve::runtime()?.block_on(audit(&database, &keyring, &checkpoints));
        let log = match audited {
            Ok(log) => log,
            Err(AuditError::Database(BackupError::Store(error @ StoreError::RowTampered { .. }))) => {
                return Err(Failure::Contradiction(error.to_string()));
            }
            Err(AuditError::Database(error)) => return Err(error.into()),
            Err(contradiction) => return Err(Failure::Contradiction(contradiction.to_string())),
        };
        if json {
            return output::print_json(
                &json!({ "database": database, "log": log, "checkpoints": checkpoints.len() }),
            );
        }
        let compared = match checkpoints.len() {
            0 => "No checkpoint was given: whether the newest records were cut off is not known.".to_owned(),
            1 => "It is the log of the checkpoint.".to_owned(),
            count => format!("It is the log of all {count} checkpoints."),
        };
        output::print(&format!(
            "{}: every record of the decision log is there and verifies.\n\n{}\n{compared}\n",
            database.display(),
            backup::summary(&log)
        ))
    }

    fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        let Some(broker) = &self.broker else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for file in &self.checkpoint {
            all.extend(checkpoints::read(file, broker)?);
        }
        Ok(all)
    }
}
