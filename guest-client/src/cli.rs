//! The command line. Each command has its own file.

mod clevis;
mod completions;
mod console;
mod doctor;
mod evidence;
mod exec;
mod failure;
mod fetch;
mod latch;
mod luks;
mod openable;
mod request;
mod serve_keys;
mod unlock;
#[cfg(feature = "updates")]
mod update;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use vouchsafe_guest_client::config::DEFAULT_PATH;

/// Fetches secrets for this Confidential VM from a vouchsafe broker.
#[derive(Parser)]
#[command(name = "vouchsafe-guest", version, after_help = AFTER_HELP)]
struct Arguments {
    /// Configuration file.
    #[arg(long, global = true, default_value = DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch secrets and write them to files, stdout or a file descriptor.
    Fetch(fetch::Fetch),
    /// Fetch secrets and run a command that gets them as files or environment variables.
    Exec(exec::Exec),
    /// Print the key of an encrypted volume: for scripts of an initrd, and for data disks after it.
    ///
    /// Writes the key to stdout and nothing else. All volumes of the stage are requested at once. In an initrd, refuses unless the
    /// kernel's command line rules out a shell. A failure is one line in the kernel's log, which reaches console and journal.
    Unlock(unlock::Unlock),
    /// Close the boot-phase latch: the last act of an initrd, also of one that fails.
    ///
    /// Extends PCR 15 once. What is released to the phase `initrd` is not released again in this boot.
    Latch(latch::CloseLatch),
    /// Answer systemd-cryptsetup (the key file is the socket) and LoadCredential= of services.
    ///
    /// Serves root alone. The name of the peer's socket tells which volume or credential of the configuration it wants.
    ServeKeys(serve_keys::ServeKeys),
    /// Format encrypted volumes, enroll and recover them, and check their headers.
    Luks(luks::Luks),
    /// Encrypt for the Clevis pin: what `clevis encrypt vouchsafe` runs.
    ///
    /// Reads a passphrase of Clevis from stdin and writes a JWE that only the key of the volume opens.
    ClevisEncrypt(clevis::ClevisEncrypt),
    /// Decrypt for the Clevis pin: what `clevis decrypt` and `clevis luks unlock` run.
    ///
    /// Reads a JWE from stdin, requests the key of the volume that it names as `unlock` does, and writes the passphrase to stdout.
    ClevisDecrypt,
    /// Predict what the next boot will measure, and propose it for the baseline.
    #[cfg(feature = "updates")]
    Update(update::Update),
    /// Collect evidence without a release, to inspect it or to write a policy from it.
    Evidence(evidence::Capture),
    /// Check what this VM can prove, what is missing, and whether its brokers can be used.
    Doctor(doctor::Doctor),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = &arguments.config;
    let subject = arguments.command.boot_subject();
    let outcome = match arguments.command {
        Command::Fetch(command) => fetch::run(config, &command),
        Command::Exec(command) => exec::run(config, &command),
        Command::Unlock(command) => unlock::run(config, &command),
        Command::Latch(command) => latch::run(config, &command),
        Command::ServeKeys(command) => serve_keys::run(config, &command),
        Command::Luks(command) => luks::run(config, &command),
        Command::ClevisEncrypt(command) => clevis::encrypt(config, &command),
        Command::ClevisDecrypt => clevis::decrypt(config),
        #[cfg(feature = "updates")]
        Command::Update(command) => update::run(config, &command),
        Command::Evidence(command) => evidence::run(config, command),
        Command::Doctor(command) => doctor::run(config, &command),
        Command::Completions { shell } => completions::run(shell, &mut Arguments::command()),
    };
    outcome.unwrap_or_else(|failure| {
        match subject {
            Some(subject) => console::report(&format!("{subject}: {}", failure.line())),
            None => {
                console::note(&failure.to_string());
                if let Some(advice) = failure.advice() {
                    console::note(&advice);
                }
            }
        }
        ExitCode::from(failure.exit_code())
    })
}

impl Command {
    /// For a command that runs at boot, what its failure is about. It is reported in one line on the machine's console.
    fn boot_subject(&self) -> Option<String> {
        match self {
            Self::Unlock(command) => Some(format!("volume {}", command.volume)),
            Self::Latch(_) => Some("latch".to_owned()),
            Self::ServeKeys(_) => Some("keys".to_owned()),
            Self::Luks(command) => command.boot_volume().map(|volume| format!("volume {volume}")),
            Self::ClevisDecrypt => Some("clevis".to_owned()),
            _ => None,
        }
    }
}

const AFTER_HELP: &str = "\
The TPM library loads its device module, libtss2-tcti-device, at run time; it is in a package of that name or in tpm2-tss.
`doctor` checks this and everything else that is needed.

Exit codes: 0 done; 1 doctor: nothing can be proved, or no broker can be used; 2 usage or configuration; 10 refused by the broker;
11 no broker gave a valid signed answer; 12 no evidence; 13 the broker signed an answer that does not match the request;
14 output or cryptsetup failed, or the command's user or files, or the socket, could not be set up; 15 no broker can be used as configured (identity,
CA, host or URL); 16 the kernel's command line can lead to a shell in the initrd; 17 the latch is not closed; 18 a volume's header cannot be
read, or is not accepted; 19 the passphrase or recovery code opens no key slot; 20 update: the next boot measures what is not
allowed yet (check: what this boot did not measure); 21 an operator has rejected the proposal; 22 what the next boot will measure cannot be told. exec passes on the command's exit code; 126 and 127: it cannot be run.";
