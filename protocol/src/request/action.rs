//! The actions of requests.

/// The action of a request. It follows from the [`Body`](super::Body), so the two cannot disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Release secrets.
    Release,
    /// Register the header of a volume.
    RegisterVolume,
    /// Announce the next header of a volume.
    AdvanceVolume,
    /// Propose the next boot for a baseline.
    ProposeBaseline,
}

impl Action {
    /// Its name in the transcript.
    ///
    /// Names are never reused with another meaning.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::RegisterVolume => "register-volume",
            Self::AdvanceVolume => "advance-volume",
            Self::ProposeBaseline => "propose-baseline",
        }
    }
}
