//! `vouchsafe-guest exec`

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::failure::Failure;
use super::request::ask;
use crate::deliver::account::AccountName;
use crate::deliver::command::{Assignment, Plan};

#[derive(clap::Args)]
pub(super) struct Exec {
    /// Put the secret into a file in memory (an open descriptor that the command inherits), and the file's name into
    /// the variable NAME. Use encrypted swap or none: the command's memory is not locked, unlike this program's.
    #[arg(long, value_name = "NAME=PATH")]
    file: Vec<Assignment>,
    /// Put the secret into a file in a private tmpfs, and the file's name into the variable NAME. Only the command
    /// and its children see it, and it disappears with the last of them. Needs root.
    #[arg(long, value_name = "NAME=PATH")]
    tmpfs: Vec<Assignment>,
    /// Put the secret itself into the variable NAME. Prefer files: variables leak easily.
    #[arg(long, value_name = "NAME=PATH")]
    env: Vec<Assignment>,
    /// Run the command as this user, USER or USER:GROUP by name or number, with the user's groups. The files are the
    /// user's. Needs root.
    #[arg(long, value_name = "USER")]
    user: Option<AccountName>,
    /// The command and its arguments. It replaces this process, so signals, exit status and process id are the
    /// command's.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(config: &Path, command: &Exec) -> Result<ExitCode, Failure> {
    let user = command.user.as_ref().map(AccountName::resolve).transpose()?;
    let plan = Plan::new(&command.file, &command.tmpfs, &command.env, user)?;
    let prepared = plan.prepare()?;
    let release = ask(config, plan.paths())?;
    Err(prepared.run(&release, &command.command).into())
}
