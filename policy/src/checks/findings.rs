//! What registration finds.

use vouchsafe_protocol::{ObjectName, UnixTime};

use super::gap::Gap;
use crate::baseline::BaselineError;
use crate::rules::PolicyError;

/// Why a policy may not guard a secret. Those with a code in their text can be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The stored policy does not compile with this version.
    #[error("the policy does not compile with this version, and nothing is released under it: {error}")]
    DoesNotCompile {
        /// The reason.
        error: Box<PolicyError>,
    },
    /// Nothing is ever permitted.
    #[error("the policy has no permit")]
    NoPermit,
    /// Another action than release.
    #[error("{id}: the action must be exactly Action::\"release\"")]
    OtherAction {
        /// The statement.
        id: String,
    },
    /// A permit without a purpose.
    #[error("{id}: @for(\"disk\") or @for(\"app\") is missing")]
    MissingPurpose {
        /// The permit.
        id: String,
    },
    /// Permits with different purposes.
    #[error("{id}: all permits of a policy must have the same purpose")]
    MixedPurposes {
        /// The permit that differs from the first.
        id: String,
    },
    /// `@for` or `@accepts` on a forbid, where they have no meaning.
    #[error("{id}: @for and @accepts belong on permits")]
    AnnotatedForbid {
        /// The forbid.
        id: String,
    },
    /// A text that no claim of this kind can equal.
    #[error("{id}: {text:?} can never be {claim}")]
    MalformedLiteral {
        /// The statement.
        id: String,
        /// The claim that it is compared with.
        claim: String,
        /// The text.
        text: String,
    },
    /// A baseline that does not exist.
    #[error("{id}: there is no baseline {name}: put the baseline first")]
    UnknownBaseline {
        /// The statement.
        id: String,
        /// Its name.
        name: ObjectName,
    },
    /// A stored baseline that this version cannot read.
    #[error(
        "{id}: baseline {name} cannot be read by this version, and nothing is released under this policy: {error}. Put a new version of it, or revoke it"
    )]
    UnreadableBaseline {
        /// The statement.
        id: String,
        /// Its name.
        name: ObjectName,
        /// The reason.
        error: Box<BaselineError>,
    },
    /// A baseline of another namespace.
    #[error("{id}: baseline {name} is neither of this namespace nor of `shared`")]
    ForeignBaseline {
        /// The statement.
        id: String,
        /// Its name.
        name: ObjectName,
    },
    /// A secret or a namespace outside of this policy's namespace.
    #[error("{id}: {name:?} is in another namespace")]
    ForeignResource {
        /// The statement.
        id: String,
        /// Its name.
        name: String,
    },
    /// The baseline was revoked.
    #[error("{id}: baseline {name} is revoked, so no VM is a member of it: remove it from the policy")]
    RevokedBaseline {
        /// The permit.
        id: String,
        /// Its name.
        name: ObjectName,
    },
    /// The baseline has expired.
    #[error(
        "{id}: baseline {name} expired at {ends_at}, so no VM is a member of it: put a new version of it, or remove it from the policy"
    )]
    EndedBaseline {
        /// The permit.
        id: String,
        /// Its name.
        name: ObjectName,
        /// When it expired.
        ends_at: UnixTime,
    },
    /// The check would take too many steps.
    #[error(
        "{id}: the policy is too complex to check: split it into several permits or policies, each with fewer `||` and `if`"
    )]
    TooComplex {
        /// The permit.
        id: String,
    },
    /// A permit that never holds.
    #[error(
        "{id}: its conditions, or those of one of its alternatives, contradict each other, so that it never holds"
    )]
    NeverHolds {
        /// The permit.
        id: String,
    },
    /// A gap that must be closed or acknowledged.
    #[error("{id}: {} (or acknowledge it: @accepts(\"{}\"))", gap, gap.acceptance().code())]
    Gap {
        /// The permit.
        id: String,
        /// The gap.
        gap: Gap,
    },
}

/// All findings; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct CheckFailures(Vec<CheckError>);

impl CheckFailures {
    /// Of a stored policy that this version does not compile.
    #[must_use]
    pub fn of_uncompiled(error: PolicyError) -> Self {
        Self(vec![CheckError::DoesNotCompile { error: Box::new(error) }])
    }

    pub(super) const fn new(found: Vec<CheckError>) -> Self {
        Self(found)
    }

    /// The findings that are not among `others`; `None` if there are none.
    #[must_use]
    pub fn without(self, others: &[CheckError]) -> Option<Self> {
        let left: Vec<CheckError> = self.0.into_iter().filter(|found| !others.contains(found)).collect();
        (!left.is_empty()).then_some(Self(left))
    }

    /// The findings.
    #[must_use]
    pub fn as_slice(&self) -> &[CheckError] {
        &self.0
    }
}
