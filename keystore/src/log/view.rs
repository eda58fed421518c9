//! One consistent view of the database, at an epoch authenticated by the log.

use std::sync::Arc;

use super::catch_up::{catch_up, load_pins};
use super::head::{LogState, lock_head, read_head};
use super::pins::Pins;
use crate::db::{Pools, Reader, StoreError, Tx};
use crate::keyring::Keyring;

/// The database, with everything that its rows are checked against.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) pools: Pools,
    pub(crate) pins: Arc<Pins>,
    /// Number of views taken so far.
    #[cfg(test)]
    pub(crate) views: Arc<std::sync::atomic::AtomicUsize>,
}

/// One consistent view of the database.
pub(crate) struct View {
    pub(crate) tx: Tx<'static>,
    pub(crate) epoch: u64,
}

impl Log {
    /// Reads the log, and checks that it is complete.
    pub(crate) async fn open(pools: Pools, keyring: Keyring) -> Result<Self, StoreError> {
        let pins = Arc::new(load_pins(&pools, &keyring).await?);
        Ok(Self {
            keyring: Arc::new(keyring),
            pools,
            pins,
            #[cfg(test)]
            views: Arc::default(),
        })
    }

    pub(crate) async fn view(&self, reader: Reader) -> Result<View, StoreError> {
        #[cfg(test)]
        self.views.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let seen = self.pins.state();
        let mut tx = self.pools.read(reader, "view").await?;
        let state = read_head(&mut tx, &self.keyring, &seen).await?;
        catch_up(&mut tx, &self.keyring, &self.pins, &state).await?;
        Ok(View { tx, epoch: state.epoch })
    }

    /// A writing transaction that has the log's lock, and the current state.
    pub(crate) async fn lock(&self) -> Result<(Tx<'static>, LogState), StoreError> {
        let mut tx = self.pools.write("change").await?;
        // The head first: it is the lock that changes and grants share.
        let state = lock_head(&mut tx, &self.keyring, &self.pins.state()).await?;
        catch_up(&mut tx, &self.keyring, &self.pins, &state).await?;
        Ok((tx, state))
    }
}
