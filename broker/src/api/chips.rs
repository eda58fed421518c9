//! `/v1/chips`.

use serde::{Deserialize, Serialize};
use vouchsafe_keystore::chips::{FirstSeen, Subject};
use vouchsafe_keystore::registry;
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::{DecisionId, ObjectName, UnixTime};

/// Query of the list: the chips of an instance or of a policy, not of both.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListChips {
    /// Only those of this VM: `project number/instance id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Only those of VMs without a named instance that were granted something under this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ObjectName>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most this many, 1 to 1000; default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Answer of the list, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChipPage {
    /// The chips.
    pub chips: Vec<SeenChip>,
    /// `before` of the next page; `None` when this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A chip that a subject was first seen on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeenChip {
    /// Its number, from 0, in the order in which chips were first seen.
    pub index: u64,
    /// The chip.
    pub chip: Chip,
    /// The chip that the subject was on before; `None` for its first chip. A change of chip raised an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Chip>,
    /// The instance, or the policy of VMs without one.
    pub subject: Subject,
    /// The time of that grant.
    pub first_seen_at: UnixTime,
    /// The first grant on this chip.
    pub decision: DecisionId,
}

impl From<registry::SeenChip> for SeenChip {
    fn from(chip: registry::SeenChip) -> Self {
        let registry::SeenChip { index, seen, first_seen_at, grant } = chip;
        let FirstSeen { chip, earlier, subject } = seen;
        Self { index, chip, earlier, subject, first_seen_at, decision: grant.record.id() }
    }
}
