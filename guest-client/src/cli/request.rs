//! Requests secrets for `fetch` and `exec`.

use std::path::Path;
use std::time::Duration;

use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::memory::{self, Locked};
use vouchsafe_guest_client::{Client, GuestConfig, LocalEvidence, Release};
use vouchsafe_protocol::ReleasePaths;

use super::console;
use super::failure::Failure;

/// Protects this process's memory, then fetches.
pub(super) fn ask(config: &Path, paths: &ReleasePaths) -> Result<Release, Failure> {
    if memory::protect().map_err(Failure::Protect)? == Locked::NotAllowed {
        console::note("memory cannot be locked: secrets could be swapped out (see `vouchsafe-guest doctor`)");
    }
    let config = GuestConfig::read(config)?;
    let source = LocalEvidence::open(&config.collect)?.on_remark(console::remark);
    let client = Client::new(&config, source)?;
    let release = client.on_retry(|error, wait| console::note(&retry_line(error, wait))).fetch(paths)?;
    Ok(release)
}

fn retry_line(error: &AttemptError, wait: Duration) -> String {
    if wait.is_zero() {
        return format!("{error}; asking the next broker");
    }
    format!("{error}; asking again in {:.1} s", wait.as_secs_f64())
}
