//! Why a VM is no member of a baseline.

use std::fmt;

use serde::Serialize;
use vouchsafe_protocol::UnixTime;

use super::component::Component;
use super::digest::LogDigest;

/// Why a VM is no member of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "mismatch", rename_all = "kebab-case")]
pub enum BaselineMismatch {
    /// The baseline was revoked.
    #[error("it is revoked")]
    Revoked,
    /// Its end date has passed.
    #[error("it ended at {ends_at}")]
    Ended {
        /// When.
        ends_at: UnixTime,
    },
    /// The VM has no such log.
    #[error("there is no boot log")]
    NoBootLog,
    /// Another technology.
    #[error("the technology is {}", found.unwrap_or("not known"))]
    Technology {
        /// That of the VM.
        found: Option<&'static str>,
    },
    /// Firmware that is not listed or, for a CCEL log without a list, not endorsed.
    #[error("the firmware's {kind} is not allowed: {}", found.as_deref().unwrap_or("none"))]
    Firmware {
        /// `version`, `launch measurement` or `MRTD`.
        kind: &'static str,
        /// That of the VM.
        found: Option<String>,
    },
    /// An event that is not listed.
    #[error("PCR {pcr} has an event that is not listed: {digest}{what}")]
    Unlisted {
        /// The PCR.
        pcr: u8,
        /// What was measured.
        digest: LogDigest,
        /// What people know it by.
        #[serde(flatten)]
        what: EventName,
    },
    /// An event of a CCEL log that is not listed.
    #[error("register {register} has an event that is not listed: {digest}{what}")]
    UnlistedRegister {
        /// The measurement register.
        register: u8,
        /// What was measured.
        digest: LogDigest,
        /// What people know it by.
        #[serde(flatten)]
        what: EventName,
    },
    /// A required component that did not occur.
    #[error("{component} is missing")]
    Missing {
        /// Which one.
        component: Component,
    },
    /// A component that occurred again.
    #[error("{component} occurs more than once: {digest}{what}")]
    Repeated {
        /// Which one.
        component: Component,
        /// The event that is one too many.
        digest: LogDigest,
        /// What people know it by.
        #[serde(flatten)]
        what: EventName,
    },
    /// A component at the wrong place.
    #[error("{component} is out of order: {digest}{what} comes after {previous} {previous_digest}")]
    Order {
        /// Which one.
        component: Component,
        /// The event at the wrong place.
        digest: LogDigest,
        /// What people know it by.
        #[serde(flatten)]
        what: EventName,
        /// The component before it, which may be the one at the wrong place.
        previous: Component,
        /// The event before it.
        previous_digest: Box<LogDigest>,
    },
    /// A section that is not listed, or with other content.
    #[error("section {name} is not listed with this content: {digest}")]
    Section {
        /// Its name.
        name: String,
        /// Digest of its content.
        digest: LogDigest,
    },
    /// A word that user space extended and that the PCR's list does not have.
    #[error("user space extended {word:?} into PCR {pcr}, which is not among the words listed for it")]
    UserspaceWord {
        /// The PCR.
        pcr: u8,
        /// What was extended.
        word: String,
    },
    /// A listed section that did not occur.
    #[error("section {name} is missing")]
    MissingSection {
        /// Its name.
        name: String,
    },
}

/// What people know an event by, beside its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventName {
    /// The text that the digest is of, at most 300 characters of it.
    Measured {
        /// The text.
        text: String,
    },
    /// A file name or description of the log, which no digest covers.
    Named {
        /// The name.
        name: String,
    },
    /// The log gives no name.
    Unnamed {},
}

#[cfg(test)]
impl BaselineMismatch {
    /// Without the names of events, for tests that are not about them.
    pub(crate) fn unnamed(mut self) -> Self {
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
