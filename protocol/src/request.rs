//! A bound request: its body, the transcript that covers it, and how each kind of evidence commits to that
//! transcript.

mod action;
mod binding;
mod body;
mod transcript;

pub use action::Action;
pub use binding::{QuoteNonce, ReportData, TokenNonce};
pub use body::{Body, ReleasePaths, ReleasePathsError};
pub use transcript::{BoundRequest, Transcript};
