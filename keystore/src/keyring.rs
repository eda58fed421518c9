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
mod file_error;
pub mod locked;
mod states;
pub mod wrapped;

pub use states::{GenerationId, GenerationState, GenerationSummary, KeyringError};

/// All generations, with the keys derived from each.
///
/// A keystore that is open uses it through one shared handle. Rotation replaces its generations while they are
/// in use: whoever needs several keys of one generation takes that generation once.
pub struct Keyring(RwLock<Members>);

/// The generations at one time.
#[derive(Clone)]
pub(crate) struct Members {
    all: Arc<[Member]>,
    /// The highest number that any generation of this keyring ever had: no number is used twice, for copies of a keyring
    /// may still have the generation that was removed.
    newest: GenerationId,
}

impl Deref for Members {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        &self.all
    }
}

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

impl Keyring {
    /// A new keyring with one primary generation.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn generate(now: UnixTime) -> Result<Self, RandomError> {
        let first = Member::new(GenerationState::Primary, Generation::new(1, now, RootKey(random()?)));
        Ok(Self::of(vec![first], 1))
    }

    /// Of these members. `newest`: the highest number that ever was, if no member has it.
    pub(crate) fn from_members(
        members: Vec<Member>,
        newest: Option<GenerationId>,
    ) -> Result<Self, KeyringError> {
        let summaries: Vec<_> = members.iter().map(Member::summary).collect();
        states::check(&summaries)?;
        Ok(Self::of(members, newest.unwrap_or_default()))
    }

    fn of(members: Vec<Member>, newest: GenerationId) -> Self {
        let newest = members.iter().map(|member| member.generation.id).fold(newest, GenerationId::max);
        Self(RwLock::new(Members { all: members.into(), newest }))
    }

    /// This keyring with a new pending generation, which must be distributed to every broker before
    /// [`Keyring::with_promoted`].
    ///
    /// # Errors
    /// [`KeyringError::AlreadyPending`], or no randomness.
    pub fn with_pending(&self, now: UnixTime) -> Result<(Self, GenerationId), KeyringError> {
        let Members { all, newest } = self.members();
        let mut members = all.to_vec();
        if let Some(pending) = members.iter().find(|member| member.state == GenerationState::Pending) {
            return Err(KeyringError::AlreadyPending { id: pending.generation.id });
        }
        let id = newest.checked_add(1).ok_or(KeyringError::Exhausted)?;
        members.push(Member::new(GenerationState::Pending, Generation::new(id, now, RootKey(random()?))));
        Ok((Self::of(members, id), id))
    }

    /// This keyring with the pending generation as the primary one, and the primary one retired.
    ///
    /// # Errors
    /// [`KeyringError::NothingPending`].
    pub fn with_promoted(&self, now: UnixTime) -> Result<(Self, GenerationId), KeyringError> {
        let Members { all, newest } = self.members();
        let mut members = all.to_vec();
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
        Ok((Self::of(members, newest), id))
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
                Ok(Self::of(others.cloned().collect(), members.newest))
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
        self.is_like(other) && self.require_same_keys(other).is_ok()
    }

    /// Whether both have the same generations, in the same states. Keys are not compared.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.generations() == other.generations() && self.newest() == other.newest()
    }

    /// The highest number that any generation ever had.
    pub(crate) fn newest(&self) -> GenerationId {
        self.members().newest
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

    /// The same for a file: only if no generation that it has shows it.
    pub(crate) fn written_newest(&self) -> Option<GenerationId> {
        let Members { all, newest } = self.members();
        Some(newest).filter(|newest| all.iter().all(|member| member.generation.id < *newest))
    }

    pub(crate) fn members(&self) -> Members {
        // It cannot be half-written: only the whole list is replaced.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
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
