//! Signed component lists: what an image builder says that an update may measure, made and signed offline.
//!
//! A baseline names the signers whose lists approve updates that its members propose. The VM that brings a list along
//! is not trusted with its content. A list that does not count changes nothing: the proposal waits for an operator.

mod document;
mod examine;

pub use document::{ComponentList, ListFault, ListTerms};
pub(crate) use examine::{Candidate, examine};
pub use examine::{ExaminedList, UsedList};
