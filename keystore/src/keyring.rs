//! The root keyring: generations of 32 random bytes from which all keys of the broker are derived.
//!
//! The primary generation makes new seals and MACs; every generation opens and verifies. The keyring protects
//! against reading and editing the database; it does not protect against reading the keyring's own file,
//! which [`mod@file`] therefore keeps private.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::hashing::Preimage;
use zeroize::Zeroizing;

use crate::primitives::{RandomError, derive, random};

pub mod file;
pub mod wrapped;

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

/// All generations, with the keys derived from each.
///
/// A keystore that is open uses it through one shared handle. Rotation replaces its generations while they are
/// in use: whoever needs several keys of one generation takes that generation once.
pub struct Keyring(RwLock<Arc<[Member]>>);

/// A generation, and how it may be used.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) state: GenerationState,
    /// Since when it only opens.
    pub(crate) retired_at: Option<UnixTime>,
    pub(crate) generation: Arc<Generation>,
}

/// The keys of a generation. They are erased when nothing uses them any more.
pub(crate) struct Generation {
    pub(crate) id: GenerationId,
    pub(crate) created_at: UnixTime,
    pub(crate) root: RootKey,
    sealing: SealingKey,
    identity: IdentitySealingKey,
    row: RowMacKey,
    challenge: ChallengeKey,
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

impl Keyring {
    /// A new keyring with one primary generation.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn generate(now: UnixTime) -> Result<Self, RandomError> {
        let first = Member::new(GenerationState::Primary, Generation::new(1, now, RootKey(random()?)));
        Ok(Self::of(vec![first]))
    }

    pub(crate) fn from_members(members: Vec<Member>) -> Result<Self, KeyringError> {
        for (index, Member { generation, .. }) in members.iter().enumerate() {
            if members.iter().take(index).any(|other| other.generation.id == generation.id) {
                return Err(KeyringError::Duplicate { id: generation.id });
            }
        }
        let count = members.iter().filter(|member| member.state == GenerationState::Primary).count();
        if count != 1 {
            return Err(KeyringError::Primaries { count });
        }
        match out_of_order(&members) {
            Some(id) => Err(KeyringError::OutOfOrder { id }),
            None => Ok(Self::of(members)),
        }
    }

    fn of(members: Vec<Member>) -> Self {
        Self(RwLock::new(members.into()))
    }

    /// This keyring with a new pending generation, which must be distributed to every broker before
    /// [`Keyring::with_promoted`].
    ///
    /// # Errors
    /// [`KeyringError::AlreadyPending`], or no randomness.
    pub fn with_pending(&self, now: UnixTime) -> Result<(Self, GenerationId), KeyringError> {
        let mut members = self.members().to_vec();
        if let Some(pending) = members.iter().find(|member| member.state == GenerationState::Pending) {
            return Err(KeyringError::AlreadyPending { id: pending.generation.id });
        }
        let last = members.iter().map(|member| member.generation.id).max().unwrap_or(0);
        let id = last.checked_add(1).ok_or(KeyringError::Exhausted)?;
        members.push(Member::new(GenerationState::Pending, Generation::new(id, now, RootKey(random()?))));
        Ok((Self::of(members), id))
    }

    /// This keyring with the pending generation as the primary one, and the primary one retired.
    ///
    /// # Errors
    /// [`KeyringError::NothingPending`].
    pub fn with_promoted(&self, now: UnixTime) -> Result<(Self, GenerationId), KeyringError> {
        let mut members = self.members().to_vec();
        let pending = members.iter().find(|member| member.state == GenerationState::Pending);
        let id = pending.map(|member| member.generation.id).ok_or(KeyringError::NothingPending)?;
        for member in &mut members {
            match member.state {
                GenerationState::Primary => {
                    (member.state, member.retired_at) = (GenerationState::Retired, Some(now));
                }
                GenerationState::Pending => member.state = GenerationState::Primary,
                GenerationState::Retired => {}
            }
        }
        Ok((Self::of(members), id))
    }

    /// This keyring without a generation, which is not the primary one.
    ///
    /// # Errors
    /// [`KeyringError::NotThere`], [`KeyringError::IsPrimary`].
    pub fn without(&self, id: GenerationId) -> Result<Self, KeyringError> {
        let members = self.members();
        match members.iter().find(|member| member.generation.id == id).map(|member| member.state) {
            None => Err(KeyringError::NotThere { id }),
            Some(GenerationState::Primary) => Err(KeyringError::IsPrimary { id }),
            Some(GenerationState::Pending | GenerationState::Retired) => {
                let others = members.iter().filter(|member| member.generation.id != id);
                Ok(Self::of(others.cloned().collect()))
            }
        }
    }

    /// Whether each generation that both have has the same root key.
    ///
    /// # Errors
    /// [`KeyringError::OtherKey`].
    pub(crate) fn require_same_keys(&self, other: &Self) -> Result<(), KeyringError> {
        for Member { generation, .. } in other.members().iter() {
            let id = generation.id;
            if self.get(id).is_some_and(|ours| !bool::from(ours.root.0.ct_eq(generation.root.0.as_slice()))) {
                return Err(KeyringError::OtherKey { id });
            }
        }
        Ok(())
    }

    /// Uses the generations of another keyring from now on.
    pub(crate) fn replace_with(&self, other: &Self) {
        let members = other.members();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    /// Whether both have the same generations, in the same states, with the same root keys. Compares keys in constant time.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.generations() == other.generations() && self.require_same_keys(other).is_ok()
    }

    /// Number, state and age of each generation.
    #[must_use]
    pub fn generations(&self) -> Vec<GenerationSummary> {
        self.members().iter().map(Member::summary).collect()
    }

    /// The key that authenticates new challenges.
    #[must_use]
    pub fn challenge_key(&self) -> impl Deref<Target = ChallengeKey> + use<> {
        ChallengeKeyOf(self.primary())
    }

    /// The keys under which a challenge may have been issued, the primary one first.
    pub fn challenge_keys(&self) -> impl Iterator<Item = impl Deref<Target = ChallengeKey> + use<>> + use<> {
        let mut members = self.members().to_vec();
        members.sort_by_key(|member| member.state != GenerationState::Primary);
        members.into_iter().map(|member| ChallengeKeyOf(member.generation))
    }

    pub(crate) fn primary(&self) -> Arc<Generation> {
        let members = self.members();
        let primary = members.iter().find(|member| member.state == GenerationState::Primary);
        let primary =
            primary.expect("every constructor and every change keeps exactly one primary generation");
        Arc::clone(&primary.generation)
    }

    pub(crate) fn get(&self, id: GenerationId) -> Option<Arc<Generation>> {
        let members = self.members();
        members.iter().find(|member| member.generation.id == id).map(|member| Arc::clone(&member.generation))
    }

    pub(crate) fn members(&self) -> Arc<[Member]> {
        // It cannot be half-written: only the whole list is replaced.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The first generation whose state its number contradicts. Where the root keys are wrapped the states are not, and nobody but the
/// rotation may choose which generation seals.
fn out_of_order(members: &[Member]) -> Option<GenerationId> {
    let primary = members.iter().find(|member| member.state == GenerationState::Primary)?.generation.id;
    let newest = members.iter().map(|member| member.generation.id).max()?;
    let is_in_order = |member: &&Member| match member.state {
        GenerationState::Primary => true,
        GenerationState::Retired => member.generation.id < primary,
        GenerationState::Pending => member.generation.id > primary && member.generation.id == newest,
    };
    members.iter().find(|member| !is_in_order(member)).map(|member| member.generation.id)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.generations()).finish()
    }
}

impl Member {
    fn new(state: GenerationState, generation: Generation) -> Self {
        Self { state, retired_at: None, generation: Arc::new(generation) }
    }

    fn summary(&self) -> GenerationSummary {
        let Generation { id, created_at, .. } = *self.generation;
        GenerationSummary { id, state: self.state, created_at, retired_at: self.retired_at }
    }
}

/// Keeps the generation as long as its key is used.
struct ChallengeKeyOf(Arc<Generation>);

impl Deref for ChallengeKeyOf {
    type Target = ChallengeKey;

    fn deref(&self) -> &ChallengeKey {
        &self.0.challenge
    }
}

impl Generation {
    pub(crate) fn new(id: GenerationId, created_at: UnixTime, root: RootKey) -> Self {
        Self {
            id,
            created_at,
            sealing: SealingKey(root.derive(SEALING_LABEL)),
            identity: IdentitySealingKey(root.derive(IDENTITY_LABEL)),
            row: RowMacKey(hmac::Key::new(hmac::HMAC_SHA256, root.derive(ROW_LABEL).as_slice())),
            challenge: ChallengeKey::new(&root.derive(CHALLENGE_LABEL)),
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
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation").field("id", &self.id).finish_non_exhaustive()
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
