//! `vouchsafe-guest luks enroll`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::luks::HeaderCopy;

use super::draft::{Draft, write_device};
use super::recovery::NewCode;
use super::{broker_key, passphrase, register};
use crate::cli::console;
use crate::cli::failure::Failure;
use crate::cli::request::protect;
use crate::cryptsetup::{self, Slot};

#[derive(clap::Args)]
pub(in crate::cli) struct Enroll {
    /// The volume, by its name in the table `volumes` of the configuration.
    volume: String,
    /// The file with the broker's key, `-` for standard input. Default: the broker is asked for it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Add a recovery code too.
    #[arg(long)]
    recovery: bool,
}

/// Adds slots to a volume whose passphrase is known.
pub(super) fn run(config: &Path, command: &Enroll) -> Result<ExitCode, Failure> {
    protect(console::note)?;
    let config = GuestConfig::read(config)?;
    let device = config.keys.device(&command.volume)?;
    let before = HeaderCopy::read(device)?;
    let draft = Draft::new(&command.volume, before.bytes())?;
    let key = broker_key::read(&config, &command.volume, command.key.as_deref(), Some(&before))?;
    let is_enrolled = cryptsetup::opens(draft.path(), &key)?;
    if is_enrolled && !command.recovery {
        console::note("the broker's key opens this volume already");
        return Ok(ExitCode::SUCCESS);
    }
    if !is_enrolled {
        let known = passphrase::ask(&format!("Passphrase of {}", command.volume))?;
        if !cryptsetup::opens(draft.path(), &known)? {
            return Err(Failure::NoSlot);
        }
        cryptsetup::add(draft.path(), &known, &key, Slot::Key)?;
    }
    let code = command.recovery.then(NewCode::generate).transpose()?;
    if let Some(code) = &code {
        cryptsetup::add(draft.path(), &key, &code.passphrase(), Slot::Recovery)?;
    }
    let next = draft.finish()?;
    register::announce(&config, &command.volume, &before, &next)?;
    write_device(device, Some(&before), &next)?;
    if let Some(code) = code {
        code.show()?;
    }
    Ok(ExitCode::SUCCESS)
}
