//! The root that a new policy asks for.

use vouchsafe_attestation::anchors::Root;

/// A root that a policy can require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateRoot {
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Google.
    Google,
    /// An anchor from a file: tests and demonstrations.
    Extra,
}

impl TemplateRoot {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Amd => "amd",
            Self::Intel => "intel",
            Self::Google => "google",
            Self::Extra => "extra",
        }
    }

    pub(super) const fn of(root: Root, own: Self) -> Self {
        match root {
            Root::Extra => Self::Extra,
            _ => own,
        }
    }
}
