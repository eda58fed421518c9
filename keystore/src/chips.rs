//! Which hardware a VM has shown: chips first seen, by subject (T20).
//!
//! Whoever takes the key out of one machine with an interposer can forge its reports anywhere, and forged reports
//! come from that machine's chip. So the first grant on each chip of a subject goes on record, and every one
//! but the subject's first raises an alarm: event `chip.moved` at WARN, after the grant is committed, once for each
//! subject and chip, whichever broker sees it and however often it restarts. A broker that is killed right after the
//! commit has no event left to write; the grant's own record and the list of chips have it in any case.
//!
//! **What an alarm means.** An instance keeps its id when Google stops it and starts it elsewhere, or repairs its
//! host: a new chip then is nobody's attack. Operators compare an alarm with the instance's stops and starts (Cloud
//! Audit Logs): they do not explain a chip that changes while the instance runs. The first chip is taken as it comes,
//! and one that comes back is not told of again; which chip any grant was on stands in its evidence. Nothing is
//! refused here. A policy that fears forged reports demands Google's word on the place as well, by AK certificate or
//! token, and then it takes both to deceive it.
//!
//! **Subjects.** The instance where AK certificate or token name one. Hardware evidence alone names nobody; what
//! an operator knows then is the policy that the secret rests on, and what it is for. Paths would raise one alarm for
//! each of the secrets under it, and a namespace is too wide to tell which VMs are meant. The chips under such a
//! policy are the machines of all VMs that it admits: it grows with them.
//!
//! **Chips.** SEV-SNP: the chip that the VCEK is certified for, also where the report masks its id, which is for its forger
//! to choose. A VLEK certifies no chip, so that whoever has one can name any or none: what it signs is another chip than what
//! the chip's own VCEK signs, and all masked ones are one. TDX: the platform id, from the PPID of the PCK
//! certificate. A grant on neither is not looked at.
//!
//! Only what was granted counts, so that nobody without a policy's yes writes here, and the number of subjects is
//! bounded by that of grants on record. A subject has at most [`MAX_CHIPS`] rows; chips after them raise the alarm
//! `chip.not_kept`, which a broker repeats when it has forgotten that it did.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::ObjectName;

/// Whose chips they are: `instance 123456789012/4567890123456789012` or `policy prod/db`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An instance, written `project number/instance id`.
    Instance(String),
    /// All VMs that got something by this policy and did not prove which instance they are.
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

/// The text names no subject.
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

/// A chip that a grant was the first to see, as it stands in the grant's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstSeen {
    /// The chip.
    pub chip: Chip,
    /// The chip that the subject had come to before; absent when this is its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Chip>,
    /// Whose.
    pub subject: Subject,
}

/// What has happened, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChipEvent {
    /// The first chip of a subject.
    First,
    /// Another one.
    Moved,
    /// Another one, of a subject that has [`MAX_CHIPS`] already.
    NotKept,
}

/// Is told of every [`ChipEvent`].
type Callback = Box<dyn Fn(&Subject, ChipEvent) + Send + Sync>;

/// Whoever counts.
#[derive(Default)]
pub(crate) struct ChipWatch(OnceLock<Callback>);

impl ChipWatch {
    /// The first callback counts, others are dropped.
    pub(crate) fn set(&self, callback: impl Fn(&Subject, ChipEvent) + Send + Sync + 'static) {
        // There is one already when this fails.
        let _set = self.0.set(Box::new(callback));
    }

    pub(crate) fn tell(&self, subject: &Subject, event: ChipEvent) {
        if let Some(callback) = self.0.get() {
            callback(subject, event);
        }
    }
}

/// Rows of one subject. Far more than an instance comes by in its life; a policy with more machines has them named by
/// AK certificate or token.
pub const MAX_CHIPS: usize = 256;
const INSTANCE: &str = "instance ";
const POLICY: &str = "policy ";
