//! Secrets at rest: one random data key for each version, wrapped under the root key.
//!
//! A sealed version can be opened only with the path, version and policy name that it was sealed with, so an
//! edited row cannot be opened. Rolling back a whole row is not detected here, but by the row versions that
//! the log pins.

use std::sync::Arc;

use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{IdentityKey, ObjectName, PlaintextSecret, SecretPath};
use zeroize::Zeroizing;

use crate::keyring::{Generation, GenerationId, Keyring};
use crate::primitives::{RandomError, Unauthentic, aead_open, aead_seal, derive, random};

/// What a sealed version is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealContext<'a> {
    pub(crate) path: &'a SecretPath,
    pub(crate) version: u64,
    pub(crate) policy: &'a ObjectName,
}

/// A secret version as stored: ciphertext, and its data key wrapped under the root key.
#[derive(Clone, Debug)]
pub(crate) struct SealedSecret {
    pub(crate) generation: GenerationId,
    pub(crate) data: Vec<u8>,
    pub(crate) wrapped_key: Vec<u8>,
}

/// Why a secret version could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The root key of that generation is not in the keyring.
    #[error("sealed under generation {id}, which is not in the keyring")]
    UnknownGeneration {
        /// The generation.
        id: GenerationId,
    },
    /// The wrapped data key cannot be opened: the row or its policy was changed.
    #[error("the data key of {path} version {version} cannot be opened: the database was changed")]
    DataKey {
        /// The secret.
        path: SecretPath,
        /// Its version.
        version: u64,
    },
    /// The data cannot be opened: the row was changed.
    #[error("the data of {path} version {version} cannot be opened: the database was changed")]
    Data {
        /// The secret.
        path: SecretPath,
        /// Its version.
        version: u64,
    },
    /// The sealed identity key cannot be opened.
    #[error("the broker's identity key cannot be opened: the database was changed")]
    Identity,
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl SealedSecret {
    /// Seals under the primary generation, with a new data key.
    pub(crate) fn seal(
        keyring: &Keyring,
        context: SealContext<'_>,
        secret: &PlaintextSecret,
    ) -> Result<Self, SealError> {
        let data_key = random::<32>()?;
        let data = aead_seal(&data_key, context.data_aad().as_bytes(), secret.expose())?;
        let (generation, wrapped_key) = wrap(keyring, context, &data_key)?;
        Ok(Self { generation, data, wrapped_key })
    }

    /// The generation that opens it.
    pub(crate) fn generation(&self, keyring: &Keyring) -> Result<Arc<Generation>, SealError> {
        known(keyring, self.generation)
    }

    /// Opens the secret with its generation, if nothing that it is bound to was changed.
    pub(crate) fn unseal(
        &self,
        generation: &Generation,
        context: SealContext<'_>,
    ) -> Result<PlaintextSecret, SealError> {
        let data_key = self.data_key(generation, context)?;
        let damaged = || SealError::Data { path: context.path.clone(), version: context.version };
        let mut data =
            aead_open(&data_key, context.data_aad().as_bytes(), &self.data).map_err(|_| damaged())?;
        PlaintextSecret::new(std::mem::take(&mut *data)).map_err(|_| damaged())
    }

    /// The same data under another policy, or under the same one: wraps the data key again, under the primary generation.
    pub(crate) fn rebind(
        &self,
        keyring: &Keyring,
        context: SealContext<'_>,
        policy: &ObjectName,
    ) -> Result<Self, SealError> {
        let data_key = self.data_key(&*self.generation(keyring)?, context)?;
        let (generation, wrapped_key) = wrap(keyring, SealContext { policy, ..context }, &data_key)?;
        Ok(Self { generation, data: self.data.clone(), wrapped_key })
    }

    fn data_key(
        &self,
        generation: &Generation,
        context: SealContext<'_>,
    ) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let damaged = || SealError::DataKey { path: context.path.clone(), version: context.version };
        let aad = context.key_aad(generation.id);
        let opened = aead_open(&generation.sealing().0, aad.as_bytes(), &self.wrapped_key);
        let opened = opened.map_err(|Unauthentic| damaged())?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(opened.get(..32).filter(|_| opened.len() == 32).ok_or_else(damaged)?);
        Ok(key)
    }
}

impl SealContext<'_> {
    // AAD of the data = label || path || version, each length-prefixed; numbers as 8 bytes big-endian.
    fn data_aad(&self) -> Preimage {
        Preimage::new(DATA_LABEL).text(self.path.as_str()).number(self.version)
    }

    // AAD of the data key = label || generation || namespace || path || version || policy name, likewise.
    fn key_aad(&self, generation: GenerationId) -> Preimage {
        Preimage::new(DATA_KEY_LABEL)
            .number(generation.into())
            .text(self.path.namespace())
            .text(self.path.as_str())
            .number(self.version)
            .text(self.policy.as_str())
    }
}

fn wrap(
    keyring: &Keyring,
    context: SealContext<'_>,
    data_key: &Zeroizing<[u8; 32]>,
) -> Result<(GenerationId, Vec<u8>), SealError> {
    let primary = keyring.primary();
    let aad = context.key_aad(primary.id);
    let wrapped_key = aead_seal(&primary.sealing().0, aad.as_bytes(), data_key.as_slice())?;
    Ok((primary.id, wrapped_key))
}

fn known(keyring: &Keyring, id: GenerationId) -> Result<Arc<Generation>, SealError> {
    keyring.get(id).ok_or(SealError::UnknownGeneration { id })
}

/// The value of a per-instance secret: 32 bytes for this instance only.
///
/// `HKDF[no salt, label || project number || instance id](seed, 32)`, fields length-prefixed.
pub(crate) fn instance_secret(
    seed: &PlaintextSecret,
    project_number: u64,
    instance_id: u64,
) -> PlaintextSecret {
    let info = Preimage::new(INSTANCE_LABEL).number(project_number).number(instance_id);
    let value = derive(seed.expose(), info.as_bytes());
    PlaintextSecret::new(value.to_vec()).expect("32 bytes are a secret's length")
}

/// The seed of an identity key.
pub(crate) struct IdentitySeed(Zeroizing<[u8; 32]>);

impl IdentitySeed {
    /// A new one.
    pub(crate) fn generate() -> Result<Self, SealError> {
        Ok(Self(random()?))
    }

    /// Its key.
    pub(crate) fn key(&self) -> Result<IdentityKey, SealError> {
        IdentityKey::from_seed(&self.0).map_err(|_| SealError::Identity)
    }

    /// Seals it under the primary generation.
    pub(crate) fn seal(&self, keyring: &Keyring) -> Result<(GenerationId, Vec<u8>), SealError> {
        let primary = keyring.primary();
        let aad = identity_aad(primary.id);
        let sealed = aead_seal(&primary.identity().0, aad.as_bytes(), self.0.as_slice())?;
        Ok((primary.id, sealed))
    }
}

/// The identity key whose seed was sealed by [`IdentitySeed::seal`].
pub(crate) fn unseal_identity(
    keyring: &Keyring,
    generation: GenerationId,
    sealed: &[u8],
) -> Result<IdentityKey, SealError> {
    open_identity(&*known(keyring, generation)?, sealed)?.key()
}

/// The same seed under the primary generation.
pub(crate) fn reseal_identity(
    keyring: &Keyring,
    generation: GenerationId,
    sealed: &[u8],
) -> Result<(GenerationId, Vec<u8>), SealError> {
    open_identity(&*known(keyring, generation)?, sealed)?.seal(keyring)
}

fn open_identity(generation: &Generation, sealed: &[u8]) -> Result<IdentitySeed, SealError> {
    let opened = aead_open(&generation.identity().0, identity_aad(generation.id).as_bytes(), sealed)
        .map_err(|Unauthentic| SealError::Identity)?;
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(opened.get(..32).filter(|_| opened.len() == 32).ok_or(SealError::Identity)?);
    Ok(IdentitySeed(seed))
}

fn identity_aad(generation: GenerationId) -> Preimage {
    Preimage::new(IDENTITY_LABEL).number(generation.into())
}

const DATA_LABEL: &[u8] = b"vouchsafe/v1 seal data";
const DATA_KEY_LABEL: &[u8] = b"vouchsafe/v1 seal data key";
const INSTANCE_LABEL: &[u8] = b"vouchsafe/v1 instance secret";
const IDENTITY_LABEL: &[u8] = b"vouchsafe/v1 seal identity";

#[cfg(test)]
mod tests;
