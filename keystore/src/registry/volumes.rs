//! Volumes as the log has them: the newest record of each, unless an operator has forgotten it since.
//!
//! The column by which records are found is checked when a record is read, so an edited one is noticed by whoever
//! reads the log; until then it can hide a record, as with every filter of the log.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_protocol::SecretPath;

use super::change::Actor;
use super::handle::Registry;
use crate::db::columns::tampered;
use crate::db::{Connection, Db, Row, StoreError, run};
use crate::keyring::Keyring;
use crate::log::record::{LogRecord, VolumeRecord};
use crate::log::{Pins, escaped, read_leaf};
use crate::volumes::VolumeId;

/// Which volumes to list. A member that is `None` does not filter.
#[derive(Clone, Debug, Default)]
pub struct VolumeFilter {
    /// Of the secret at this path.
    pub path: Option<SecretPath>,
    /// Of this instance, written `project number/instance id`.
    pub instance: Option<String>,
    /// Only volumes after this one, by id: the page after one that ended there.
    pub after: Option<VolumeId>,
    /// At most this many, 1 to 1000; default: 100.
    pub limit: Option<u32>,
}

impl VolumeFilter {
    /// The largest page.
    pub(crate) const MAX_PAGE: u32 = 1000;

    /// How many volumes it asks for.
    pub(crate) fn limit(&self) -> usize {
        usize::try_from(self.clamped()).unwrap_or(usize::MAX)
    }

    fn clamped(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_PAGE).clamp(1, Self::MAX_PAGE)
    }
}

/// Why a volume was not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// It is not registered.
    #[error("volume {volume} is not registered")]
    NotRegistered {
        /// The volume.
        volume: VolumeId,
    },
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// The newest records of volumes, also of forgotten ones, by id.
    pub(crate) async fn volume_records(
        &self,
        filter: &VolumeFilter,
    ) -> Result<Vec<(VolumeRecord, bool)>, StoreError> {
        let mut view = self.operator_view().await?;
        let mut query = QueryBuilder::<Db>::new(
            "SELECT * FROM log_leaves WHERE idx IN (SELECT MAX(idx) FROM log_leaves WHERE volume IS NOT NULL",
        );
        if let Some(path) = &filter.path {
            let pattern = format!("{}@%", escaped(path.as_str()));
            query.push(" AND volume LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
        }
        if let Some(instance) = &filter.instance {
            query.push(" AND instance = ").push_bind(instance.clone());
        }
        if let Some(after) = &filter.after {
            query.push(" AND volume > ").push_bind(after.to_string());
        }
        query.push(" GROUP BY volume ORDER BY volume LIMIT ").push_bind(i64::from(filter.clamped()));
        query.push(") ORDER BY volume");
        let rows = query.build().fetch_all(&mut *view.tx).await?;
        let read = |row: &Row| -> Result<_, StoreError> {
            let record = volume_of(read_leaf(self.keyring(), row)?.record)?;
            let in_force = is_in_force(&self.log.pins, &record);
            Ok((record, in_force))
        };
        rows.iter().map(read).collect()
    }

    /// The newest record of a volume, if it is registered.
    pub(crate) async fn volume(&self, volume: &VolumeId) -> Result<Option<VolumeRecord>, StoreError> {
        let mut view = self.operator_view().await?;
        registered(&mut view.tx, self.keyring(), &self.log.pins, volume).await
    }

    /// Removes a registration: the VM may register any header.
    pub(crate) async fn forget_volume(&self, actor: Actor<'_>, volume: &VolumeId) -> Result<(), ForgetError> {
        let target = volume.to_string();
        let authorized = actor.authorize("volume.forget", target.clone())?;
        let mut change = self.change(&authorized).await?;
        let found = registered(change.connection(), self.keyring(), &self.log.pins, volume).await?;
        if found.is_none() {
            return Err(ForgetError::NotRegistered { volume: volume.clone() });
        }
        change.removed(VOLUMES, &target);
        Ok(change.commit().await?)
    }
}

/// The newest record of a volume, if it is registered.
pub(crate) async fn registered(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    volume: &VolumeId,
) -> Result<Option<VolumeRecord>, StoreError> {
    let mut found = in_force(connection, keyring, pins, vec![volume.clone()]).await?;
    match found.remove(volume) {
        Some(None) => Err(tampered(VOLUMES, &volume.to_string())),
        Some(Some(record)) => Ok(Some(record)),
        None => Ok(None),
    }
}

/// Those of these volumes that are registered, each with its newest record; `None` for one whose record cannot be read,
/// so that it does not affect others. The transaction has the log's lock, and no change is newer than the pins.
pub(crate) async fn in_force(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    volumes: Vec<VolumeId>,
) -> Result<HashMap<VolumeId, Option<VolumeRecord>>, StoreError> {
    let mut found = HashMap::new();
    for volumes in volumes.chunks(VOLUMES_AT_ONCE) {
        let mut query = QueryBuilder::<Db>::new("SELECT * FROM log_leaves WHERE idx IN (");
        query.push("SELECT MAX(idx) FROM log_leaves WHERE volume IN (");
        let mut values = query.separated(", ");
        for volume in volumes {
            values.push_bind(volume.to_string());
        }
        query.push(") GROUP BY volume)");
        let (rows, _) = run(connection, query.build()).await?;
        for row in &rows {
            let named: String = row.try_get("volume")?;
            let volume: VolumeId = named.parse().map_err(|_| tampered(VOLUMES, &named))?;
            match read_leaf(keyring, row).and_then(|leaf| volume_of(leaf.record)) {
                Ok(record) if !is_in_force(pins, &record) => {}
                Ok(record) => {
                    found.insert(volume, Some(record));
                }
                Err(error) => {
                    tracing::error!(event = "volumes.unreadable", volume = named, %error);
                    found.insert(volume, None);
                }
            }
        }
    }
    Ok(found)
}

/// Whether no operator has forgotten the volume since this record.
fn is_in_force(pins: &Pins, record: &VolumeRecord) -> bool {
    pins.get(VOLUMES, &record.volume().to_string()).is_none_or(|pin| pin.epoch <= record.epoch)
}

fn volume_of(record: LogRecord) -> Result<VolumeRecord, StoreError> {
    match record {
        LogRecord::Volume(record) => Ok(record),
        other => Err(tampered("log_leaves", &other.id().to_string())),
    }
}

/// In the record of an operator who forgot a volume.
const VOLUMES: &str = "volumes";
const DEFAULT_PAGE: u32 = 100;
/// SQLite accepts 32766 values per statement.
const VOLUMES_AT_ONCE: usize = 8_192;
