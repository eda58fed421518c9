//! Volumes in the transaction of the grants for them (T32, T33).

use std::collections::HashMap;

use super::pending::Pending;
use super::types::RecordError;
use crate::db::{Connection, StoreError};
use crate::log::Log;
use crate::log::record::{GrantRecord, VolumeRecord};
use crate::registry::volumes::in_force;
use crate::volumes::{VolumeId, release};

/// The registered volumes of a batch, as the grants so far leave them; `None` for an unreadable one.
pub(super) struct BatchVolumes(HashMap<VolumeId, Option<VolumeRecord>>);

impl BatchVolumes {
    /// Reads what is registered for the volumes of these grants.
    pub(super) async fn look_up(
        connection: &mut Connection,
        log: &Log,
        batch: &[&Pending],
    ) -> Result<Self, StoreError> {
        let mut volumes: Vec<_> =
            batch.iter().flat_map(|pending| volumes_of(&pending.grant.record)).collect();
        volumes.sort();
        volumes.dedup();
        in_force(connection, &log.keyring, &log.pins, volumes).await.map(Self)
    }

    /// Checks the headers of a grant. Returns the records of volumes whose announced header it is the first to present:
    /// they follow the grant in the log.
    pub(super) fn admit(&mut self, grant: &GrantRecord) -> Result<Vec<VolumeRecord>, RecordError> {
        let mut promoted = Vec::new();
        for (volume, secret) in volumes_of(grant).zip(&grant.secrets) {
            let Some(registered) = self.0.get(&volume) else { continue };
            let registered = registered.as_ref().ok_or(RecordError::Unknown)?;
            let presented = grant.headers.get(&secret.path);
            let next = release(&volume, registered.state, presented)?;
            promoted.extend(next.map(|state| registered.promoted(grant, secret, state)));
        }
        self.0.extend(promoted.iter().map(|record| (record.volume(), Some(record.clone()))));
        Ok(promoted)
    }

    /// The registered ones.
    pub(super) fn into_ids(self) -> impl Iterator<Item = VolumeId> {
        self.0.into_keys()
    }
}

/// The volume of each secret of a grant, in their order; none if the evidence names no instance.
pub(super) fn volumes_of(grant: &GrantRecord) -> impl Iterator<Item = VolumeId> {
    let instance = grant.instance.as_deref();
    instance.into_iter().flat_map(move |instance| {
        grant.secrets.iter().map(move |secret| VolumeId::new(&secret.path, instance))
    })
}
