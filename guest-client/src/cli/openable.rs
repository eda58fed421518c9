//! The volumes of a stage that may be opened.

use vouchsafe_guest_client::config::{KeysConfig, Stage, Volume};
use vouchsafe_guest_client::luks::{CopyError, HeaderCopy, copy_path};
use vouchsafe_protocol::request::VolumeHeaders;
use vouchsafe_protocol::{Digest32, ReleaseBody, ReleasePaths};

use super::failure::Failure;

/// The keys of a stage: of volumes without a device in the configuration, and of those with a checked copy of their header, whose
/// digests go along. A fault of one volume is no reason to leave the others locked; only `needed` has to be among them.
pub(super) fn of_stage(keys: &KeysConfig, stage: Stage, needed: &str) -> Result<ReleaseBody, Failure> {
    among(keys.of_stage(stage), needed)
}

/// The key of one volume alone.
pub(super) fn one(keys: &KeysConfig, stage: Stage, name: &str) -> Result<ReleaseBody, Failure> {
    among(keys.of_stage(stage).filter(|(other, _)| *other == name), name)
}

fn among<'k>(
    volumes: impl Iterator<Item = (&'k str, &'k Volume)>,
    needed: &str,
) -> Result<ReleaseBody, Failure> {
    let (mut paths, mut headers) = (Vec::new(), Vec::new());
    for (name, volume) in volumes {
        match header(name, volume) {
            Ok(header) => headers.extend(header.map(|digest| (volume.secret.clone(), digest))),
            Err(error) if name == needed => return Err(Failure::NoCopy(error)),
            Err(_) => continue,
        }
        paths.push(volume.secret.clone());
    }
    Ok(ReleaseBody::new(ReleasePaths::sort(paths)?, VolumeHeaders::new(headers)?)?)
}

/// The digest of the header that the volume is opened with. Without a device in the configuration there is no copy.
fn header(name: &str, volume: &Volume) -> Result<Option<Digest32>, CopyError> {
    let copy = volume.device.as_ref().map(|_| HeaderCopy::reopen(&copy_path(name)));
    Ok(copy.transpose()?.map(|copy| copy.digest()))
}
