//! `vouchsafe operator rotate`: replaces a token, so that none is lost whatever is interrupted.
//!
//! The new token is generated here and written to a file beside the one that it belongs in (0600) before the broker hears of it; the
//! broker only gets its SHA-256. Once the broker has answered, that file takes the place of the other one. After an interruption at
//! any moment the same command continues with the token in that file: the broker answers a repetition alike.
//!
//! A token that was replaced or revoked meanwhile must not come back by this. So the file for the own token has the id of the token
//! that it replaces in its name (`FILE.ID.new`), and is found for that one only. The id of another operator's token is not known here:
//! what was left for such a one (`FILE.new`) is taken only if it is in force already. A lock on the folder keeps two commands apart.

mod pending;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use vouchsafe_keystore::registry::OperatorToken;

use self::pending::{FolderLock, Pending, generate};
use super::super::client::Client;
use super::super::credential::{Connection, Credential};
use super::super::failure::Failure;
use super::super::{output, when};
use super::shown::token;
use crate::api::operators::{AddedOperator, RotateToken, RotatedToken, TokenLifetime};

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Another operator, whose token only administrators replace. Without a name, your own token is replaced, and the new one
    /// takes its place in your operator file or token file. Copies of that file elsewhere become useless.
    name: Option<String>,
    /// How long the new token is valid: a duration such as 30d, at most 366d, or `never`. Default: 90d; or as long as your old token
    /// was granted for, if that is less: only administrators get longer ones, and give them.
    #[arg(long, value_name = "DURATION", value_parser = when::lifetime)]
    expires_in: Option<TokenLifetime>,
    /// How long the old token stays valid besides the new one: a duration such as 1h, at most 7d. It never outlives its own end.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = when::overlap)]
    overlap: u64,
    /// Write an operator file for the other operator (server, CA and token) to this new file (0600), or with `-` to standard output,
    /// instead of printing the token.
    #[arg(long, value_name = "FILE", requires = "name")]
    out: Option<PathBuf>,
}

impl Rotate {
    pub(super) fn run(self, connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
        match (&self.name, &self.out) {
            (None, _) => self.own(connection, json),
            (Some(name), Some(out)) if !output::is_standard_output(out) => {
                self.to_file(name, out, &connection.credential()?, json)
            }
            (Some(_), _) => self.printed(&connection.credential()?, json),
        }
    }

    fn own(&self, connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
        let _lock = FolderLock::of(connection.credential()?.file())?;
        // Again, because until now another command may have replaced it.
        let credential = connection.credential()?;
        let pending = Pending::open(&credential, credential.successor()?)?;
        let by_old = || self.send(&credential, None, &pending.token);
        let answer = if pending.is_left {
            // The broker has it already if only the answer was lost.
            match self.send(&credential.with_token(&pending.token), None, &pending.token) {
                Err(of_new) if of_new.rejects_token() => by_old().map_err(|of_old| {
                    // Both are useless: that the new one has ended says more.
                    if of_old.rejects_token() && of_new.is_ended_token() { of_new } else { of_old }
                }),
                answer => answer,
            }
        } else {
            by_old()
        };
        pending.finish(credential.file(), answer, json)
    }

    fn to_file(
        &self,
        name: &str,
        out: &Path,
        credential: &Credential,
        json: bool,
    ) -> Result<ExitCode, Failure> {
        let _lock = FolderLock::of(out)?;
        if out.exists() {
            return Err(Failure::file(out, "exists already: name a new file"));
        }
        let target = credential.for_another(out);
        let mut pending = Pending::open(&target, target.beside(".new"))?;
        if pending.is_left {
            // The broker repeats its answer to the bearer of a token in force.
            match self.send(&target.with_token(&pending.token), None, &pending.token) {
                Ok(rotated) if rotated.name == name => return pending.finish(out, Ok(rotated), json),
                Ok(rotated) => return Err(pending.is_of(&rotated.name)),
                Err(failure) if failure.rejects_token() || failure.is_conflict() => {
                    pending = pending.renewed(&target)?;
                }
                failed => return pending.finish(out, failed, json),
            }
        }
        let answer = self.send(credential, Some(name), &pending.token);
        pending.finish(out, answer, json)
    }

    fn printed(&self, credential: &Credential, json: bool) -> Result<ExitCode, Failure> {
        let new = generate()?;
        let RotatedToken { name, expires_at, .. } = self.send(credential, self.name.as_deref(), &new)?;
        if self.out.is_some() && !json {
            return output::print_document(&credential.with_token(&new).for_another(Path::new("-")).text());
        }
        let added = AddedOperator { name: name.into(), token: new.expose().into(), expires_at };
        if json { output::print_json(&added) } else { output::print(&token(&added)) }
    }

    /// Without a name it is the token of the credential that is replaced.
    fn send(
        &self,
        credential: &Credential,
        name: Option<&str>,
        token: &OperatorToken,
    ) -> Result<RotatedToken, Failure> {
        let client = Client::new(credential)?;
        let client = if name.is_none() { client.for_rotation() } else { client };
        let hashed = token.hashed();
        let request = RotateToken {
            name: name.map(str::to_owned),
            token_id: hashed.id,
            token_hash: hashed.hash,
            expires_in: self.expires_in,
            overlap: self.overlap,
        };
        output::read_answer(client.post("/v1/operators/rotate", &request)?)
    }
}
