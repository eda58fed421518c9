//! `/v1/volumes` of operators.

use serde::{Deserialize, Serialize};
use vouchsafe_keystore::record::VolumeRecord;
use vouchsafe_protocol::messages::VolumeState;
use vouchsafe_protocol::{DecisionId, SecretPath, UnixTime};

pub use vouchsafe_keystore::record::VolumeChange;
pub use vouchsafe_keystore::volumes::VolumeId;

/// Query of the list. A member that is `None` does not filter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListVolumes {
    /// Only volumes that this secret opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SecretPath>,
    /// Only those of this VM: `project number/instance id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<VolumeId>,
    /// At most this many, 1 to 1000; default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Answer of the list, by path and instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VolumePage {
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// `after` of the next page; `None` when this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<VolumeId>,
}

/// Query of `show`, and `forget`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameVolume {
    /// The volume: `path@project number/instance id`.
    pub volume: VolumeId,
}

/// A registered volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    /// The volume: `path@project number/instance id`.
    pub volume: VolumeId,
    /// What is registered.
    pub state: VolumeState,
    /// When it was registered.
    pub registered_at: UnixTime,
    /// Its last change.
    pub change: VolumeChange,
    /// The time of that change.
    pub changed_at: UnixTime,
    /// The record of that change.
    pub decision: DecisionId,
}

impl From<VolumeRecord> for Volume {
    fn from(record: VolumeRecord) -> Self {
        Self {
            volume: record.volume(),
            state: record.state,
            registered_at: record.registered_at,
            change: record.change,
            changed_at: record.at,
            decision: record.decision,
        }
    }
}
