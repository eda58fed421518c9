//! `vouchsafe-guest fetch`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vouchsafe_protocol::{ReleasePaths, SecretPath};

use super::console;
use super::failure::Failure;
use super::request::ask;
use crate::deliver::account::AccountName;
use crate::deliver::descriptor::Sink;
use crate::deliver::json::json;
use crate::deliver::private_file::{Destination, Folder, Permissions};

#[derive(clap::Args)]
pub(super) struct Fetch {
    /// Paths such as prod/db-01/disk. Either all are released or none is.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<SecretPath>,
    /// Write JSON with the secrets in base64; otherwise several paths need one --output each.
    #[arg(long)]
    json: bool,
    /// Write to this file, atomically and readable by its owner only. Repeat it for each PATH, in the same order.
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Permissions of the files, octal; other users never get any.
    #[arg(long, value_name = "MODE", default_value = "0600", requires = "output")]
    mode: Permissions,
    /// Owner of the files, USER or USER:GROUP by name or number; default group: the user's own. Needs root.
    #[arg(long, value_name = "OWNER", requires = "output")]
    owner: Option<AccountName>,
    /// Write to this open file descriptor (a pipe or a file) instead of stdout.
    #[arg(long, value_name = "N", conflicts_with = "output")]
    fd: Option<u32>,
    /// Write even to a terminal.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(config: &Path, command: &Fetch) -> Result<ExitCode, Failure> {
    let paths = ReleasePaths::sort(command.paths.clone())?;
    if !command.output.is_empty() {
        return fetch_to_files(config, command, &paths);
    }
    if paths.as_slice().len() > 1 && !command.json {
        return Err(Failure::SeveralNeedJson);
    }
    let mut sink = Sink::open(command.fd)?;
    if sink.is_terminal() && !command.force {
        return Err(Failure::Terminal);
    }
    if let Some(mode) = sink.readable_by_others().filter(|_| command.fd.is_none()) {
        console::note(&format!(
            "stdout is a file that others may read (mode {mode:04o}); --output makes private ones"
        ));
    }
    let release = ask(config, &paths)?;
    match (command.json, release.secrets.as_slice()) {
        (false, [one]) => sink.write(one.secret.expose())?,
        _ => sink.write(json(&release).as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All files are complete before the first one gets its name.
fn fetch_to_files(config: &Path, command: &Fetch, paths: &ReleasePaths) -> Result<ExitCode, Failure> {
    let expected = if command.json { 1 } else { command.paths.len() };
    if command.output.len() != expected {
        return Err(Failure::OutputCount { expected, given: command.output.len() });
    }
    let owner = command.owner.as_ref().map(AccountName::resolve).transpose()?.map(|account| account.owner);
    let open = |path: &PathBuf| Destination::open(path, command.mode, owner, Folder::Trusted);
    let destinations = command.output.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    check_distinct(&destinations)?;
    let release = ask(config, paths)?;
    let text = command.json.then(|| json(&release));
    let mut staged = Vec::new();
    for (destination, path) in destinations.iter().zip(&command.paths) {
        let bytes = match &text {
            Some(text) => text.as_bytes(),
            None => release.secret(path).expose(),
        };
        staged.push(destination.stage(bytes)?);
    }
    for file in staged {
        file.commit()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Two secrets with one name would overwrite each other.
fn check_distinct(destinations: &[Destination]) -> Result<(), Failure> {
    for (index, one) in destinations.iter().enumerate() {
        if destinations.iter().skip(index + 1).any(|other| one.is_same(other)) {
            return Err(Failure::OutputTwice(one.path().to_owned()));
        }
    }
    Ok(())
}
