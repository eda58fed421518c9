//! Launch endorsements in the broker's store, by the measurements that they contain.

use std::collections::BTreeMap;
use std::sync::Arc;

use vouchsafe_protocol::Digest48;

/// Endorsements by measurement. Nothing in it is trusted: each is verified when it is used. Never changes: a
/// later fetch makes a new store.
#[derive(Clone, Debug, Default)]
pub struct EndorsementStore {
    by_measurement: BTreeMap<Digest48, Arc<[u8]>>,
}

impl EndorsementStore {
    /// Endorsements, each with a measurement that it contains.
    #[must_use]
    pub fn new(items: impl IntoIterator<Item = (Digest48, Vec<u8>)>) -> Self {
        Self { by_measurement: items.into_iter().map(|(key, bytes)| (key, bytes.into())).collect() }
    }

    /// The endorsement for a measurement, unverified.
    #[must_use]
    pub fn get(&self, measurement: &Digest48) -> Option<&[u8]> {
        self.by_measurement.get(measurement).map(AsRef::as_ref)
    }

    /// Number of measurements with an endorsement.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_measurement.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_measurement.is_empty()
    }
}
