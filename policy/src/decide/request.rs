//! What a decision is about.

use std::sync::Arc;

use vouchsafe_protocol::{BrokerIdentity, SecretPath, UnixTime};

use crate::baseline::NamedBaseline;
use crate::compiled::CompiledPolicy;
use crate::purpose::Purpose;

/// What is asked for, as the keystore has it in one epoch.
#[derive(Debug)]
pub struct DecideRequest<'a> {
    /// This broker: the evidence must be bound to it and to exactly these paths.
    pub broker: &'a BrokerIdentity,
    /// The epoch that `items` were read in.
    pub epoch: u64,
    /// The time.
    pub now: UnixTime,
    /// How the request came.
    pub protocol: Protocol,
    /// One item a path, in the order of the request.
    pub items: Vec<DecideItem>,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Our own.
    V1,
    /// The KBS protocol.
    Kbs,
}

/// One path of a request and what the keystore has there.
#[derive(Clone, Debug)]
pub struct DecideItem {
    /// The path.
    pub path: SecretPath,
    /// What is there.
    pub secret: SecretState,
}

/// What the keystore has at a path.
#[derive(Clone, Debug)]
pub enum SecretState {
    /// Nothing, or something destroyed.
    Absent,
    /// A secret that is refused for now.
    Retired,
    /// A secret that is served.
    Active {
        /// The version to serve.
        version: u64,
        /// What it is for.
        purpose: Purpose,
        /// Its policy.
        policy: Arc<CompiledPolicy>,
        /// The baselines that the policy names, as far as they exist.
        baselines: Vec<NamedBaseline>,
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
