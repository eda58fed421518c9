//! Hands secrets to a command that takes this process's place, so that signals, the exit status and the process id are
//! the command's own.
//!
//! `--file` puts a secret into a sealed file that exists in memory only (memfd), under a name below
//! `/proc/self/fd`; it is gone with the last process that holds it, however that one ends. `--tmpfs` puts it into a file
//! of a [`PrivateTmpfs`], which children that close descriptors can open too. What is not guaranteed: that the kernel
//! never swaps them out. Locks on memory end with this process.

mod memory_file;
mod tmpfs;
mod user;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use memory_file::memory_file;
use tmpfs::PrivateTmpfs;
pub(crate) use tmpfs::TmpfsError;
pub(crate) use user::UserError;
use vouchsafe_guest_client::Release;
use vouchsafe_guest_client::account::Account;
use vouchsafe_protocol::path::PathError;
use vouchsafe_protocol::{ReleasePaths, SecretPath};

use super::failure::Failure;

/// `NAME=PATH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    variable: String,
    path: SecretPath,
}

/// The text is no assignment.
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    MemoryFile,
    Tmpfs,
    Variable,
}

/// Which secret goes where.
pub(crate) struct Plan {
    paths: ReleasePaths,
    assignments: Vec<(Way, Assignment)>,
    user: Option<Account>,
}

/// A plan and everything it needs but the secrets: nothing is asked for that has no place to go.
pub(crate) struct Prepared<'p> {
    plan: &'p Plan,
    tmpfs: Option<PrivateTmpfs>,
}

impl Plan {
    /// `files` in memory, files in a private `tmpfs`, and `variables`; the command runs as `user`, the caller unless given.
    pub(crate) fn new(
        files: &[Assignment],
        tmpfs: &[Assignment],
        variables: &[Assignment],
        user: Option<Account>,
    ) -> Result<Self, Failure> {
        let ways = [(Way::MemoryFile, files), (Way::Tmpfs, tmpfs), (Way::Variable, variables)];
        let all = ways.into_iter().flat_map(|(way, list)| list.iter().map(move |one| (way, one.clone())));
        let assignments: Vec<_> = all.collect();
        if assignments.is_empty() {
            return Err(Failure::NothingToHandOn);
        }
        let mut names: Vec<_> = assignments.iter().map(|(_, assignment)| &assignment.variable).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
            return Err(Failure::VariableTwice((*twice).clone()));
        }
        let paths = assignments.iter().map(|(_, assignment)| assignment.path.clone()).collect();
        Ok(Self { paths: ReleasePaths::sort(paths)?, assignments, user })
    }

    pub(crate) fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

    /// Checks that the user can be taken on, and makes the private tmpfs.
    pub(crate) fn prepare(&self) -> Result<Prepared<'_>, Failure> {
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
    /// Becomes the command. Returns only when that failed.
    pub(crate) fn run(&self, release: &Release, command: &[OsString]) -> Failure {
        let Some((program, arguments)) = command.split_first() else { return Failure::NothingToHandOn };
        let mut process = Command::new(program);
        process.args(arguments);
        // Set by this program for the TPM library; the command has no use for it.
        process.env_remove("TSS2_LOG");
        // Held until the command has taken over: what it inherits must not be closed before.
        let files = match self.assign(release, &mut process) {
            Ok(files) => files,
            Err(failure) => return failure,
        };
        if let Some(account) = &self.plan.user {
            user::set_variables(account, &mut process);
            if let Err(error) = user::become_user(account) {
                return error.into();
            }
        }
        let source = process.exec();
        drop(files);
        Failure::Command { command: PathBuf::from(program), source }
    }

    fn assign(&self, release: &Release, process: &mut Command) -> Result<Vec<OwnedFd>, Failure> {
        let mut files = Vec::new();
        let owner = self.plan.user.as_ref().map(|account| account.owner);
        for (way, Assignment { variable, path }) in &self.plan.assignments {
            let secret = release.secret(path);
            match (way, &self.tmpfs) {
                (Way::MemoryFile, _) => {
                    let file = memory_file(secret, owner).map_err(|error| Failure::Output(error.into()))?;
                    process.env(variable, format!("/proc/self/fd/{}", file.as_raw_fd()));
                    files.push(file);
                }
                (Way::Tmpfs, Some(tmpfs)) => {
                    process.env(variable, tmpfs.write(variable, secret)?);
                }
                (Way::Tmpfs, None) => return Err(Failure::NothingToHandOn),
                (Way::Variable, _) if secret.expose().contains(&0) => {
                    return Err(Failure::ZeroByte(variable.clone()));
                }
                (Way::Variable, _) => {
                    process.env(variable, OsStr::from_bytes(secret.expose()));
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
        assert!(matches!(error, Failure::VariableTwice(name) if name == "A"));
        assert!(matches!(Plan::new(&[], &[], &[], None), Err(Failure::NothingToHandOn)));
    }
}
