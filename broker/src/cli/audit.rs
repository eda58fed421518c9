//! `vouchsafe audit`: whether the decision log is whole.

mod checkpoints;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::runtime::Runtime;
use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::audit::{AuditError, SignedCheckpoint, audit, successions};
use vouchsafe_keystore::backup::BackupError;
use vouchsafe_protocol::BrokerIdentity;

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

/// Run this as the broker's user; the broker may be running. Exit code 1 says that a row does not verify, or
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
    /// Identities that it has named its successors count too; give one from before a rotation as well if you know only a later one.
    #[arg(long, value_name = "IDENTITY")]
    broker: Vec<BrokerIdentity>,
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
        let runtime = serve::runtime()?;
        let database = self.database.clone().unwrap_or_else(|| config.database());
        let checkpoints = self.checkpoints(&runtime, &database)?;
        let keyring = config.load_keyring().map_err(StartError::from)?;
        let audited = runtime.block_on(audit(&database, &keyring, &checkpoints));
        let log = match audited {
            Ok(log) => log,
            Err(AuditError::Database(error)) => return Err(fault(error)),
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

    fn checkpoints(&self, runtime: &Runtime, database: &Path) -> Result<Vec<SignedCheckpoint>, Failure> {
        if self.checkpoint.is_empty() {
            return Ok(Vec::new());
        }
        let statements = runtime.block_on(successions(database)).map_err(fault)?;
        let brokers = checkpoints::successors(&self.broker, &statements);
        let mut all = Vec::new();
        for file in &self.checkpoint {
            all.extend(checkpoints::read(file, &brokers)?);
        }
        Ok(all)
    }
}

/// A row that does not verify is what the command looks for.
fn fault(error: BackupError) -> Failure {
    match error {
        BackupError::Store(error @ StoreError::RowTampered { .. }) => {
            Failure::Contradiction(error.to_string())
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_does_not_verify_is_a_contradiction() {
        let edited = StoreError::RowTampered { table: "identity_uses", key: "1".to_owned() };
        let failure = fault(BackupError::Store(edited));
        assert!(matches!(failure, Failure::Contradiction(_)), "{failure}");
        assert_eq!(failure.exit_code(), ExitCode::from(1));
        let failure = fault(BackupError::Damaged { path: PathBuf::from("keystore.db") });
        assert_eq!(failure.exit_code(), ExitCode::from(2), "{failure}");
    }
}
