//! `vouchsafe-guest luks format`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;

use super::draft::{Draft, Place, write_device};
use super::recovery::NewCode;
use super::{broker_key, register};
use crate::cli::console;
use crate::cli::failure::Failure;
use crate::cli::request::protect;
use crate::cryptsetup::{self, Slot};

#[derive(clap::Args)]
pub(in crate::cli) struct Format {
    /// The volume, by its name in the table `volumes` of the configuration.
    volume: String,
    /// The file with the broker's key, `-` for standard input. Default: the broker is asked for it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Format a device that is not empty. Everything on it is lost.
    #[arg(long)]
    erase: bool,
}

/// Formats a device, with a slot for the broker's key and one for a new recovery code.
pub(super) fn run(config: &Path, command: &Format) -> Result<ExitCode, Failure> {
    protect(console::note)?;
    let config = GuestConfig::read(config)?;
    let device = config.keys.device(&command.volume)?;
    let place = Place::open(device)?;
    if !place.blank && !command.erase {
        return Err(Failure::NotBlank(device.to_owned()));
    }
    let key = broker_key::read(&config, &command.volume, command.key.as_deref(), None)?;
    let draft = Draft::empty(&command.volume)?;
    cryptsetup::format(draft.path(), draft.size(), place.sector_size, &key)?;
    let code = NewCode::generate()?;
    cryptsetup::add(draft.path(), &key, &code.passphrase(), Slot::Recovery)?;
    let header = draft.finish()?;
    write_device(device, None, &header)?;
    code.show()?;
    register::formatted(&config, &command.volume, &header)?;
    Ok(ExitCode::SUCCESS)
}
