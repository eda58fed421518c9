//! The key that the broker keeps for a volume.

use std::path::Path;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_protocol::{PlaintextSecret, ReleasePaths};

use super::passphrase;
use crate::cli::console;
use crate::cli::failure::Failure;
use crate::cli::request::fetch;

/// From a file, or released to this VM.
pub(super) fn read(
    config: &GuestConfig,
    volume: &str,
    file: Option<&Path>,
) -> Result<PlaintextSecret, Failure> {
    if let Some(file) = file {
        return passphrase::key(file);
    }
    let path = config.keys.secret(volume)?;
    let paths = ReleasePaths::sort(vec![path.clone()])?;
    let release = fetch(config, &paths.into(), console::note)?;
    PlaintextSecret::new(release.secret(path).expose().to_vec()).map_err(|_| Failure::NoInput)
}
