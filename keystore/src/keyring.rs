//! The root keyring: generations of 32 random bytes from which all keys of the broker are derived.
//!
//! The primary generation makes new seals and MACs; every generation opens and verifies. The keyring protects
//! against reading and editing the database; it does not protect against reading the keyring's own file,
//! which [`mod@file`] therefore keeps private.

use std::fmt;

use aws_lc_rs::hmac;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::hashing::Preimage;
use zeroize::Zeroizing;

use crate::primitives::{RandomError, derive, random};

pub mod file;

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

/// Why a list of generations is not a valid keyring.
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
    /// There is no pending generation to promote.
    #[error("the keyring has no pending generation: add one first and hand it to every broker")]
    NothingPending,
    /// There already is a pending generation.
    #[error("generation {id} is pending already: promote it first")]
    AlreadyPending {
        /// Its number.
        id: GenerationId,
    },
    /// No generation number is left.
    #[error("the keyring has run out of generation numbers")]
    Exhausted,
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// All generations, with the keys derived from each.
pub struct Keyring(Vec<Generation>);

pub(crate) struct Generation {
    pub(crate) id: GenerationId,
    pub(crate) state: GenerationState,
    pub(crate) created_at: UnixTime,
    pub(crate) root: RootKey,
    sealing: SealingKey,
    identity: IdentitySealingKey,
    row: RowMacKey,
}

impl Keyring {
    /// A new keyring with one primary generation.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn generate(now: UnixTime) -> Result<Self, RandomError> {
        Ok(Self(vec![Generation::new(1, GenerationState::Primary, now, RootKey(random()?))]))
    }

    pub(crate) fn from_generations(generations: Vec<Generation>) -> Result<Self, KeyringError> {
        for (index, generation) in generations.iter().enumerate() {
            if generations.iter().take(index).any(|other| other.id == generation.id) {
                return Err(KeyringError::Duplicate { id: generation.id });
            }
        }
        let count = generations.iter().filter(|g| g.state == GenerationState::Primary).count();
        if count != 1 {
            return Err(KeyringError::Primaries { count });
        }
        Ok(Self(generations))
    }

    /// Adds a pending generation. It must be distributed to every broker before [`Keyring::promote`].
    ///
    /// # Errors
    /// [`KeyringError::AlreadyPending`], or no randomness.
    pub fn add_pending(&mut self, now: UnixTime) -> Result<GenerationId, KeyringError> {
        if let Some(pending) = self.0.iter().find(|g| g.state == GenerationState::Pending) {
            return Err(KeyringError::AlreadyPending { id: pending.id });
        }
        let last = self.0.iter().map(|g| g.id).max().unwrap_or(0);
        let id = last.checked_add(1).ok_or(KeyringError::Exhausted)?;
        self.0.push(Generation::new(id, GenerationState::Pending, now, RootKey(random()?)));
        Ok(id)
    }

    /// Makes the pending generation primary and retires the primary one.
    ///
    /// # Errors
    /// [`KeyringError::NothingPending`].
    pub fn promote(&mut self) -> Result<GenerationId, KeyringError> {
        let pending = self.0.iter().find(|g| g.state == GenerationState::Pending).map(|g| g.id);
        let id = pending.ok_or(KeyringError::NothingPending)?;
        for generation in &mut self.0 {
            match generation.state {
                GenerationState::Primary => generation.state = GenerationState::Retired,
                GenerationState::Pending => generation.state = GenerationState::Primary,
                GenerationState::Retired => {}
            }
        }
        Ok(id)
    }

    /// Number, state and age of each generation.
    pub fn generations(&self) -> impl Iterator<Item = (GenerationId, GenerationState, UnixTime)> + '_ {
        self.0.iter().map(|g| (g.id, g.state, g.created_at))
    }

    /// The key that authenticates new challenges.
    #[must_use]
    pub fn challenge_key(&self) -> ChallengeKey {
        self.primary().challenge_key()
    }

    /// The keys under which a challenge may have been issued, the primary one first.
    #[must_use]
    pub fn challenge_keys(&self) -> Vec<ChallengeKey> {
        let others = self.0.iter().filter(|g| g.state != GenerationState::Primary);
        std::iter::once(self.primary()).chain(others).map(Generation::challenge_key).collect()
    }

    pub(crate) fn primary(&self) -> &Generation {
        self.0
            .iter()
            .find(|generation| generation.state == GenerationState::Primary)
            .expect("every constructor and every change keeps exactly one primary generation")
    }

    pub(crate) fn all(&self) -> &[Generation] {
        &self.0
    }

    pub(crate) fn get(&self, id: GenerationId) -> Option<&Generation> {
        self.0.iter().find(|generation| generation.id == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.generations()).finish()
    }
}

impl Generation {
    pub(crate) fn new(id: GenerationId, state: GenerationState, created_at: UnixTime, root: RootKey) -> Self {
        Self {
            id,
            state,
            created_at,
            sealing: SealingKey(root.derive(SEALING_LABEL)),
            identity: IdentitySealingKey(root.derive(IDENTITY_LABEL)),
            row: RowMacKey(hmac::Key::new(hmac::HMAC_SHA256, root.derive(ROW_LABEL).as_slice())),
            root,
        }
    }

    pub(crate) const fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    pub(crate) const fn identity(&self) -> &IdentitySealingKey {
        &self.identity
    }

    pub(crate) const fn row(&self) -> &RowMacKey {
        &self.row
    }

    fn challenge_key(&self) -> ChallengeKey {
        ChallengeKey::new(&self.root.derive(CHALLENGE_LABEL))
    }
}

/// 32 random bytes. Only used for key derivation, never directly for encryption or authentication.
pub(crate) struct RootKey(pub(crate) Zeroizing<[u8; 32]>);

impl RootKey {
    fn derive(&self, label: &'static [u8]) -> Zeroizing<[u8; 32]> {
        derive(self.0.as_slice(), Preimage::new(label).as_bytes())
    }
}

/// Wraps the data key of each secret version.
pub(crate) struct SealingKey(pub(crate) Zeroizing<[u8; 32]>);

/// Seals the broker's identity key.
pub(crate) struct IdentitySealingKey(pub(crate) Zeroizing<[u8; 32]>);

/// Authenticates rows of the database.
pub(crate) struct RowMacKey(hmac::Key);

impl RowMacKey {
    pub(crate) fn sign(&self, preimage: &Preimage) -> Vec<u8> {
        hmac::sign(&self.0, preimage.as_bytes()).as_ref().to_vec()
    }

    /// Compares in constant time.
    pub(crate) fn verifies(&self, preimage: &Preimage, mac: &[u8]) -> bool {
        hmac::verify(&self.0, preimage.as_bytes(), mac).is_ok()
    }
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([REDACTED])"))
            }
        }
    )*};
}
redacted!(RootKey, SealingKey, IdentitySealingKey, RowMacKey);

const SEALING_LABEL: &[u8] = b"vouchsafe/v1 root sealing";
const CHALLENGE_LABEL: &[u8] = b"vouchsafe/v1 root challenge";
const ROW_LABEL: &[u8] = b"vouchsafe/v1 root row mac";
const IDENTITY_LABEL: &[u8] = b"vouchsafe/v1 root identity sealing";

#[cfg(test)]
mod tests;
