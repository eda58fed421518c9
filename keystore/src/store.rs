//! The database: secrets, documents (policies, baselines, guardrails), operators, identity and log.
//!
//! Every row that decides something carries a MAC under the root key and a row version, the epoch of
//! its last change, which the log pins. A row that was edited, put back to an older state or removed
//! is an error that names it; it is never skipped. What this cannot notice by itself is the whole
//! database put back to an older state: checkpoints of the log kept elsewhere are there for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::Row as _;
use tokio::sync::Mutex;
use vouchsafe_protocol::{IdentityKey, UnixTime};

use crate::chips::ChipWatch;
use crate::keyring::{GenerationId, Keyring};
use crate::preimage::Preimage;
use crate::primitives::RandomError;
use crate::record::{GrantHealth, Recorder};
use crate::release::Compiled;
use crate::sealing::{self, SealError};

mod change;
pub(crate) mod chips;
pub(crate) mod dialect;
mod documents;
pub(crate) mod log;
mod material;
mod operators;
pub(crate) mod rows;
mod secrets;
#[cfg(test)]
pub(crate) mod tests;

pub use change::{Authority, By, ChangedRow, OperatorRecord};
pub use chips::{ChipFilter, SeenChip};
pub use documents::{Document, DocumentError, DocumentKind, DocumentSummary};
pub use log::{DecisionFilter, LoggedRecord};
pub(crate) use material::guardrails_name;
pub use material::{
    ActiveSecret, DecisionMaterial, MaterialItem, MaterialState, StoredDocument, UnsealError,
};
pub use operators::{Operator, OperatorError, OperatorToken};
pub use secrets::{NewVersion, SecretError, SecretSummary, VersionState, VersionSummary};
pub use vouchsafe_policy::operators::OperatorRole;

use dialect::{Pools, Tx};
use material::Cache;
use rows::{Pins, RowCheck};

/// Why the database did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row was edited or removed.
    #[error("row {key} of table {table} was tampered with")]
    RowTampered {
        /// The table.
        table: &'static str,
        /// Which row.
        key: String,
    },
    /// A row was put back to an older state.
    #[error("row {key} of table {table} was rolled back from change {pinned} to {found}")]
    RowRolledBack {
        /// The table.
        table: &'static str,
        /// Which row.
        key: String,
        /// The change it shows.
        found: u64,
        /// The change that the log has.
        pinned: u64,
    },
    /// A row is authenticated under a root key that is not in the keyring.
    #[error("row {key} of table {table} needs generation {id} of the keyring, which is not there")]
    UnknownGeneration {
        /// The table.
        table: &'static str,
        /// Which row.
        key: String,
        /// Which generation.
        id: GenerationId,
    },
    /// The permission that was shown is for something else, which is a mistake of the caller.
    #[error("the permission does not cover {action} of {target}")]
    NotPermitted {
        /// The change or the read.
        action: String,
        /// Of what.
        target: String,
    },
    /// A number that is not in the range of what is stored.
    #[error("a number is too large to be stored")]
    NumberTooLarge,
    /// A sealed value does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Why a keystore was not created or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is one already.
    #[error("{} exists already: point the broker at it, or choose an empty folder", path.display())]
    Exists {
        /// The database.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no keystore at {}: create one with `vouchsafe init`", path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The system said no.
    #[error("keystore {}: {source}", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Creating it was interrupted.
    #[error("the keystore at {} was never finished: remove it and run `vouchsafe init` again", path.display())]
    Unfinished {
        /// The database.
        path: PathBuf,
    },
    /// The keyring belongs to another keystore.
    #[error("the keyring is not the one of the keystore at {}: give the keyring file that `vouchsafe init` made with it", path.display())]
    WrongKeyring {
        /// The database.
        path: PathBuf,
    },
    /// The keyring lacks the generation that this keystore was made with.
    #[error("the keystore at {} needs generation {id} of the keyring, which is not in the file given", path.display())]
    MissingGeneration {
        /// The database.
        path: PathBuf,
        /// Which one.
        id: GenerationId,
    },
    /// What is in it is not sound.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keystore. Cheap to clone; all clones share one recorder and one cache.
#[derive(Clone)]
pub struct Keystore(Arc<Inner>);

struct Inner {
    keyring: Arc<Keyring>,
    pools: Pools,
    pins: Arc<Pins>,
    cache: Cache,
    compiled: Compiled,
    /// Changes of this process wait for each other here and not for the database's lock.
    changing: Mutex<()>,
    recorder: Recorder,
    grants: GrantHealth,
    chips: Arc<ChipWatch>,
    /// Views that were taken of the database.
    #[cfg(test)]
    views: std::sync::atomic::AtomicUsize,
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keystore").field("keyring", &self.0.keyring).finish_non_exhaustive()
    }
}

impl Keystore {
    /// Makes a new keystore with a new identity. `path` is the database's file.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when there is one; otherwise what failed.
    pub async fn create(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        dialect::create_file(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => OpenError::Exists { path: path.to_owned() },
            _ => OpenError::Io { path: path.to_owned(), source },
        })?;
        let pools = dialect::connect(path).await.map_err(StoreError::from)?;
        initialise(&pools, &keyring).await?;
        Self::with_pools(path, pools, keyring).await
    }

    /// Opens the keystore that [`Keystore::create`] made. A tokio runtime must be running.
    ///
    /// # Errors
    /// [`OpenError`] says what to do about it.
    pub async fn open(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let pools = dialect::connect(path).await.map_err(StoreError::from)?;
        Self::with_pools(path, pools, keyring).await
    }

    async fn with_pools(path: &Path, pools: Pools, keyring: Keyring) -> Result<Self, OpenError> {
        check_keyring(path, &pools, &keyring).await?;
        let keyring = Arc::new(keyring);
        let pins = Arc::new(log::load_pins(&pools, &keyring).await?);
        chips::check_count(&pools, &keyring).await?;
        let chips = Arc::<ChipWatch>::default();
        let recorder =
            Recorder::start(pools.clone(), Arc::clone(&keyring), Arc::clone(&pins), Arc::clone(&chips))
                .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        Ok(Self(Arc::new(Inner {
            keyring,
            pools,
            pins,
            cache: Cache::default(),
            compiled: Compiled::default(),
            changing: Mutex::new(()),
            recorder,
            grants: GrantHealth::default(),
            chips,
            #[cfg(test)]
            views: std::sync::atomic::AtomicUsize::default(),
        })))
    }

    /// The keyring that this keystore was opened with.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// The broker's identity key.
    ///
    /// # Errors
    /// When its row was changed or the database fails.
    pub async fn identity(&self) -> Result<IdentityKey, StoreError> {
        let row = sqlx::query("SELECT generation, sealed FROM identities WHERE id = 1")
            .fetch_optional(&self.0.pools.readers)
            .await?
            .ok_or_else(|| rows::tampered(IDENTITIES, "1"))?;
        let sealed: Vec<u8> = row.try_get("sealed")?;
        Ok(sealing::unseal_identity(&self.0.keyring, rows::generation(&row, IDENTITIES, "1")?, &sealed)?)
    }

    /// Whether grants can be recorded: the database answers and its disk takes a write. It takes the writer and commits,
    /// so that it is for one caller in the background and never for a request.
    ///
    /// # Errors
    /// What the database says.
    pub async fn probe(&self) -> Result<(), StoreError> {
        if self.0.recorder.ended() {
            return Err(sqlx::Error::WorkerCrashed.into());
        }
        let mut tx = self.0.pools.writer.begin().await?;
        // Neither a transaction that is rolled back nor a value set to itself reaches the disk.
        sqlx::query(
            "INSERT INTO meta (name, generation, mac) VALUES ('probe', 0, $1) \
             ON CONFLICT (name) DO UPDATE SET generation = 1 - meta.generation",
        )
        .bind(Vec::<u8>::new())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The epoch as committed now. Material of an older one is forgotten.
    ///
    /// Recording a grant compares the epoch by itself. A refusal that rests on the material of another
    /// epoch is to be decided again, or a broker could refuse for good what another one has allowed.
    ///
    /// # Errors
    /// What the database says; [`StoreError::RowTampered`] when it went back.
    pub async fn epoch(&self) -> Result<u64, StoreError> {
        let epoch = self.read().await?.epoch;
        self.forget_before(epoch);
        Ok(epoch)
    }

    /// Writes what is queued and closes the database. Later calls fail.
    pub async fn close(&self) {
        self.0.recorder.stop().await;
        if let Err(error) = dialect::checkpoint(&self.0.pools.writer).await {
            tracing::warn!(event = "keystore.checkpoint_failed", %error);
        }
        self.0.pools.readers.close().await;
        self.0.pools.writer.close().await;
    }

    pub(crate) fn chip_watch(&self) -> &ChipWatch {
        &self.0.chips
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    pub(crate) fn grant_health(&self) -> &GrantHealth {
        &self.0.grants
    }

    pub(crate) fn forget_before(&self, epoch: u64) {
        self.0.cache.forget(epoch);
    }

    /// Policies, guardrails and baselines that were compiled before.
    pub(crate) fn cache_of_compiled(&self) -> &Compiled {
        &self.0.compiled
    }

    async fn read(&self) -> Result<ReadTx, StoreError> {
        #[cfg(test)]
        self.0.views.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let Inner { pools, keyring, pins, .. } = &*self.0;
        let seen = pins.seen();
        let mut tx = pools.readers.begin().await?;
        let head = log::read_head(&mut tx, keyring, seen).await?;
        log::catch_up(&mut tx, keyring, pins, head).await?;
        Ok(ReadTx { tx, epoch: head.epoch })
    }

    /// How many views were taken of the database.
    #[cfg(test)]
    pub(crate) fn views(&self) -> usize {
        self.0.views.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn check(&self, epoch: u64) -> RowCheck<'_> {
        RowCheck { keyring: &self.0.keyring, pins: &self.0.pins, epoch }
    }
}

/// One consistent view of the database.
struct ReadTx {
    tx: Tx,
    epoch: u64,
}

async fn initialise(pools: &Pools, keyring: &Keyring) -> Result<(), StoreError> {
    let (generation, sealed) = sealing::seal_identity(keyring)?;
    let primary = keyring.primary();
    let mut tx = pools.writer.begin().await?;
    sqlx::query("INSERT INTO epoch (id, value) VALUES (1, 0)").execute(&mut *tx).await?;
    sqlx::query("INSERT INTO identities (id, generation, sealed) VALUES (1, $1, $2)")
        .bind(i64::from(generation))
        .bind(sealed)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO log_head (id, size, generation, mac) VALUES (1, 0, $1, $2)")
        .bind(i64::from(primary.id))
        .bind(primary.row().sign(&log::head_preimage(rows::Head::default())))
        .execute(&mut *tx)
        .await?;
    chips::initialise(&mut tx, keyring).await?;
    sqlx::query("INSERT INTO meta (name, generation, mac) VALUES ('keyring', $1, $2)")
        .bind(i64::from(primary.id))
        .bind(primary.row().sign(&check_preimage()))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

async fn check_keyring(path: &Path, pools: &Pools, keyring: &Keyring) -> Result<(), OpenError> {
    let row = sqlx::query("SELECT generation, mac FROM meta WHERE name = 'keyring'")
        .fetch_optional(&pools.readers)
        .await
        .map_err(StoreError::from)?
        .ok_or_else(|| OpenError::Unfinished { path: path.to_owned() })?;
    let mac: Vec<u8> = row.try_get("mac").map_err(StoreError::from)?;
    let id = rows::generation(&row, "meta", "keyring")?;
    let generation =
        keyring.get(id).ok_or_else(|| OpenError::MissingGeneration { path: path.to_owned(), id })?;
    if generation.row().signed(&check_preimage(), &mac) {
        Ok(())
    } else {
        Err(OpenError::WrongKeyring { path: path.to_owned() })
    }
}

/// What the row `keyring` of `meta` authenticates: only that the keyring fits.
fn check_preimage() -> Preimage {
    Preimage::new(CHECK_LABEL)
}

fn stored(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::NumberTooLarge)
}

fn time(now: UnixTime) -> Result<i64, StoreError> {
    stored(now.0)
}

const IDENTITIES: &str = "identities";
const EPOCH: &str = "epoch";
const CHECK_LABEL: &[u8] = b"vouchsafe/v1 keyring check";
