//! The input of a decision.

use std::sync::Arc;

use vouchsafe_protocol::{BrokerIdentity, SecretPath, UnixTime};

use crate::baseline::NamedBaseline;
use crate::compiled::CompiledPolicy;
use crate::denial::UnreadableDocument;
use crate::purpose::Purpose;

/// The request, with the state of the keystore at one epoch.
#[derive(Debug)]
pub struct DecideRequest<'a> {
    /// This broker's identity: the evidence must be bound to it and to exactly these paths.
    pub broker: &'a BrokerIdentity,
    /// The epoch in which `items` were read.
    pub epoch: u64,
    /// The time.
    pub now: UnixTime,
    /// The protocol of the request.
    pub protocol: Protocol,
    /// One item per path, in the order of the request.
    pub items: Vec<DecideItem>,
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Our own.
    V1,
    /// The KBS protocol.
    Kbs,
}

/// One path of a request, and the keystore's state for it.
#[derive(Clone, Debug)]
pub struct DecideItem {
    /// The path.
    pub path: SecretPath,
    /// The state of the secret.
    pub secret: SecretState,
}

/// The keystore's state for a path.
#[derive(Clone, Debug)]
pub enum SecretState {
    /// Nothing, or something destroyed.
    Absent,
    /// A retired secret, which is refused.
    Retired,
    /// A secret with an active version.
    Active {
        /// The version to release.
        version: u64,
        /// Its purpose.
        purpose: Purpose,
        /// Its policy.
        policy: Arc<CompiledPolicy>,
        /// The existing ones among the baselines that the policy names.
        baselines: Vec<NamedBaseline>,
    },
    /// A secret that would be active, but depends on a stored document that cannot be read.
    Unreadable {
        /// The document.
        document: UnreadableDocument,
        /// Its policy, if that is not the document.
        policy: Option<Arc<CompiledPolicy>>,
    },
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Kbs => "kbs",
        }
    }
}
