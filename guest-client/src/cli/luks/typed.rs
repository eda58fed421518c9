//! `vouchsafe-guest luks typed`

use std::process::ExitCode;

use vouchsafe_guest_client::luks::{RecoveryCode, RecoveryCodeError};

use super::passphrase;
use crate::cli::console;
use crate::cli::failure::Failure;
use crate::cli::request::protect;
use crate::deliver::descriptor::Sink;

/// Writes a recovery code in the form that opens its slot, and everything else as it was typed.
pub(super) fn run() -> Result<ExitCode, Failure> {
    protect(console::silent)?;
    let typed = passphrase::ask("Passphrase or recovery code")?;
    let code = RecoveryCode::parse(std::str::from_utf8(typed.expose()).unwrap_or_default());
    if let Err(error @ RecoveryCodeError::Checksum) = &code {
        console::report(&format!("recovery code: {error}"));
    }
    Sink::open(None)?.write(code.as_ref().map_or(typed.expose(), |code| code.expose().as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}
