//! The keystore's facade: one handle on all layers below, none of which uses it.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use vouchsafe_protocol::{Checkpoint, UnixTime};

use crate::chips::ChipWatch;
use crate::db::{Reader, StoreError, TransactionEnd, empties_shortly};
use crate::keyring::Keyring;
use crate::log::{Log, WRITE_EVERY, verify_leaves};
use crate::record::health::GrantHealth;
use crate::record::read_floor;
use crate::record::writer::Recorder;
use crate::registry::Registry;
use crate::registry::open::OpenError;
use crate::rotation::{Outdated, Rotation, outdated};

mod accounts;
mod decisions;
mod documents;
mod identities;
mod proposals;
mod release;
mod rotation;
mod secrets;
mod volumes;

/// The keystore. Cheap to clone; all clones share one recorder and one cache.
#[derive(Clone)]
pub struct Keystore(Arc<Inner>);

struct Inner {
    registry: Registry,
    rotation: Rotation,
    recorder: Recorder,
    grants: GrantHealth,
    chips: Arc<ChipWatch>,
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keystore").field("keyring", self.keyring()).finish_non_exhaustive()
    }
}

impl Keystore {
    /// Creates a keystore with a new identity. `path` is the database's file.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when there is one; otherwise what failed.
    pub async fn create(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        Self::over(path, Registry::create(path, keyring).await?)
    }

    /// Opens a keystore created by [`Keystore::create`], which no other process may have open. A tokio runtime must be running.
    ///
    /// # Errors
    /// [`OpenError`] says what to do about it.
    pub async fn open(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        let registry = Registry::open(path, keyring).await?;
        require_generations(path, &registry).await?;
        Self::over(path, registry)
    }

    /// As [`Keystore::open`], without the lock that keeps a second broker out: for tests that stand for several brokers.
    ///
    /// # Errors
    /// [`OpenError`].
    #[cfg(any(test, feature = "test-util"))]
    pub async fn open_beside_others(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        Self::over(path, Registry::open_with(path, keyring, None).await?)
    }

    fn over(path: &Path, registry: Registry) -> Result<Self, OpenError> {
        let chips = Arc::<ChipWatch>::default();
        let recorder = Recorder::start(registry.log().clone(), Arc::clone(&chips))
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let inner = Arc::new(Inner {
            registry,
            rotation: Rotation::default(),
            recorder,
            grants: GrantHealth::default(),
            chips,
        });
        tokio::spawn(keep_newest_head(Arc::downgrade(&inner), WRITE_EVERY));
        Ok(Self(inner))
    }

    /// The keyring that this keystore was opened with.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        self.0.registry.keyring()
    }

    /// Checks that grants can be recorded: the database answers and its disk can be written. It takes the
    /// writer and commits, so call it from one background task and never for a request.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn probe(&self) -> Result<(), StoreError> {
        if self.0.recorder.ended() {
            return Err(sqlx::Error::WorkerCrashed.into());
        }
        self.log().pools.probe().await
    }

    /// The latest expiry among the nonces that were removed. Challenges that expire by then count as spent, so while the clock is
    /// behind it nothing can be granted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn nonce_floor(&self) -> Result<UnixTime, StoreError> {
        let mut view = self.log().view(Reader::Release).await?;
        read_floor(&mut view.tx, self.keyring()).await
    }

    /// The committed epoch. Drops what was cached from older epochs.
    ///
    /// Recording a grant compares the epoch by itself. A refusal based on an older epoch must be decided
    /// again, or a broker could keep refusing what a change through another broker has allowed.
    ///
    /// # Errors
    /// Those of the database; [`StoreError::RowTampered`] if the epoch decreased.
    pub async fn epoch(&self) -> Result<u64, StoreError> {
        self.0.registry.epoch().await
    }

    /// Writes what is queued and closes the database. Later calls fail.
    pub async fn close(&self) {
        self.0.recorder.stop().await;
        self.0.registry.write_newest_head();
        let pools = &self.log().pools;
        if !empties_shortly(&pools.writer).await {
            tracing::warn!(event = "keystore.checkpoint_busy");
        }
        pools.close().await;
    }

    /// When this keystore was last restored from a copy. A challenge that was issued at that time or before must be
    /// refused: its nonce may have been spent after the copy was made.
    #[must_use]
    pub fn restored_at(&self) -> Option<UnixTime> {
        self.log().pins.restored_at()
    }

    /// The newest state of the decision log that is known to be committed.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.log().pins.state().tree.checkpoint()
    }

    /// Whether the hashes of all records give the newest state of the decision log that is known. It reads all of them, with pauses.
    ///
    /// # Errors
    /// [`StoreError::RowTampered`] if one is missing; those of the database.
    pub async fn verify_leaves(&self) -> Result<bool, StoreError> {
        verify_leaves(self.log()).await
    }

    /// Reports the duration of every transaction when it ends. Only the first call has an effect.
    pub fn watch_transactions(&self, callback: impl Fn(TransactionEnd) + Send + Sync + 'static) {
        self.log().pools.watch.set(callback);
    }

    /// Writes the newest head more often.
    #[cfg(test)]
    pub(crate) fn keep_newest_head(&self, every: Duration) {
        tokio::spawn(keep_newest_head(Arc::downgrade(&self.0), every));
    }

    #[cfg(test)]
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    #[cfg(test)]
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    fn log(&self) -> &Log {
        self.0.registry.log()
    }
}

/// Checks that the keyring has every generation that a row needs, most of which are read only when they are used; logs a warning if
/// rows show that it is from before a promotion.
pub(crate) async fn require_generations(path: &Path, registry: &Registry) -> Result<(), OpenError> {
    let mut tx = registry.log().pools.read(Reader::Records, "keyring-status").await?;
    match outdated(&mut tx, registry.keyring()).await? {
        Some(Outdated::Lacks(id)) => Err(OpenError::MissingGeneration { path: path.to_owned(), id }),
        Some(Outdated::NotPromoted(generation)) => {
            // A broker that was killed in the middle of the promotion leaves the same.
            tracing::warn!(
                event = "keystore.keyring_not_promoted",
                generation,
                "this generation was promoted, and is only pending in the keyring: the broker completes the promotion when it starts"
            );
            Ok(())
        }
        None => Ok(()),
    }
}

/// Writes the newest head to its file as long as the keystore is used.
async fn keep_newest_head(inner: Weak<Inner>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = inner.upgrade() else { return };
        // It waits for the disk. An error means that the runtime is ending.
        let _written = tokio::task::spawn_blocking(move || inner.registry.write_newest_head()).await;
    }
}
