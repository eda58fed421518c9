//! The chips on which a VM was seen, recorded when first seen by each subject (T20).
//!
//! An attacker who extracts the key of one machine with an interposer can forge its reports anywhere, and
//! forged reports name that machine's chip. So the first grant on each chip of a subject is recorded, and
//! each except the subject's first raises an alarm: event `chip.moved` at WARN, after the grant is committed,
//! once per subject and chip, whichever broker sees it and however often it restarts. A broker that is killed
//! right after the commit does not log the event; the grant's record and the list of chips have it in any
//! case.
//!
//! **What an alarm means.** An instance keeps its id when Google stops it and starts it elsewhere, or repairs
//! its host: then a new chip is not an attack. Operators compare an alarm with the instance's stops and
//! starts (Cloud Audit Logs), which do not explain a chip that changes while the instance runs. The first
//! chip raises no alarm, nor does returning to an earlier one; which chip a grant was on can be seen in its
//! evidence. Nothing is refused here. A policy for which forged reports are a concern also requires an AK
//! certificate or token, in which Google asserts the instance; then an attacker must forge both.
//!
//! **Subjects.** The instance, if an AK certificate or token names one. If hardware evidence alone is
//! presented, the subject is the policy that guards the secret, whose purpose an operator knows. Paths would
//! raise one alarm for each secret under the policy, and a namespace is too wide to tell which VMs are meant.
//! The chips of a policy are the machines of all VMs that it admits, so their number grows with the number of
//! these VMs.
//!
//! **Chips.** SEV-SNP: the chip that the VCEK is certified for, even if the report masks its id, since the
//! forger can choose to mask it. A VLEK is not for a particular chip, so a forger with one can name any or
//! none. So reports signed by a VLEK are treated as other chips than those signed by the chip's own VCEK, and
//! all masked ones as one chip. TDX: the platform id, from the PPID of the PCK certificate. Grants without a
//! hardware report are ignored.
//!
//! Only grants are recorded, so nobody without a policy's permission can add rows here, and the number of
//! subjects is bounded by that of recorded grants. A subject has at most [`MAX_CHIPS`] rows; further chips
//! raise the alarm `chip.not_kept`, which a broker may repeat after it has dropped its own note of it.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::ObjectName;

/// The subject that chips belong to: `instance 123456789012/4567890123456789012` or `policy prod/db`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An instance, written `project number/instance id`.
    Instance(String),
    /// All VMs that were granted something by this policy without proving which instance they are.
    Policy(ObjectName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(instance) => write!(f, "{INSTANCE}{instance}"),
            Self::Policy(policy) => write!(f, "{POLICY}{policy}"),
        }
    }
}

/// The text is not a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subject is `instance project number/instance id` or `policy namespace/name`")]
pub struct UnknownSubject;

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(text: &str) -> Result<Self, UnknownSubject> {
        if let Some(instance) = text.strip_prefix(INSTANCE) {
            return Ok(Self::Instance(instance.to_owned()));
        }
        let policy = text.strip_prefix(POLICY).ok_or(UnknownSubject)?;
        ObjectName::parse(policy).map(Self::Policy).map_err(|_| UnknownSubject)
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A chip first seen with a grant, as in the grant's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstSeen {
    /// The chip.
    pub chip: Chip,
    /// The latest chip of the subject before this one; absent for its first chip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Chip>,
    /// The subject.
    pub subject: Subject,
}

/// An event for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChipEvent {
    /// The first chip of a subject.
    First,
    /// Another chip.
    Moved,
    /// Another chip, of a subject that already has [`MAX_CHIPS`].
    NotKept,
}

/// Called for every [`ChipEvent`].
type Callback = Box<dyn Fn(&Subject, ChipEvent) + Send + Sync>;

/// The callback for new chips.
#[derive(Default)]
pub(crate) struct ChipWatch(OnceLock<Callback>);

impl ChipWatch {
    /// Sets the callback. Later calls have no effect.
    pub(crate) fn set(&self, callback: impl Fn(&Subject, ChipEvent) + Send + Sync + 'static) {
        // An error means that one is already set.
        let _set = self.0.set(Box::new(callback));
    }

    pub(crate) fn tell(&self, subject: &Subject, event: ChipEvent) {
        if let Some(callback) = self.0.get() {
            callback(subject, event);
        }
    }
}

/// Rows of one subject. Far more than an instance needs; a policy for more machines should require an AK
/// certificate or token, which name instances.
pub const MAX_CHIPS: usize = 256;
const INSTANCE: &str = "instance ";
const POLICY: &str = "policy ";
