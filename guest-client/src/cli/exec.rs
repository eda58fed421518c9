//! Hands secrets to a command that takes this process's place.
//!
//! `--file` puts a secret into a sealed file that exists in memory only (memfd), under a name below
//! `/proc/self/fd`; it is gone with the last process that holds it, however that one ends. What is not
//! guaranteed: that the kernel never swaps it out. Locks on memory end with this process.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use rustix::fs::{MemfdFlags, Mode, SealFlags, SeekFrom, fchmod, fcntl_add_seals, memfd_create, seek};
use vouchsafe_guest_client::Release;
use vouchsafe_protocol::path::PathError;
use vouchsafe_protocol::{PlaintextSecret, ReleasePaths, SecretPath};

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

#[derive(Clone, Copy)]
enum Way {
    File,
    Variable,
}

/// Which secret goes where.
pub(crate) struct Plan {
    paths: ReleasePaths,
    assignments: Vec<(Way, Assignment)>,
}

impl Plan {
    pub(crate) fn new(files: &[Assignment], variables: &[Assignment]) -> Result<Self, Failure> {
        let files = files.iter().map(|assignment| (Way::File, assignment.clone()));
        let variables = variables.iter().map(|assignment| (Way::Variable, assignment.clone()));
        let assignments: Vec<_> = files.chain(variables).collect();
        if assignments.is_empty() {
            return Err(Failure::NothingToHandOn);
        }
        let mut names: Vec<_> = assignments.iter().map(|(_, assignment)| &assignment.variable).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
            return Err(Failure::VariableTwice((*twice).clone()));
        }
        let paths = assignments.iter().map(|(_, assignment)| assignment.path.clone()).collect();
        Ok(Self { paths: ReleasePaths::sort(paths)?, assignments })
    }

    pub(crate) fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

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
        let source = process.exec();
        drop(files);
        Failure::Command { command: PathBuf::from(program), source }
    }

    fn assign(&self, release: &Release, process: &mut Command) -> Result<Vec<OwnedFd>, Failure> {
        let mut files = Vec::new();
        for (way, Assignment { variable, path }) in &self.assignments {
            let opened = release.secrets.iter().find(|secret| secret.path == *path);
            let secret = &opened.expect("an accepted answer has every path asked for").secret;
            match way {
                Way::File => {
                    let file = memory_file(secret).map_err(|error| Failure::Output(error.into()))?;
                    process.env(variable, format!("/proc/self/fd/{}", file.as_raw_fd()));
                    files.push(file);
                }
                Way::Variable if secret.expose().contains(&0) => {
                    return Err(Failure::ZeroByte(variable.clone()));
                }
                Way::Variable => {
                    process.env(variable, OsStr::from_bytes(secret.expose()));
                }
            }
        }
        Ok(files)
    }
}

/// A sealed file in memory that holds the secret, readable by its owner, inherited by the command.
fn memory_file(secret: &PlaintextSecret) -> Result<OwnedFd, rustix::io::Errno> {
    let file = memfd_create("vouchsafe", MemfdFlags::ALLOW_SEALING)?;
    fchmod(&file, Mode::RUSR)?;
    let mut rest = secret.expose();
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    seek(&file, SeekFrom::Start(0))?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, read};
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

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
        let plan = Plan::new(std::slice::from_ref(&one), std::slice::from_ref(&other)).unwrap();
        assert_eq!(plan.paths().as_slice().len(), 1);
        let error = Plan::new(std::slice::from_ref(&one), &[other, one.clone()]).err().unwrap();
        assert!(matches!(error, Failure::VariableTwice(name) if name == "A"));
        assert!(matches!(Plan::new(&[], &[]), Err(Failure::NothingToHandOn)));
    }

    #[test]
    fn t34_a_memory_file_is_sealed_and_its_owners_only() {
        let secret = PlaintextSecret::new(b"k\0ey".to_vec()).unwrap();
        let file = memory_file(&secret).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(read(&path).unwrap(), b"k\0ey");
        let mut file = File::from(file);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(rustix::io::write(&file, b"x").unwrap_err(), rustix::io::Errno::PERM);
        let mut inherited = Vec::new();
        file.read_to_end(&mut inherited).unwrap();
        assert_eq!(inherited, b"k\0ey");
    }
}
