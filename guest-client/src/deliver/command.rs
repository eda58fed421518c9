//! A command that replaces this process, so that signals, the exit status and the process id are the
//! command's own.
//!
//! This module makes what it inherits: descriptors of sealed files, variables with the names of files or with
//! secrets.

use std::ffi::OsString;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use rustix::io::Errno;
use vouchsafe_guest_client::Release;
use vouchsafe_protocol::path::PathError;
use vouchsafe_protocol::request::ReleasePathsError;
use vouchsafe_protocol::{ReleasePaths, SecretPath};

use super::account::Account;
use super::environment;
use super::memory_file::memory_file;
use super::tmpfs::{PrivateTmpfs, TmpfsError};
use super::user::{self, UserError};

/// `NAME=PATH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    variable: String,
    path: SecretPath,
}

/// The text is not an assignment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssignmentError {
    #[error("expected NAME=PATH")]
    Form,
    #[error("a variable has letters, digits and `_`, and does not start with a digit")]
    Variable,
    #[error(transparent)]
    Path(#[from] PathError),
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let (variable, path) = text.split_once('=').ok_or(AssignmentError::Form)?;
        let word = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !word || variable.is_empty() || variable.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(AssignmentError::Variable);
        }
        Ok(Self { variable: variable.to_owned(), path: SecretPath::parse(path)? })
    }
}

/// Why the command was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("nothing to pass to the command: give --file, --tmpfs or --env")]
    NothingToHandOn,
    #[error("the variable {0} is set twice")]
    VariableTwice(String),
    #[error(transparent)]
    Paths(#[from] ReleasePathsError),
    #[error(transparent)]
    Tmpfs(#[from] TmpfsError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error("output: {0}")]
    MemoryFile(#[from] Errno),
    #[error("the secret for {0} has a zero byte, which no environment variable can hold; use --file")]
    ZeroByte(String),
    #[error("{}: {source}", command.display())]
    Start { command: PathBuf, source: std::io::Error },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    MemoryFile,
    Tmpfs,
    Variable,
}

/// The secrets and where each is delivered.
pub(crate) struct Plan {
    paths: ReleasePaths,
    assignments: Vec<(Way, Assignment)>,
    user: Option<Account>,
}

/// A checked plan with everything except the secrets, so that nothing is fetched that cannot be delivered.
pub(crate) struct Prepared<'p> {
    plan: &'p Plan,
    tmpfs: Option<PrivateTmpfs>,
}

impl Plan {
    /// `files` in memory, files in a private `tmpfs`, and `variables`; the command runs as `user`, by default
    /// the caller.
    pub(crate) fn new(
        files: &[Assignment],
        tmpfs: &[Assignment],
        variables: &[Assignment],
        user: Option<Account>,
    ) -> Result<Self, CommandError> {
        let ways = [(Way::MemoryFile, files), (Way::Tmpfs, tmpfs), (Way::Variable, variables)];
        let all = ways.into_iter().flat_map(|(way, list)| list.iter().map(move |one| (way, one.clone())));
        let assignments: Vec<_> = all.collect();
        if assignments.is_empty() {
            return Err(CommandError::NothingToHandOn);
        }
        let mut names: Vec<_> = assignments.iter().map(|(_, assignment)| &assignment.variable).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
            return Err(CommandError::VariableTwice((*twice).clone()));
        }
        let paths = assignments.iter().map(|(_, assignment)| assignment.path.clone()).collect();
        Ok(Self { paths: ReleasePaths::sort(paths)?, assignments, user })
    }

    pub(crate) fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

    /// Checks that the process can change to the user, and makes the private tmpfs.
    pub(crate) fn prepare(&self) -> Result<Prepared<'_>, CommandError> {
        if let Some(account) = &self.user {
            user::check_allowed(account)?;
        }
        let needed = self.assignments.iter().any(|(way, _)| *way == Way::Tmpfs);
        let owner = self.user.as_ref().map(|account| account.owner);
        let tmpfs = needed.then(|| PrivateTmpfs::mount(owner)).transpose()?;
        Ok(Prepared { plan: self, tmpfs })
    }
}

impl Prepared<'_> {
    /// Becomes the command. Returns only if that failed.
    pub(crate) fn run(&self, release: &Release, command: &[OsString]) -> CommandError {
        let Some((program, arguments)) = command.split_first() else { return CommandError::NothingToHandOn };
        let mut process = Command::new(program);
        process.args(arguments);
        // Set by this program for the TPM library; the command does not need it.
        process.env_remove("TSS2_LOG");
        // Held until the command has started: descriptors that it inherits must stay open.
        let files = match self.assign(release, &mut process) {
            Ok(files) => files,
            Err(error) => return error,
        };
        if let Some(account) = &self.plan.user {
            user::set_variables(account, &mut process);
            if let Err(error) = user::become_user(account) {
                return error.into();
            }
        }
        let source = process.exec();
        drop(files);
        CommandError::Start { command: PathBuf::from(program), source }
    }

    fn assign(&self, release: &Release, process: &mut Command) -> Result<Vec<OwnedFd>, CommandError> {
        let mut files = Vec::new();
        let owner = self.plan.user.as_ref().map(|account| account.owner);
        for (way, Assignment { variable, path }) in &self.plan.assignments {
            let secret = release.secret(path);
            match (way, &self.tmpfs) {
                (Way::MemoryFile, _) => {
                    let file = memory_file(secret, owner)?;
                    process.env(variable, format!("/proc/self/fd/{}", file.as_raw_fd()));
                    files.push(file);
                }
                (Way::Tmpfs, Some(tmpfs)) => {
                    process.env(variable, tmpfs.write(variable, secret)?);
                }
                (Way::Tmpfs, None) => return Err(CommandError::NothingToHandOn),
                (Way::Variable, _) => {
                    let value = environment::value(secret);
                    process.env(variable, value.ok_or_else(|| CommandError::ZeroByte(variable.clone()))?);
                }
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn assignment(text: &str) -> Assignment {
        text.parse().unwrap()
    }

    #[test]
    fn assignments_have_a_variable_and_a_canonical_path() {
        assert_eq!(assignment("DB_KEY=prod/db").variable, "DB_KEY");
        for text in ["1A=n/a", "=n/a", "A B=n/a", "A-B=n/a"] {
            assert_eq!(text.parse::<Assignment>(), Err(AssignmentError::Variable), "{text}");
        }
        assert_eq!("A".parse::<Assignment>(), Err(AssignmentError::Form));
        assert!(matches!("A=n/../a".parse::<Assignment>(), Err(AssignmentError::Path(_))));
    }

    #[test]
    fn a_variable_is_set_once_and_a_path_asked_for_once() {
        let (one, other) = (assignment("A=n/a"), assignment("B=n/a"));
        let plan = Plan::new(from_ref(&one), &[], from_ref(&other), None).unwrap();
        assert_eq!(plan.paths().as_slice().len(), 1);
        let error = Plan::new(from_ref(&one), &[other], from_ref(&one), None).err().unwrap();
        assert!(matches!(error, CommandError::VariableTwice(name) if name == "A"));
        assert!(matches!(Plan::new(&[], &[], &[], None), Err(CommandError::NothingToHandOn)));
    }
}
