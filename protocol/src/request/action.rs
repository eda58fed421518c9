//! What a request asks for.

/// What the guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Release secrets.
    Release,
    /// Register an encrypted volume.
    RegisterVolume,
    /// Advance a volume's generation.
    AdvanceVolume,
    /// Propose the boot chain of an update as a baseline.
    ProposeBaseline,
}

impl Action {
    /// Its name in the transcript.
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
