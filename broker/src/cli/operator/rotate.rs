//! `vouchsafe operator rotate`: replaces a token, so that none is lost whatever is interrupted.
//!
//! The new token is generated here and written to a file beside the one that it belongs in (`FILE.new`, 0600) before the broker
//! hears of it; the broker only gets its SHA-256. Once the broker has answered, that file takes the place of the other one. After
//! an interruption at any moment the same command continues with the token in `FILE.new`: the broker answers a repetition alike.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use vouchsafe_keystore::registry::OperatorToken;

use super::super::client::Client;
use super::super::credential::{Connection, Credential};
use super::super::failure::Failure;
use super::super::{output, when};
use super::shown::{end, token};
use crate::api::operators::{AddedOperator, RotateToken, RotatedToken, TokenLifetime};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Another operator, whose token only administrators replace. Without a name, your own token is replaced, and the new one
    /// takes its place in your operator file or token file. Copies of that file elsewhere become useless.
    name: Option<String>,
    /// How long the new token is valid: a duration such as 30d, at most 366d, or `never`.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = when::lifetime)]
    expires_in: TokenLifetime,
    /// How long the old token stays valid besides the new one: a duration such as 1h, at most 7d. It never outlives its own end.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = when::overlap)]
    overlap: u64,
    /// Write an operator file for the other operator (server, CA and token) to this new file (0600), instead of printing the
    /// token.
    #[arg(long, value_name = "FILE", requires = "name")]
    out: Option<PathBuf>,
}

impl Rotate {
    pub(super) fn run(self, connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
        let credential = connection.credential()?;
        match (&self.name, &self.out) {
            (None, _) => self.own(&credential, json),
            (Some(_), Some(out)) => self.to_file(&credential, out, json),
            (Some(_), None) => self.printed(&credential, json),
        }
    }

    fn own(&self, credential: &Credential, json: bool) -> Result<ExitCode, Failure> {
        let pending = Pending::open(credential)?;
        let by_old = || self.send(&Client::new(credential)?.without_warning(), &pending.token);
        let answer = if pending.is_left {
            // The broker has it already if only the answer was lost.
            let client = Client::new(&credential.with_token(&pending.token))?.without_warning();
            match self.send(&client, &pending.token) {
                Err(failure) if failure.is_unknown_token() => by_old(),
                answer => answer,
            }
        } else {
            by_old()
        };
        pending.finish(credential.file(), answer, json)
    }

    fn to_file(&self, credential: &Credential, out: &Path, json: bool) -> Result<ExitCode, Failure> {
        if out.exists() {
            return Err(Failure::file(out, "exists already: name a new file"));
        }
        let pending = Pending::open(&credential.for_another(out))?;
        let answer = self.send(&Client::new(credential)?, &pending.token);
        pending.finish(out, answer, json)
    }

    fn printed(&self, credential: &Credential, json: bool) -> Result<ExitCode, Failure> {
        let new = generate()?;
        let RotatedToken { name, expires_at, .. } = self.send(&Client::new(credential)?, &new)?;
        let added = AddedOperator { name: name.into(), token: new.expose().into(), expires_at };
        if json { output::print_json(&added) } else { output::print(&token(&added)) }
    }

    fn send(&self, client: &Client, token: &OperatorToken) -> Result<RotatedToken, Failure> {
        let hashed = token.hashed();
        let request = RotateToken {
            name: self.name.clone(),
            token_id: hashed.id,
            token_hash: hashed.hash,
            expires_in: self.expires_in,
            overlap: self.overlap,
        };
        output::read_answer(client.post("/v1/operators/rotate", &request)?)
    }
}

/// A new token, in the file that will take the place of another one.
struct Pending {
    path: PathBuf,
    token: OperatorToken,
    /// Whether an earlier, interrupted command has written it.
    is_left: bool,
}

impl Pending {
    fn open(target: &Credential) -> Result<Self, Failure> {
        let path = target.pending();
        if let Some(token) = target.pending_token()? {
            return Ok(Self { path, token, is_left: true });
        }
        let token = generate()?;
        output::write_private_durably(&path, target.with_token(&token).text().as_bytes())?;
        Ok(Self { path, token, is_left: false })
    }

    fn finish(
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
            // If it stays, the next attempt uses it.
            let _stays = fs::remove_file(&self.path);
        } else if failure.is_conflict() {
            output::note(&format!(
                "vouchsafe: {} is left from an earlier command; if that was about another operator, remove it",
                self.path.display()
            ));
        } else if !failure.is_refusal() {
            output::note(&format!(
                "vouchsafe: whether the token was replaced is not known. Repeat the command: it continues with {}",
                self.path.display()
            ));
        }
    }
}

fn generate() -> Result<OperatorToken, Failure> {
    OperatorToken::generate().map_err(|error| Failure::Usage(error.to_string()))
}
