//! The registry: one handle on the tables and their caches.

use tokio::sync::{Mutex, MutexGuard};

use super::compiled::Compiled;
use super::rows::RowCheck;
use super::stored_input::Cache;
use crate::db::{Reader, StoreError};
use crate::keyring::Keyring;
use crate::log::{Log, NewestHead, View};

/// Registered objects: secrets, the documents that guard them, operators, chips.
pub(crate) struct Registry {
    pub(super) log: Log,
    pub(super) cache: Cache,
    pub(super) compiled: Compiled,
    pub(super) newest: NewestHead,
    /// Changes of this process wait for each other here instead of for the database's lock.
    changing: Mutex<()>,
}

impl Registry {
    pub(crate) fn new(log: Log, newest: NewestHead) -> Self {
        let (cache, compiled) = (Cache::default(), Compiled::default());
        Self { log, cache, compiled, newest, changing: Mutex::default() }
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.log.keyring
    }

    /// Cache of compiled policies, guardrails and baselines.
    pub(crate) const fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The committed epoch. Drops what was cached from older epochs.
    pub(crate) async fn epoch(&self) -> Result<u64, StoreError> {
        let epoch = self.view().await?.epoch;
        self.forget_before(epoch);
        Ok(epoch)
    }

    /// As [`Self::epoch`], for a change that an operator makes.
    pub(super) async fn operator_epoch(&self) -> Result<u64, StoreError> {
        let epoch = self.operator_view().await?.epoch;
        self.forget_before(epoch);
        Ok(epoch)
    }

    pub(crate) fn forget_before(&self, epoch: u64) {
        self.cache.forget(epoch);
    }

    /// A view for releases and readiness.
    pub(super) async fn view(&self) -> Result<View, StoreError> {
        self.log.view(Reader::Release).await
    }

    /// A view for operators, which uses no connection of the releases' pool.
    pub(super) async fn operator_view(&self) -> Result<View, StoreError> {
        self.log.view(Reader::Operator).await
    }

    /// A view for checking an operator's token, which does not wait for other operators' list requests.
    pub(super) async fn token_view(&self) -> Result<View, StoreError> {
        self.log.view(Reader::Token).await
    }

    pub(super) fn check(&self, epoch: u64) -> RowCheck<'_> {
        RowCheck { keyring: &self.log.keyring, pins: &self.log.pins, epoch }
    }

    /// Waits for this process's previous change.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// How many paths and namespaces are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> (usize, usize) {
        self.cache.kept()
    }
}
