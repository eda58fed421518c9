//! A bound request: its body, the transcript that covers it, and how each kind of evidence commits to that
//! transcript.

mod action;
mod binding;
mod body;
mod headers;
mod proposal;
mod transcript;
mod volume;

pub use action::Action;
pub use binding::{QuoteNonce, ReportData, TokenNonce};
pub use body::{Body, ReleaseBody, ReleasePaths, ReleasePathsError};
pub use headers::{HeadersError, VolumeHeaders};
pub use proposal::{
    BaselineProposal, CarriedLists, CarriedListsError, ProposalId, ProposalIdError, ProposedEvents,
    ProposedEventsError,
};
pub use transcript::{BoundRequest, Transcript};
pub use volume::VolumeAction;
