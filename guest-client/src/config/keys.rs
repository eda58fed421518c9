//! `[volumes]` and `[services]`: whose key or credential each secret is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vouchsafe_protocol::limits::MAX_PATHS;
use vouchsafe_protocol::{ReleasePaths, SecretPath};

use super::error::{ConfigError, NameFault};
use super::stage::Stage;

/// Volumes by their name in crypttab, and credentials by unit and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysConfig {
    volumes: BTreeMap<String, Volume>,
    services: Services,
}

/// An encrypted volume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The path of its key.
    pub secret: SecretPath,
    /// When it is unlocked.
    #[serde(default)]
    pub stage: Stage,
    /// The encrypted device. Its header is copied and checked before the volume is opened.
    pub device: Option<PathBuf>,
    /// Whether this VM registers the volume's header at the broker.
    #[serde(default)]
    pub register: bool,
}

/// Why there is no key for a volume, or no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The configuration does not have the volume.
    #[error("the configuration has no volume of this name: add [volumes.NAME]")]
    UnknownVolume,
    /// The volume belongs to the other stage.
    #[error("this volume is configured for the stage `{configured}`, and this is the stage `{running}`")]
    OtherStage {
        /// Its stage.
        configured: Stage,
        /// The stage of this boot.
        running: Stage,
    },
    /// The configuration does not say where the volume is.
    #[error("the configuration has no device for this volume: add device = \"/dev/disk/by-uuid/…\"")]
    NoDevice,
    /// The configuration does not have the credential.
    #[error("the configuration has no credential of this name for this unit: add it to [services.\"UNIT\"]")]
    UnknownCredential,
}

/// `[volumes]`
pub(super) type Volumes = BTreeMap<String, Volume>;
/// `[services]`
pub(super) type Services = BTreeMap<String, BTreeMap<String, SecretPath>>;

impl KeysConfig {
    /// Checks names, and that the volumes of each stage fit into one request.
    pub(super) fn new(volumes: Volumes, services: Services) -> Result<Self, ConfigError> {
        for (name, volume) in &volumes {
            check(name, name.len(), MAX_VOLUME)
                .map_err(|fault| ConfigError::VolumeName { name: name.clone(), fault })?;
            if volume.register && volume.device.is_none() {
                return Err(ConfigError::RegisterWithoutDevice { volume: name.clone() });
            }
            if let Some(device) = volume.device.as_ref().filter(|device| !device.is_absolute()) {
                return Err(ConfigError::RelativeDevice { volume: name.clone(), device: device.clone() });
            }
        }
        for (unit, credentials) in &services {
            if !unit.contains('.') {
                return Err(ConfigError::UnitName { name: unit.clone(), fault: NameFault::NoSuffix });
            }
            check(unit, unit.len(), MAX_CREDENTIAL)
                .map_err(|fault| ConfigError::UnitName { name: unit.clone(), fault })?;
            for name in credentials.keys() {
                check(name, unit.len() + name.len(), MAX_CREDENTIAL).map_err(|fault| {
                    ConfigError::CredentialName { unit: unit.clone(), name: name.clone(), fault }
                })?;
            }
        }
        for stage in [Stage::Initrd, Stage::System] {
            let count = volumes.values().filter(|volume| volume.stage == stage).count();
            if count > MAX_PATHS {
                return Err(ConfigError::TooManyVolumes { stage, count });
            }
        }
        Ok(Self { volumes, services })
    }

    /// The key of a volume, if it is unlocked in the stage that is running.
    ///
    /// # Errors
    /// [`KeyError::UnknownVolume`] or [`KeyError::OtherStage`].
    pub fn volume(&self, name: &str, running: Stage) -> Result<&SecretPath, KeyError> {
        let volume = self.volumes.get(name).ok_or(KeyError::UnknownVolume)?;
        if volume.stage != running {
            return Err(KeyError::OtherStage { configured: volume.stage, running });
        }
        Ok(&volume.secret)
    }

    /// A volume, whenever it is unlocked.
    ///
    /// # Errors
    /// [`KeyError::UnknownVolume`].
    pub fn any(&self, name: &str) -> Result<&Volume, KeyError> {
        self.volumes.get(name).ok_or(KeyError::UnknownVolume)
    }

    /// The encrypted device of a volume, whenever it is unlocked.
    ///
    /// # Errors
    /// [`KeyError::UnknownVolume`] or [`KeyError::NoDevice`].
    pub fn device(&self, name: &str) -> Result<&Path, KeyError> {
        self.any(name)?.device.as_deref().ok_or(KeyError::NoDevice)
    }

    /// The volumes of a stage, by name.
    pub fn of_stage(&self, stage: Stage) -> impl Iterator<Item = (&str, &Volume)> {
        let volumes = self.volumes.iter().filter(move |(_, volume)| volume.stage == stage);
        volumes.map(|(name, volume)| (name.as_str(), volume))
    }

    /// The key of a volume of any stage.
    ///
    /// # Errors
    /// [`KeyError::UnknownVolume`].
    pub fn secret_of(&self, name: &str) -> Result<&SecretPath, KeyError> {
        self.volumes.get(name).map(|volume| &volume.secret).ok_or(KeyError::UnknownVolume)
    }

    /// The secret of a unit's credential.
    ///
    /// # Errors
    /// [`KeyError::UnknownCredential`].
    pub fn credential(&self, unit: &str, name: &str) -> Result<&SecretPath, KeyError> {
        let credentials = self.services.get(unit).ok_or(KeyError::UnknownCredential)?;
        credentials.get(name).ok_or(KeyError::UnknownCredential)
    }

    /// The names of the volumes of a stage.
    pub fn names_of(&self, stage: Stage) -> impl Iterator<Item = &str> {
        self.volumes.iter().filter(move |(_, volume)| volume.stage == stage).map(|(name, _)| name.as_str())
    }

    /// The keys of all volumes of a stage, for one request.
    ///
    /// # Errors
    /// [`KeyError::UnknownVolume`] when the stage has none.
    pub fn volumes_of(&self, stage: Stage) -> Result<ReleasePaths, KeyError> {
        let of_stage = self.volumes.values().filter(|volume| volume.stage == stage);
        let paths = of_stage.map(|volume| volume.secret.clone()).collect();
        // That there are not too many was checked when the configuration was read.
        ReleasePaths::sort(paths).map_err(|_| KeyError::UnknownVolume)
    }
}

/// Names that systemd can put into a socket address, see `key_request`: they have no slash, and `length` bytes of them
/// fit.
fn check(name: &str, length: usize, limit: usize) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if let Some(character) = name.chars().find(|c| !c.is_ascii_graphic() || *c == '/') {
        return Err(NameFault::Character { character });
    }
    if length > limit {
        return Err(NameFault::TooLong { length, limit });
    }
    Ok(())
}

// systemd insists on a NUL at the end of an address of 108 bytes. The name begins with `@` and a number of up to 16
// digits (systemd, src/basic/socket-util.c, sockaddr_un_set_path).
const MAX_VOLUME: usize = 107 - 17 - "/cryptsetup/".len();
const MAX_CREDENTIAL: usize = 107 - 17 - "/unit/".len() - "/".len();

#[cfg(test)]
mod tests;
