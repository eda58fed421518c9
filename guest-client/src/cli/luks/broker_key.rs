//! The key that the broker keeps for a volume.

use std::path::Path;

use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::luks::HeaderCopy;
use vouchsafe_protocol::{PlaintextSecret, ReleaseBody, ReleasePaths, SecretPath, VolumeHeaders};

use super::passphrase;
use crate::cli::failure::Failure;
use crate::cli::request::{Notes, fetch};

/// From a file, or released to this VM, for the header that the volume has.
pub(super) fn read(
    config: &GuestConfig,
    volume: &str,
    file: Option<&Path>,
    header: Option<&HeaderCopy>,
) -> Result<PlaintextSecret, Failure> {
    if let Some(file) = file {
        return passphrase::key(file);
    }
    let path = &config.keys.any(volume)?.secret;
    let release = fetch(config, &body(path, header)?, Notes::PROGRAM)?;
    PlaintextSecret::new(release.secret(path).expose().to_vec()).map_err(|_| Failure::NoInput)
}

/// A request for the key.
pub(super) fn body(path: &SecretPath, header: Option<&HeaderCopy>) -> Result<ReleaseBody, Failure> {
    let headers = header.map(|header| (path.clone(), header.digest()));
    Ok(ReleaseBody::new(ReleasePaths::sort(vec![path.clone()])?, VolumeHeaders::new(headers)?)?)
}
