//! `vouchsafe-guest luks register`, and what the broker has to know before a header changes.

use std::path::Path;
use std::process::ExitCode;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::boot::Initrd;
use vouchsafe_guest_client::config::Stage;
use vouchsafe_guest_client::luks::{HeaderCopy, copy_path};

use super::broker_key;
use crate::cli::console;
use crate::cli::failure::Failure;
use crate::cli::request::{Notes, client, protect};
use crate::cli::unlock::rule_out_shells;

#[derive(clap::Args)]
pub(in crate::cli) struct Register {
    /// The volume, by its name in crypttab and in the table `volumes` of the configuration.
    pub(in crate::cli) volume: String,
    /// Do nothing unless the configuration has `register = true` for the volume.
    #[arg(long)]
    if_configured: bool,
}

/// Registers the header that the volume was opened with.
pub(super) fn run(config: &Path, command: &Register) -> Result<ExitCode, Failure> {
    let config = GuestConfig::read(config)?;
    let volume = config.keys.any(&command.volume)?;
    if command.if_configured && !volume.register {
        return Ok(ExitCode::SUCCESS);
    }
    let initrd = Initrd::find(Path::new("/"));
    let path = config.keys.volume(&command.volume, Initrd::stage(initrd))?;
    rule_out_shells(initrd)?;
    let copy = HeaderCopy::reopen(&copy_path(&command.volume)).map_err(Failure::NoCopy)?;
    protect(console::silent)?;
    client(&config, Notes::BOOT)?.register_volume(path.clone(), copy.digest())?;
    Ok(ExitCode::SUCCESS)
}

/// Registers the header of a volume that was formatted.
pub(super) fn formatted(config: &GuestConfig, name: &str, header: &HeaderCopy) -> Result<(), Failure> {
    let volume = config.keys.any(name)?;
    if volume.register && volume.stage == Stage::System {
        client(config, Notes::PROGRAM)?.register_volume(volume.secret.clone(), header.digest())?;
    }
    Ok(())
}

/// Announces a header that is about to be written in the place of `before`. If the program ends in between, the old one is still good.
pub(super) fn announce(
    config: &GuestConfig,
    name: &str,
    before: &HeaderCopy,
    next: &HeaderCopy,
) -> Result<(), Failure> {
    let volume = config.keys.any(name)?;
    match volume.stage {
        _ if !volume.register => {}
        Stage::System => {
            let mut client = client(config, Notes::PROGRAM)?;
            // Makes a header that was announced before, and is in use by now, the registered one.
            client.release(&broker_key::body(&volume.secret, Some(before))?)?;
            client.register_volume(volume.secret.clone(), before.digest())?;
            client.advance_volume(volume.secret.clone(), before.digest(), next.digest())?;
        }
        Stage::Initrd => console::note(&format!(
            "the header changes, and only the initrd may announce that: before the next boot, have an operator run \
             `vouchsafe volume forget` for {}",
            volume.secret
        )),
    }
    Ok(())
}
