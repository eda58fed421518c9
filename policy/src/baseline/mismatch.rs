//! Why a VM is not a member of a baseline.

use std::fmt;

use serde::Serialize;
use vouchsafe_protocol::UnixTime;

use super::component::Component;
use super::digest::LogDigest;

/// Why a VM is not a member of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "mismatch", rename_all = "kebab-case")]
pub enum BaselineMismatch {
    /// The baseline was revoked.
    #[error("it is revoked")]
    Revoked,
    /// The baseline has expired.
    #[error("it ended at {ends_at}")]
    Ended {
        /// When it expired.
        ends_at: UnixTime,
    },
    /// The boot was a member until entries expired that an update has replaced.
    #[error("{because}; it was allowed until {until}")]
    Expired {
        /// When the first of the entries expired that the boot needs.
        until: UnixTime,
        /// What does not match since then.
        because: Box<Self>,
    },
    /// The VM has no such log.
    #[error("there is no boot log")]
    NoBootLog,
    /// The technology is another one.
    #[error("the technology is {}", found.unwrap_or("not known"))]
    Technology {
        /// The VM's technology.
        found: Option<&'static str>,
    },
    /// Firmware that is not listed or, for a CCEL log without a list, not endorsed.
    #[error("the firmware's {kind} is not allowed: {}", found.as_deref().unwrap_or("none"))]
    Firmware {
        /// `version`, `launch measurement` or `MRTD`.
        kind: &'static str,
        /// The VM's value.
        found: Option<String>,
    },
    /// An event that is not listed.
    #[error("PCR {pcr} has an event that is not listed: {digest}{what}")]
    Unlisted {
        /// The PCR.
        pcr: u8,
        /// The measured digest.
        digest: LogDigest,
        /// The event's name for people.
        #[serde(flatten)]
        what: EventName,
    },
    /// An event of a CCEL log that is not listed.
    #[error("register {register} has an event that is not listed: {digest}{what}")]
    UnlistedRegister {
        /// The measurement register.
        register: u8,
        /// The measured digest.
        digest: LogDigest,
        /// The event's name for people.
        #[serde(flatten)]
        what: EventName,
    },
    /// A required component did not occur.
    #[error("{component} is missing")]
    Missing {
        /// The component.
        component: Component,
    },
    /// A component occurred again.
    #[error("{component} occurs more than once: {digest}{what}")]
    Repeated {
        /// The component.
        component: Component,
        /// The repeated event.
        digest: LogDigest,
        /// The event's name for people.
        #[serde(flatten)]
        what: EventName,
    },
    /// A component is out of order.
    #[error("{component} is out of order: {digest}{what} comes after {previous} {previous_digest}")]
    Order {
        /// The component.
        component: Component,
        /// The event that is out of order.
        digest: LogDigest,
        /// The event's name for people.
        #[serde(flatten)]
        what: EventName,
        /// The component before it, which may be the one that is out of order.
        previous: Component,
        /// The event before it.
        previous_digest: Box<LogDigest>,
    },
    /// A section is not listed, or has other content.
    #[error("section {name} is not listed with this content: {digest}")]
    Section {
        /// Its name.
        name: String,
        /// Digest of its content.
        digest: LogDigest,
    },
    /// User space extended a word that is not in the PCR's list.
    #[error("user space extended {word:?} into PCR {pcr}, which is not listed for it")]
    UserspaceWord {
        /// The PCR.
        pcr: u8,
        /// The word.
        word: String,
    },
    /// A listed section did not occur.
    #[error("section {name} is missing")]
    MissingSection {
        /// Its name.
        name: String,
    },
}

/// The name of an event for people, in addition to its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventName {
    /// The measured text, shortened to 300 characters.
    Measured {
        /// The text.
        text: String,
    },
    /// The log's file name or description, which no digest covers.
    Named {
        /// The name.
        name: String,
    },
    /// The log has no name for it.
    Unnamed {},
}

#[cfg(test)]
impl BaselineMismatch {
    /// Removes the names of events, for tests that are not about them.
    pub(crate) fn unnamed(mut self) -> Self {
        if let Self::Expired { until, because } = self {
            return Self::Expired { until, because: Box::new(because.unnamed()) };
        }
        if let Self::Unlisted { what, .. }
        | Self::UnlistedRegister { what, .. }
        | Self::Repeated { what, .. }
        | Self::Order { what, .. } = &mut self
        {
            *what = EventName::Unnamed {};
        }
        self
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured { text } => write!(f, " ({text:?})"),
            Self::Named { name } => write!(f, " (named {name:?} in the log, which is not measured)"),
            Self::Unnamed {} => Ok(()),
        }
    }
}
