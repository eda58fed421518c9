//! The command line. Each command is a file; values of secrets come from files or standard input, never
//! from arguments, and are never read back.

mod audit;
mod backup;
mod baseline;
mod chips;
mod client;
mod collateral;
mod completions;
mod component;
mod credential;
mod decisions;
mod documents;
mod encoded;
mod explain;
mod failure;
mod guardrails;
mod identity;
mod init;
mod judge;
mod keyring;
mod offline;
mod online;
mod operator;
mod output;
mod policy;
mod recover_admin;
mod restore;
mod secret;
mod serve;
mod trusted_file;
mod verify;
mod volume;
mod when;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use failure::Failure;

/// Releases secrets to Confidential VMs on Google Cloud that have proved what they run and who owns them.
///
/// Exit codes: 0 done; 1 refused, by the broker or, for `verify` and `audit`, by the verifier; 2 usage, or a file that cannot
/// be used; 3 the broker, or a service that it needs, cannot be reached.
#[derive(Debug, Parser)]
#[command(name = "vouchsafe", version)]
struct Cli {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a new broker: data directory, root keyring, identity, TLS, first operator.
    Init(init::Init),
    /// Run the broker.
    Serve(serve::Serve),
    /// Put, generate, list, retire, restore and destroy secrets.
    Secret(secret::Secret),
    /// Write, check, put and read release policies.
    Policy(policy::Policy),
    /// Learn, predict, put, list, show, update and revoke baselines.
    Baseline(baseline::Baseline),
    /// Show, replace and reset the broker's guardrails.
    Guardrails(guardrails::GuardrailsCommand),
    /// List decisions, and export one with its evidence.
    Decisions(decisions::Decisions),
    /// List the chips on which VMs got secrets, and VMs that moved.
    Chips(chips::Chips),
    /// List, show and forget registered volumes.
    Volume(volume::Volumes),
    /// Explain why a request was refused, or what was granted.
    Explain(explain::Explain),
    /// Show, fetch, import, export and remove collateral.
    Collateral(collateral::CollateralCommand),
    /// Add, list and remove operators, and replace their tokens.
    Operator(operator::OperatorCommand),
    /// Rotate the identity that guests pin while the broker serves.
    Identity(identity::IdentityCommand),
    /// Rotate the root keyring while the broker serves, and have it wrapped by a key in Cloud KMS.
    Keyring(keyring::KeyringCommand),
    /// Add an administrator offline, when every administrator's token is lost.
    RecoverAdmin(recover_admin::RecoverAdmin),
    /// Copy the database while the broker serves, and verify the copy.
    Backup(backup::Backup),
    /// Verify the decision log.
    Audit(audit::Audit),
    /// Put a copy of the database in place.
    Restore(restore::Restore),
    /// Verify captured evidence offline. Always prints JSON.
    Verify(verify::Verify),
    /// Print completions for a shell.
    Completions(completions::Completions),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors. A closed pipe needs no report.
            let _closed = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    // Tokens and values of secrets pass through this process. If the kernel refuses, `serve` logs it.
    let _refused = crate::hardening::no_core_dumps();
    let json = cli.json;
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.print(json);
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let json = cli.json;
    match cli.command {
        Command::Serve(command) => command.run(),
        Command::Init(command) => command.run(json),
        Command::Verify(command) => command.run(),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Secret(command) => command.run(json),
        Command::Policy(command) => command.run(json),
        Command::Baseline(command) => command.run(json),
        Command::Guardrails(command) => command.run(json),
        Command::Decisions(command) => command.run(json),
        Command::Chips(command) => command.run(json),
        Command::Volume(command) => command.run(json),
        Command::Explain(command) => command.run(json),
        Command::Collateral(command) => command.run(json),
        Command::Operator(command) => command.run(json),
        Command::Identity(command) => command.run(json),
        Command::Keyring(command) => command.run(json),
        Command::RecoverAdmin(command) => command.run(json),
        Command::Backup(command) => command.run(json),
        Command::Audit(command) => command.run(json),
        Command::Restore(command) => command.run(json),
    }
}

#[cfg(test)]
mod tests;
