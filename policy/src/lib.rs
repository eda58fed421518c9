//! Policies: what a VM must have proved before a secret leaves.
//!
//! [`decide()`] is the only way to a [`ReleaseGrant`]. It denies by default: a release needs a permit of the
//! secret's own policy, and no forbid of it or of the guardrails; an absent claim fails its condition, and a
//! failed evaluation denies. Everything here is pure: no I/O, no clock.
//!
//! | what | where |
//! |---|---|
//! | text, bounded before it is parsed | [`PolicySource`] |
//! | a policy, validated against the schema | [`CompiledPolicy`] |
//! | what a policy must say before it may guard a secret | [`CompiledPolicy::check`] |
//! | conditions on every release | [`Guardrails`] |
//! | closed sets of what may boot | [`Baseline`] |
//! | yes and no | [`decide()`], [`ReleaseGrant`], [`Denial`] |
//! | the same for an action on a volume | [`decide_volume()`], [`VolumeGrant`] |
//! | who may propose an update of a baseline | [`decide_proposal()`], [`ProposalGrant`] |
//! | signed lists that approve an update | [`ComponentList`], [`SignedApproval`] |
//! | what would be decided about a captured VM, condition by condition | [`rehearse()`] |
//! | a policy to start from | [`PolicyTemplate`] |
//! | the reference of all claims | [`claim_references`] |
//! | who may operate the broker | [`operators`] |

mod absence;
mod acceptance;
mod arguments;
mod baseline;
mod checks;
pub mod chip;
mod compiled;
mod component_list;
mod decide;
mod denial;
mod dropped;
mod evaluation;
mod expression;
mod grant;
pub mod operators;
mod proposal_grant;
mod purpose;
mod reads;
mod rehearse;
mod rules;
mod schema;
mod signed_approval;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod vm;
mod volume_grant;

pub use acceptance::Acceptance;
pub use baseline::{
    Baseline, BaselineError, BaselineLog, BaselineMismatch, CaptureError, Component, ComposedInitrd,
    ComposedInitrdError, EventName, ExpiringEntries, FirmwareSet, KeepOld, LogDigest, LogDigestError,
    MAX_BASELINE, NamedBaseline, ProposedUpdate, UpdateError,
};
pub use checks::{ChainPart, CheckError, CheckFailures, Gap, KnownBaselines, Note};
pub use compiled::{CompiledPolicy, Guardrails, SHIPPED_GUARDRAILS};
pub use component_list::{ComponentList, ExaminedList, ListFault, ListTerms, UsedList};
pub use decide::{
    DecideItem, DecideRequest, ProposalDenial, ProposalInput, ProposalVerdict, Protocol, SecretState, decide,
    decide_proposal, decide_volume,
};
pub use denial::{
    BaselineVerdict, Denial, DenialReason, EvaluationFailure, FailedCondition, PathDenial, ReadValue,
    Refusal, UnreadableDocument, Violation,
};
pub use dropped::Dropped;
pub use grant::{GrantedRelease, ReleaseGrant};
pub use proposal_grant::ProposalGrant;
pub use purpose::{Purpose, PurposeMismatch, UnknownPurpose};
pub use rehearse::{
    Rehearsal, RehearseRequest, RehearsedCondition, RehearsedPath, RehearsedStatement, rehearse,
};
pub use rules::{PolicyError, SourceNote, SourcePosition};
pub use schema::reference::{ClaimReference, claim_references, claims_markdown};
pub use signed_approval::SignedApproval;
pub use source::{MAX_NESTING, MAX_OPERATORS, MAX_POLICIES, MAX_TEXT, PolicySource, SourceError};
pub use template::{
    FailureShell, OwnerEvidence, PolicyTemplate, SnpTemplate, TdxTemplate, TemplateError, TemplateRoot,
    TokenTemplate,
};
pub use volume_grant::VolumeGrant;
