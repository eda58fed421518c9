//! `vouchsafe-guest completions`

use std::process::ExitCode;

use clap_complete::Shell;

use super::failure::Failure;
use crate::deliver::descriptor::Sink;

/// Prints completions of `command`.
pub(super) fn run(shell: Shell, command: &mut clap::Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "vouchsafe-guest", &mut script);
    Sink::open(None)?.write(&script)?;
    Ok(ExitCode::SUCCESS)
}
