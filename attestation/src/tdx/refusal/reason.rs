//! What a failed check is called.

use crate::tdx::error::TdxError;

/// The name of a check that fails, if it has one.
pub(super) type Reason = Option<TdxError>;

/// A check that has no error variant.
pub(super) const UNNAMED: Reason = None;
