//! `vouchsafe verify google-token`: a token of Google Cloud Attestation.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vouchsafe_attestation::google_token::{MAX_JWKS, TokenKeys};
use vouchsafe_attestation::{Expected, inspect_google_token};
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::super::failure::Failure;
use super::super::judge::Judge;
use super::super::output;
use super::arguments::By;
use super::verdict::verdict;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("binding").required(true))]
pub(super) struct GoogleToken {
    /// The token, a JWS in compact form; a newline may end it.
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
    /// Expected audience.
    #[arg(long)]
    audience: String,
    /// The issuer's key set, for a token of kind OIDC; its keys give the root `extra`.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Expected nonce, exactly as in the token.
    #[arg(long, group = "binding")]
    nonce: Option<String>,
    /// Skip the nonce check, and only print the claims.
    #[arg(long, group = "binding")]
    inspect: bool,
    #[command(flatten)]
    by: By,
}

impl GoogleToken {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut judge = self.by.open()?;
        if let Some(path) = &self.jwks {
            judge.endorsements.token_keys.push(key_set(path, &judge)?);
        }
        // Bytes that are not text are left to the verifier to refuse.
        let file = output::read_input(&self.token, MAX_REQUEST)?;
        let token = String::from_utf8_lossy(&file);
        let token = token.strip_suffix('\n').unwrap_or(&token);
        let token = token.strip_suffix('\r').unwrap_or(token);
        let expected =
            self.nonce.as_ref().map_or(Expected::Waived, |nonce| Expected::Exactly(nonce.as_bytes()));
        verdict(inspect_google_token(token, &self.audience, expected, &judge.inputs()))
    }
}

/// A file has no fetch time, so the verification time is used.
fn key_set(path: &std::path::Path, judge: &Judge) -> Result<TokenKeys, Failure> {
    let file = output::read_input(path, MAX_JWKS)?;
    TokenKeys::extra(&file, judge.now).map_err(|error| Failure::file(path, error))
}
