//! The volumes of a stage that may be opened.

use vouchsafe_guest_client::config::{KeysConfig, Stage, Volume};
use vouchsafe_guest_client::luks::{CopyError, HeaderCopy, copy_path};
use vouchsafe_protocol::ReleasePaths;

use super::failure::Failure;

/// The keys of a stage: of volumes without a device in the configuration, and of those with a checked copy of their header. A fault of
/// one volume is no reason to leave the others locked; only `needed` has to be among them.
pub(super) fn of_stage(keys: &KeysConfig, stage: Stage, needed: &str) -> Result<ReleasePaths, Failure> {
    among(keys.of_stage(stage), needed)
}

/// The key of one volume alone.
pub(super) fn one(keys: &KeysConfig, stage: Stage, name: &str) -> Result<ReleasePaths, Failure> {
    among(keys.of_stage(stage).filter(|(other, _)| *other == name), name)
}

fn among<'k>(
    volumes: impl Iterator<Item = (&'k str, &'k Volume)>,
    needed: &str,
) -> Result<ReleasePaths, Failure> {
    let mut paths = Vec::new();
    for (name, volume) in volumes {
        match check_copy(name, volume) {
            Ok(()) => paths.push(volume.secret.clone()),
            Err(error) if name == needed => return Err(Failure::NoCopy(error)),
            Err(_) => {}
        }
    }
    Ok(ReleasePaths::sort(paths)?)
}

/// Without a device in the configuration there is no copy.
fn check_copy(name: &str, volume: &Volume) -> Result<(), CopyError> {
    volume.device.as_ref().map_or(Ok(()), |_| HeaderCopy::reopen(&copy_path(name)).map(drop))
}
