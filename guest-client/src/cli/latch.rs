//! `vouchsafe-guest latch`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::system::{RebootCommand, reboot};
use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::boot::check_root;
use vouchsafe_guest_client::config::Stage;
use vouchsafe_guest_client::latch::{self, Latch, LatchError, Word};
use vouchsafe_guest_client::vtpm::{TpmAddress, Vtpm};

use super::console;
use super::failure::Failure;

#[derive(clap::Args)]
pub(super) struct CloseLatch {
    /// Power the machine off if the latch cannot be closed.
    #[arg(long)]
    or_halt: bool,
    /// The phase becomes `latched` only if the file system mounted here is on a volume of the initrd and nobody was asked for a recovery
    /// passphrase; else `booted`.
    #[arg(long, value_name = "DIR", conflicts_with = "recovery")]
    root: Option<PathBuf>,
    /// The phase becomes `booted`: for an initrd that has failed.
    #[arg(long)]
    recovery: bool,
}

/// Closes the latch. A configuration that cannot be read does not keep it open: the defaults name the usual TPM.
pub(super) fn run(config: &Path, command: &CloseLatch) -> Result<ExitCode, Failure> {
    let config = GuestConfig::read(config);
    let word = command.word(config.as_ref().ok());
    let vtpm = config.map(|config| config.collect.vtpm).unwrap_or_default();
    let close = || -> Result<Latch, LatchError> {
        let address = vtpm.device.map_or_else(TpmAddress::find, Ok)?;
        latch::close(&mut Vtpm::open(&address)?, &vtpm.userspace_log, word)
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

impl CloseLatch {
    /// The word for what runs next. Without a configuration there are no volumes.
    fn word(&self, config: Option<&GuestConfig>) -> Word {
        if self.recovery {
            return Word::Recovery;
        }
        let Some(root) = &self.root else { return Word::Latch };
        let volumes: Vec<&str> =
            config.map(|config| config.keys.names_of(Stage::Initrd).collect()).unwrap_or_default();
        match check_root(Path::new("/"), root, &volumes) {
            Ok(()) => Word::Latch,
            Err(reason) => {
                console::report(&format!(
                    "latch: {reason}: this boot counts as `booted`, and secrets for the phase `latched` are not released"
                ));
                Word::Recovery
            }
        }
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
