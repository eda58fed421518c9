//! `vouchsafe-guest luks recover`

use std::path::Path;
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::luks::HeaderCopy;

use super::draft::{Draft, write_device};
use super::recovery::NewCode;
use super::{passphrase, recovery, register};
use crate::cli::console;
use crate::cli::failure::Failure;
use crate::cli::request::protect;
use crate::cryptsetup::{self, Slot};

#[derive(clap::Args)]
pub(in crate::cli) struct Recover {
    /// The volume, by its name in the table `volumes` of the configuration.
    volume: String,
    /// Replace the recovery code by a new one, instead of opening the volume.
    #[arg(long)]
    rotate: bool,
}

/// Opens a volume with its recovery code, or replaces the code. The header is checked before the code is asked for.
pub(super) fn run(config: &Path, command: &Recover) -> Result<ExitCode, Failure> {
    protect(console::note)?;
    let config = GuestConfig::read(config)?;
    let device = config.keys.device(&command.volume)?;
    let before = HeaderCopy::read(device)?;
    let draft = Draft::new(&command.volume, before.bytes())?;
    let typed = passphrase::ask(&format!("Recovery code of {}", command.volume))?;
    let old = recovery::parse(&typed)?;
    if !cryptsetup::opens(draft.path(), &old)? {
        return Err(Failure::NoSlot);
    }
    if !command.rotate {
        cryptsetup::open(draft.path(), device, &command.volume, &old)?;
        return Ok(ExitCode::SUCCESS);
    }
    let code = NewCode::generate()?;
    cryptsetup::replace(draft.path(), &old, &code.passphrase(), Slot::Recovery)?;
    let next = draft.finish()?;
    register::announce(&config, &command.volume, &before, &next)?;
    // Before it is the only one: if writing fails, the old code is still good.
    code.show()?;
    write_device(device, Some(&before), &next)?;
    Ok(ExitCode::SUCCESS)
}
