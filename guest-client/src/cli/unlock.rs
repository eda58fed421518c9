//! `vouchsafe-guest unlock`

use std::path::Path;
use std::process::ExitCode;

use vouchsafe_guest_client::boot::{Initrd, check_command_line};
use vouchsafe_guest_client::{GuestConfig, Release};
use vouchsafe_protocol::SecretPath;

use super::failure::Failure;
use super::request::{Notes, fetch, protect};
use super::{console, openable};
use crate::deliver::descriptor::Sink;

#[derive(clap::Args)]
pub(super) struct Unlock {
    /// The volume, by its name in crypttab and in the table `volumes` of the configuration.
    pub(super) volume: String,
}

/// Writes the key of one volume. All volumes of the stage are requested at once, so that each of them has the same decision; only
/// those without a checked copy of their header are left out.
pub(super) fn run(config: &Path, command: &Unlock) -> Result<ExitCode, Failure> {
    let initrd = Initrd::find(Path::new("/"));
    rule_out_shells(initrd)?;
    let mut sink = Sink::open(None)?;
    if sink.is_terminal() {
        return Err(Failure::KeyToTerminal);
    }
    protect(console::silent)?;
    let config = GuestConfig::read(config)?;
    let (release, path) = request(&config, &command.volume, initrd)?;
    sink.write(release.secret(&path).expose())?;
    Ok(ExitCode::SUCCESS)
}

/// Requests the keys of the running stage, if the volume is one of it. Returns the path of its key.
pub(super) fn request(
    config: &GuestConfig,
    volume: &str,
    initrd: Option<Initrd>,
) -> Result<(Release, SecretPath), Failure> {
    let stage = Initrd::stage(initrd);
    let path = config.keys.volume(volume, stage)?;
    let volumes = openable::of_stage(&config.keys, stage, volume)?;
    let release = fetch(config, &volumes, Notes::BOOT)?;
    released(volume, &release);
    Ok((release, path.clone()))
}

/// Says in the initrd which decision released the key, and what it took.
pub(super) fn released(volume: &str, release: &Release) {
    console::inform(&format!(
        "volume {volume}: released, decision {}, in {}",
        release.decision, release.spent
    ));
}

/// In an initrd, refuses when the kernel's command line does not rule out a shell.
pub(super) fn rule_out_shells(initrd: Option<Initrd>) -> Result<(), Failure> {
    let Some(initrd) = initrd else { return Ok(()) };
    let line = std::fs::read("/proc/cmdline").map_err(Failure::CommandLine)?;
    Ok(check_command_line(&line, initrd)?)
}
