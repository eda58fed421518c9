//! `vouchsafe-guest luks`: encrypted volumes and their headers.

mod broker_key;
mod draft;
mod enroll;
mod format;
mod header;
mod passphrase;
mod recover;
mod recovery;
mod register;
mod status;
mod typed;

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;

use super::failure::Failure;
use crate::deliver::descriptor::Sink;

#[derive(clap::Args)]
pub(super) struct Luks {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Copy the header of a volume to /run/vouchsafe/VOLUME.header, and check it: cryptsetup opens the volume with this copy.
    ///
    /// The header on the disk can be replaced by the host at any time. Without a copy that passed the check nothing may be opened,
    /// also not with a recovery passphrase. A failure is one line in the kernel's log.
    Header(header::CopyHeader),
    /// Print the device of a volume, as it is configured.
    Device {
        /// The volume, by its name in the table `volumes` of the configuration.
        volume: String,
    },
    /// Format the device of a volume as LUKS2, for the broker's key and for a recovery code, which is printed once.
    Format(format::Format),
    /// Add the broker's key to a volume whose passphrase is known, read from the terminal or from standard input.
    Enroll(enroll::Enroll),
    /// Show what the header of a volume says, and its digest.
    Status(status::Status),
    /// Open a volume with its recovery code, read from the terminal or from standard input.
    Recover(recover::Recover),
    /// Register the header that a volume was opened with: from then on the broker releases its key for no other header.
    ///
    /// A failure is one line in the kernel's log.
    Register(register::Register),
    /// Write what a person typed as cryptsetup needs it: for key scripts.
    ///
    /// A recovery code comes out in the form that opens its key slot, everything else as it is. Without a newline.
    Typed,
}

/// Runs a command of the group.
pub(super) fn run(config: &Path, command: &Luks) -> Result<ExitCode, Failure> {
    match &command.command {
        Command::Header(command) => header::run(config, command),
        Command::Device { volume } => device(config, volume),
        Command::Format(command) => format::run(config, command),
        Command::Enroll(command) => enroll::run(config, command),
        Command::Status(command) => status::run(config, command),
        Command::Recover(command) => recover::run(config, command),
        Command::Register(command) => register::run(config, command),
        Command::Typed => typed::run(),
    }
}

impl Luks {
    /// For a command that runs at boot, the volume that its failure is about.
    pub(super) fn boot_volume(&self) -> Option<&str> {
        match &self.command {
            Command::Header(command) => Some(&command.volume),
            Command::Register(command) => Some(&command.volume),
            _ => None,
        }
    }
}

fn device(config: &Path, volume: &str) -> Result<ExitCode, Failure> {
    let config = GuestConfig::read(config)?;
    let line = [config.keys.device(volume)?.as_os_str().as_bytes(), b"\n"].concat();
    Sink::open(None)?.write(&line)?;
    Ok(ExitCode::SUCCESS)
}
