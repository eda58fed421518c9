//! Volumes, for operators.

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::log::record::VolumeRecord;
use crate::registry::change::Actor;
use crate::registry::volumes::{ForgetError, VolumeFilter};
use crate::volumes::VolumeId;

impl Keystore {
    /// The newest record of a volume, if it is registered.
    ///
    /// # Errors
    /// When the database fails or the record was changed.
    pub(crate) async fn volume(&self, volume: &VolumeId) -> Result<Option<VolumeRecord>, StoreError> {
        self.0.registry.volume(volume).await
    }

    /// The newest records of volumes by id, each with whether the volume is still registered.
    ///
    /// # Errors
    /// When the database fails or a record was changed.
    pub(crate) async fn volume_records(
        &self,
        filter: &VolumeFilter,
    ) -> Result<Vec<(VolumeRecord, bool)>, StoreError> {
        self.0.registry.volume_records(filter).await
    }

    /// Forgets what is registered for a volume: its VM may register any header.
    ///
    /// # Errors
    /// [`ForgetError`].
    pub async fn forget_volume(&self, actor: Actor<'_>, volume: &VolumeId) -> Result<(), ForgetError> {
        self.0.registry.forget_volume(actor, volume).await
    }
}
