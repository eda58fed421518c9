//! Requests secrets for the commands.

use std::path::Path;
use std::time::Duration;

use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::memory::{self, Locked};
use vouchsafe_guest_client::{Client, GuestConfig, LocalEvidence, Release};
use vouchsafe_protocol::succession::{Succeeded, days};
use vouchsafe_protocol::{ReleaseBody, ReleasePaths};

use super::console;
use super::failure::Failure;

/// Where remarks go that are not failures.
pub(super) type Note = fn(&str);

/// Protects this process's memory, then fetches.
pub(super) fn ask(config: &Path, paths: &ReleasePaths) -> Result<Release, Failure> {
    protect(console::note)?;
    fetch(&GuestConfig::read(config)?, &paths.clone().into(), Notes::PROGRAM)
}

/// Where a client's lines go.
#[derive(Clone, Copy)]
pub(super) struct Notes {
    /// Requests that are repeated, and remarks about tokens.
    note: Note,
    /// That an identity which is not pinned was accepted: pins have to be changed before that ends.
    succession: Note,
}

impl Notes {
    /// A program that somebody runs.
    pub(super) const PROGRAM: Self = Self { note: console::note, succession: console::note };
    /// A step of the boot or a service, where only what somebody has to do is said.
    pub(super) const BOOT: Self = Self { note: console::silent, succession: console::report };
}

/// Protects this process's memory.
pub(super) fn protect(note: Note) -> Result<(), Failure> {
    if memory::protect().map_err(Failure::Protect)? == Locked::NotAllowed {
        note("memory cannot be locked: secrets could be swapped out (see `vouchsafe-guest doctor`)");
    }
    Ok(())
}

/// Fetches within the limits of the configuration.
pub(super) fn fetch(config: &GuestConfig, body: &ReleaseBody, notes: Notes) -> Result<Release, Failure> {
    Ok(client(config, notes)?.release(body)?)
}

/// A client of this VM.
pub(super) fn client(config: &GuestConfig, notes: Notes) -> Result<Client<LocalEvidence>, Failure> {
    let Notes { note, succession } = notes;
    let remark = move |text: &str| note(&format!("Google Cloud Attestation: {text}"));
    let source = LocalEvidence::open(&config.collect)?.on_remark(remark);
    let client = Client::new(config, source)?;
    let client = client.on_retry(move |error, wait| note(&retry_line(error, wait)));
    Ok(client.on_succession(move |succeeded| succession(&succession_line(succeeded))))
}

fn succession_line(succeeded: &Succeeded) -> String {
    let Succeeded { pinned, by, remaining, .. } = succeeded;
    format!(
        "the broker's identity is now {by}: the pinned {pinned} named it its successor, which is accepted for another {}. \
         Compare it with `vouchsafe identity status` on the broker, and put what that shows into `identities` before",
        days(*remaining)
    )
}

fn retry_line(error: &AttemptError, wait: Duration) -> String {
    if wait.is_zero() {
        return format!("{error}; asking the next broker");
    }
    format!("{error}; asking again in {:.1} s", wait.as_secs_f64())
}
