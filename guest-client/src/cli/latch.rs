//! `vouchsafe-guest latch`

use std::path::Path;
use std::process::ExitCode;

use rustix::system::{RebootCommand, reboot};
use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::latch::{self, Latch, LatchError};
use vouchsafe_guest_client::vtpm::{TpmAddress, Vtpm};

use super::console;
use super::failure::Failure;

#[derive(clap::Args)]
pub(super) struct CloseLatch {
    /// Power the machine off if the latch cannot be closed.
    #[arg(long)]
    or_halt: bool,
}

/// Closes the latch. A configuration that cannot be read does not keep it open: the defaults name the usual TPM.
pub(super) fn run(config: &Path, command: &CloseLatch) -> Result<ExitCode, Failure> {
    let vtpm = GuestConfig::read(config).map(|config| config.collect.vtpm).unwrap_or_default();
    let close = || -> Result<Latch, LatchError> {
        let address = vtpm.device.map_or_else(TpmAddress::find, Ok)?;
        latch::close(&mut Vtpm::open(&address)?, &vtpm.userspace_log)
    };
    match close() {
        Ok(state) => {
            remark(&state);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if command.or_halt => Err(halt(error)),
        Err(error) => Err(Failure::Latch(error)),
    }
}

/// Says what differs from an ordinary boot.
fn remark(state: &Latch) {
    match state {
        Latch::Closed { unrecorded: None } | Latch::AlreadyClosed => {}
        Latch::Closed { unrecorded: Some(error) } => console::report(&format!(
            "latch: closed, but systemd's measurement log was not written ({error}): this boot counts as `booted` once \
             systemd extends PCR 15"
        )),
        Latch::Late => console::report(
            "latch: closed, but something else had been extended into PCR 15 before: this boot counts as `booted`",
        ),
    }
}

/// Powers the machine off. Returns only if the kernel refuses that.
fn halt(error: LatchError) -> Failure {
    let failure = Failure::Latch(error);
    console::report(&format!("latch: {}; powering off", failure.line()));
    rustix::fs::sync();
    match reboot(RebootCommand::PowerOff) {
        Ok(()) => failure,
        Err(refused) => Failure::Halt(refused),
    }
}
