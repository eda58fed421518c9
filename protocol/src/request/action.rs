//! The actions of requests.

/// The action of a request. It follows from the [`Body`](super::Body), so the two cannot disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Release secrets.
    Release,
}

impl Action {
    /// Its name in the transcript.
    ///
    /// Names are never reused with another meaning. Reserved: `register-volume`, `advance-volume` and
    /// `propose-baseline`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
        }
    }
}
