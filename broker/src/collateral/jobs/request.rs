//! Requests for items.

use std::time::Duration;

use crate::admission::network::Network;

/// The result of requesting an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is already queued, or was unavailable a moment ago.
    Known,
    /// It will be fetched.
    Queued,
    /// The queue is full, or this minute's budget is used up.
    Full,
}

/// Who requests an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A verified chain, or the broker itself.
    Verified,
    /// Unverified evidence from this network: anyone can forge it. Fetched last, and from a small budget of
    /// which one network gets a part (T56).
    Unverified(Network),
}

/// When an item may become available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It is being fetched, and may be available after this time.
    Soon(Duration),
    /// The queue or the budget is full; the item can be requested again after this time.
    Full(Duration),
    /// The source has no such item, or returned an unusable one; it is not fetched again before this time.
    Gone(Duration),
    /// This broker does not fetch.
    Never,
}
