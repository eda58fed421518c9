//! `vouchsafe completions SHELL`.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::output;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// bash, zsh, fish, elvish or powershell.
    shell: Shell,
}

impl Completions {
    /// Completions of the whole command line.
    pub(super) fn run(self, mut cli: Command) -> Result<ExitCode, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut cli, "vouchsafe", &mut text);
        output::print_document(&String::from_utf8_lossy(&text))
    }
}
