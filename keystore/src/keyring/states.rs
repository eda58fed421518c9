//! Numbers and states of generations, and which of them a rotation leads to.

use vouchsafe_protocol::UnixTime;

use crate::primitives::RandomError;

/// Number of a root key, from 1.
pub type GenerationId = u32;

/// The use of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GenerationState {
    /// Distributed to every broker before it is used: opens only.
    Pending,
    /// Seals and opens. There is exactly one.
    Primary,
    /// Can only open.
    Retired,
}

impl GenerationState {
    /// Its name in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Primary => "primary",
            Self::Retired => "retired",
        }
    }
}

/// Why a list of generations is not a valid keyring, or cannot be changed like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There must be exactly one primary generation.
    #[error("a keyring has exactly one primary generation, this one has {count}")]
    Primaries {
        /// How many there are.
        count: usize,
    },
    /// The same number twice.
    #[error("generation {id} is in the keyring twice")]
    Duplicate {
        /// The number.
        id: GenerationId,
    },
    /// States that no rotation leads to.
    #[error(
        "generation {id} has another state than its number allows: in a keyring older generations than the primary one are \
         retired, and one newer one may be pending. The file was edited: put it back from a backup"
    )]
    OutOfOrder {
        /// The number.
        id: GenerationId,
    },
    /// There is no pending generation to promote.
    #[error("the keyring has no pending generation: add one first and hand it to every broker")]
    NothingPending,
    /// There already is a pending generation.
    #[error("generation {id} is pending already: promote it first")]
    AlreadyPending {
        /// Its number.
        id: GenerationId,
    },
    /// It is not in the keyring.
    #[error("generation {id} is not in the keyring")]
    NotThere {
        /// The number.
        id: GenerationId,
    },
    /// The primary generation cannot be removed.
    #[error("generation {id} is the primary one, which is in use: promote another one first")]
    IsPrimary {
        /// Its number.
        id: GenerationId,
    },
    /// Another root key has this number.
    #[error(
        "generation {id} has another root key than in the keyring in use: it is the keyring of another broker"
    )]
    OtherKey {
        /// The number.
        id: GenerationId,
    },
    /// No generation number is left.
    #[error("the keyring has run out of generation numbers")]
    Exhausted,
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// What is known about a generation, without its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerationSummary {
    /// Its number.
    pub id: GenerationId,
    /// Its use.
    pub state: GenerationState,
    /// When it was made.
    pub created_at: UnixTime,
    /// Since when it only opens, if it does and that is known.
    pub retired_at: Option<UnixTime>,
}

/// Checks that a rotation leads to these generations. Whoever can only write a keyring's file does not choose which of them seals.
pub(super) fn check(generations: &[GenerationSummary]) -> Result<(), KeyringError> {
    for (index, GenerationSummary { id, .. }) in generations.iter().enumerate() {
        if generations.iter().take(index).any(|other| other.id == *id) {
            return Err(KeyringError::Duplicate { id: *id });
        }
    }
    let primaries: Vec<_> = generations.iter().filter(|one| one.state == GenerationState::Primary).collect();
    let [primary] = primaries.as_slice() else {
        return Err(KeyringError::Primaries { count: primaries.len() });
    };
    let newest = generations.iter().map(|one| one.id).max();
    let is_in_order = |one: &&GenerationSummary| match one.state {
        GenerationState::Primary => true,
        GenerationState::Retired => one.id < primary.id,
        GenerationState::Pending => one.id > primary.id && Some(one.id) == newest,
    };
    match generations.iter().find(|one| !is_in_order(one)) {
        Some(one) => Err(KeyringError::OutOfOrder { id: one.id }),
        None => Ok(()),
    }
}
