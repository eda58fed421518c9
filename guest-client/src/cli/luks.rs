//! `vouchsafe-guest luks`: headers of encrypted volumes.

mod header;

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
}

/// Runs a command of the group.
pub(super) fn run(config: &Path, command: &Luks) -> Result<ExitCode, Failure> {
    match &command.command {
        Command::Header(command) => header::run(config, command),
        Command::Device { volume } => {
            let config = GuestConfig::read(config)?;
            let line = [config.keys.device(volume)?.as_os_str().as_bytes(), b"\n"].concat();
            Sink::open(None)?.write(&line)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Luks {
    /// For a command that runs at boot, the volume that its failure is about.
    pub(super) fn boot_volume(&self) -> Option<&str> {
        match &self.command {
            Command::Header(command) => Some(&command.volume),
            Command::Device { .. } => None,
        }
    }
}
