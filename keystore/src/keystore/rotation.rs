//! Rotation of the keyring.

use vouchsafe_protocol::UnixTime;

use crate::db::StoreError;
use crate::keyring::locked::KeyringFile;
use crate::keyring::{GenerationId, Keyring};
use crate::keystore::Keystore;
use crate::registry::change::Actor;
use crate::rotation::{Resealed, RotationError};

impl Keystore {
    /// Adds a pending generation to the keyring and its file. It is in use after [`Keystore::promote_generation`].
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn add_generation(
        &self,
        actor: Actor<'_>,
        file: &KeyringFile,
    ) -> Result<GenerationId, RotationError> {
        self.0.rotation.add(&self.0.registry, actor, file).await
    }

    /// Makes the pending generation the primary one: it is used for everything new from now on, and the one before only
    /// opens.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn promote_generation(
        &self,
        actor: Actor<'_>,
        file: &KeyringFile,
    ) -> Result<GenerationId, RotationError> {
        self.0.rotation.promote(&self.0.registry, actor, file).await
    }

    /// Seals and authenticates rows anew under the primary generation: a limited number of them, so call it until none
    /// remains.
    ///
    /// # Errors
    /// [`RotationError`]. A row that fails its check is not resealed, and named in the result.
    pub async fn reseal(&self, actor: Actor<'_>) -> Result<Resealed, RotationError> {
        self.0.rotation.reseal(&self.0.registry, actor).await
    }

    /// Removes a generation from the keyring and its file, and erases its keys. `lifetime`: of challenges, in seconds.
    ///
    /// # Errors
    /// [`RotationError`], while anything needs it.
    pub async fn remove_generation(
        &self,
        actor: Actor<'_>,
        file: &KeyringFile,
        id: GenerationId,
        lifetime: u64,
    ) -> Result<(), RotationError> {
        self.0.rotation.remove(&self.0.registry, actor, file, id, lifetime).await
    }

    /// Takes a keyring that was changed outside of this process; returns whether it is another one than that in use. `load` is
    /// called once no other step of the rotation is being taken.
    ///
    /// # Errors
    /// Those of `load`, and [`RotationError`], when it is not a later one of this keystore or lacks a generation that something
    /// needs.
    pub async fn take_keyring<E: From<RotationError> + Send + 'static>(
        &self,
        load: impl FnOnce() -> Result<Keyring, E> + Send + 'static,
        at: UnixTime,
    ) -> Result<bool, E> {
        self.0.rotation.take(&self.0.registry, load, at).await
    }

    /// Completes a promotion that rows show and the keyring does not: that of a broker that was killed before it replaced the file, or
    /// of a keyring that was put back from before. Returns the generation that was promoted. `file`: that of the keyring, if
    /// this process may change it.
    ///
    /// # Errors
    /// [`RotationError::NotPromoted`], when the file cannot be changed.
    pub async fn complete_promotion(
        &self,
        file: Option<&KeyringFile>,
        at: UnixTime,
    ) -> Result<Option<GenerationId>, RotationError> {
        self.0.rotation.complete_promotion(&self.0.registry, file, at).await
    }

    /// Every generation of the keyring, with the rows that need it.
    pub(crate) async fn generation_uses(&self) -> Result<Vec<crate::rotation::GenerationUse>, StoreError> {
        crate::rotation::uses(&self.0.registry).await
    }
}
