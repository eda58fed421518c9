//! A new token in the file that will take the place of another one, and the lock for making it.

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use vouchsafe_keystore::registry::OperatorToken;

use super::super::super::credential::Credential;
use super::super::super::failure::Failure;
use super::super::super::output;
use super::super::shown::end;
use crate::api::operators::RotatedToken;
use crate::clock;

/// Keeps other rotations out of a folder, as long as it exists.
pub(super) struct FolderLock {
    _locked: fs::File,
}

impl FolderLock {
    /// Locks the folder of this file.
    pub(super) fn of(file: &Path) -> Result<Self, Failure> {
        let folder = output::folder_of(file);
        let locked = fs::File::open(folder).map_err(|error| Failure::file(folder, error))?;
        match locked.try_lock() {
            Ok(()) => Ok(Self { _locked: locked }),
            Err(TryLockError::WouldBlock) => Err(Failure::file(
                folder,
                "another `vouchsafe operator rotate` is replacing a token in this folder: see what it says before you repeat the command",
            )),
            Err(TryLockError::Error(error)) => {
                Err(Failure::file(folder, format!("cannot be locked: {error}")))
            }
        }
    }
}

/// A new token, in the file that will take the place of another one.
pub(super) struct Pending {
    path: PathBuf,
    pub(super) token: OperatorToken,
    /// Whether an earlier, interrupted command has written it.
    pub(super) is_left: bool,
}

impl Pending {
    /// The token that this file has, or a new one.
    pub(super) fn open(target: &Credential, path: PathBuf) -> Result<Self, Failure> {
        match target.left_in(&path)? {
            Some(token) => Ok(Self { path, token, is_left: true }),
            None => Self::new(target, path),
        }
    }

    fn new(target: &Credential, path: PathBuf) -> Result<Self, Failure> {
        let token = generate()?;
        output::write_private_durably(&path, target.with_token(&token).text().as_bytes())?;
        Ok(Self { path, token, is_left: false })
    }

    /// A new token in place of one that is not in force.
    pub(super) fn renewed(self, target: &Credential) -> Result<Self, Failure> {
        fs::remove_file(&self.path).map_err(|error| Failure::file(&self.path, error))?;
        Self::new(target, self.path)
    }

    /// The file of a token that is in force, and not for the operator that was asked for.
    pub(super) fn is_of(&self, operator: &str) -> Failure {
        let detail = format!(
            "is left from an interrupted rotation and has the token of operator {operator}, which is in force: move it to where their \
             operator file is to be, and repeat the command"
        );
        Failure::file(&self.path, detail)
    }

    /// Puts the file in its place, once the broker has replaced the token.
    pub(super) fn finish(
        self,
        file: &Path,
        answer: Result<RotatedToken, Failure>,
        json: bool,
    ) -> Result<ExitCode, Failure> {
        let rotated = answer.inspect_err(|failure| self.not_done(failure))?;
        output::replace(file, &self.path)?;
        let RotatedToken { name, expires_at, previous_until } = rotated;
        let answer = json!({
            "name": name, "operator_file": file, "expires_at": expires_at, "previous_until": previous_until
        });
        output::show(json, answer, |_: Value| {
            let old = previous_until.map_or_else(
                || "The old one is not valid any more.".to_owned(),
                |until| format!("The old one is valid until {}.", clock::human(until)),
            );
            format!("New token of {name} in {}; it {}. {old}\n", file.display(), end(expires_at))
        })
    }

    /// Removes the new token if the broker has refused it. Otherwise it may be the operator's token by now.
    fn not_done(&self, failure: &Failure) {
        if failure.is_refusal() && !self.is_left {
            // If it stays, it is not in force.
            let _stays = fs::remove_file(&self.path);
        } else if !failure.is_refusal() {
            output::note(&format!(
                "vouchsafe: whether the token was replaced is not known. Repeat the command: it continues with {}",
                self.path.display()
            ));
        }
    }
}

/// A new token.
pub(super) fn generate() -> Result<OperatorToken, Failure> {
    OperatorToken::generate().map_err(|error| Failure::Usage(error.to_string()))
}
