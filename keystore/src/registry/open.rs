//! The database of a keystore: created once with a broker's identity, and opened with the keyring that it was
//! created with.

mod error;

use std::path::Path;

use sqlx::Row as _;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::hashing::Preimage;

pub use self::error::OpenError;
use super::change::Actor;
use super::chips;
use super::handle::Registry;
use super::identities::table::insert_key;
use super::rows::MacInput;
use crate::db::columns::{self, tampered};
use crate::db::{
    Connection, DatabaseLock, LockError, Pools, Reader, Row, StoreError, any_rows, connect, create_file,
    has_tables, remove_leftover,
};
use crate::keyring::Keyring;
use crate::log::record::RESTORE;
use crate::log::{Log, LogState, Loss, NewestHead, StoredHead, StoredState, add_tree, continues, head_row};
use crate::sealing::IdentitySeed;

impl Registry {
    /// Creates the tables and a new identity.
    pub(crate) async fn create(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        create_file(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => OpenError::Exists { path: path.to_owned() },
            _ => OpenError::Io { path: path.to_owned(), source },
        })?;
        let pools = connect(path, Some(lock(path)?)).await.map_err(StoreError::from)?;
        initialise(&pools, &keyring).await?;
        let registry = Self::with_pools(path, pools, keyring, true).await?;
        registry.newest.write(registry.keyring(), &registry.log.pins.state())?;
        Ok(registry)
    }

    /// Opens a keystore made by [`Self::create`]. The lock comes first: tables are brought up to date before anything is read.
    pub(crate) async fn open(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let lock = lock(path)?;
        remove_leftover(path);
        Self::open_with(path, keyring, Some(lock)).await
    }

    pub(crate) async fn open_with(
        path: &Path,
        keyring: Keyring,
        lock: Option<DatabaseLock>,
    ) -> Result<Self, OpenError> {
        // Before the migrations, which would create them.
        if !has_tables(path).await.map_err(StoreError::from)? {
            return Err(OpenError::NoTables { path: path.to_owned() });
        }
        // Before the database's own head: another process may write both meanwhile.
        let newest = StoredHead::read(NewestHead::of(path).path())?;
        let pools = connect(path, lock).await.map_err(StoreError::from)?;
        let newest = newest.map(|newest| newest.authenticate(&keyring)).transpose();
        let has_tree = matches!(&newest, Ok(Some(StoredState { tree: Some(_), .. })));
        let registry = Self::with_pools(path, pools, keyring, has_tree).await?;
        registry.check_newest_head(path, newest?).await?;
        Ok(registry)
    }

    /// A copy that only this process knows, without comparing it with the newest head that is known.
    pub(crate) async fn open_copy(path: &Path, keyring: Keyring) -> Result<Self, OpenError> {
        let pools = connect(path, None).await.map_err(StoreError::from)?;
        Self::with_pools(path, pools, keyring, false).await
    }

    /// `has_tree`: this version, which keeps the tree in the head, is known to have had the keystore.
    async fn with_pools(
        path: &Path,
        pools: Pools,
        keyring: Keyring,
        has_tree: bool,
    ) -> Result<Self, OpenError> {
        let mut tx = pools.read(Reader::Release, "check-keyring").await?;
        check_keyring(path, &mut tx, &keyring).await?;
        tx.rollback().await?;
        if !has_tree {
            add_tree(&pools, &keyring).await?;
        }
        let log = Log::open(pools, keyring).await?;
        chips::check_count(&log.pools, &log.keyring).await?;
        Ok(Self::new(log, NewestHead::of(path)))
    }

    /// Compares the log with the newest head in the file, which a keystore of an earlier version does not have yet.
    async fn check_newest_head(&self, path: &Path, newest: Option<StoredState>) -> Result<(), OpenError> {
        if let Some(newest) = &newest {
            self.check_continues(path, newest).await?;
        }
        let noted = is_newest_head_noted(&self.log).await?;
        if newest.is_none() && noted {
            let newest = self.newest.path().to_owned();
            return Err(OpenError::BareCopy { path: path.to_owned(), newest });
        }
        if self.write_newest_head() && !noted {
            let mut tx = self.log.pools.write("note-newest-head").await?;
            note_newest_head(&mut tx, self.keyring()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Checks that the log continues the newest known state.
    async fn check_continues(&self, path: &Path, newest: &StoredState) -> Result<(), OpenError> {
        if let Some(loss) = Loss::of(self.log.pins.seen(), newest.head) {
            return Err(OpenError::OldCopy { path: path.to_owned(), loss });
        }
        let Some(tree) = &newest.tree else { return Ok(()) };
        if continues(&self.log, tree).await? {
            Ok(())
        } else {
            Err(OpenError::OtherBranch { path: path.to_owned(), size: tree.size() })
        }
    }

    /// Writes the newest head that is known to be committed to its file; returns whether it could. Without it, an
    /// older copy of the database would go unnoticed; nothing else depends on it.
    pub(crate) fn write_newest_head(&self) -> bool {
        let written = self.newest.write(self.keyring(), &self.log.pins.state());
        if let Err(error) = &written {
            tracing::warn!(event = "keystore.newest_head_not_written", %error);
        }
        written.is_ok()
    }

    /// The newest head as it is in the file, and the file.
    pub(crate) const fn newest_head(&self) -> &NewestHead {
        &self.newest
    }

    /// Records that this keystore was restored from a copy; challenges issued before are refused from then on.
    pub(crate) async fn record_restore(&self, at: UnixTime, what: &str) -> Result<(), StoreError> {
        let authorized = Actor::offline("restore", at).authorize(RESTORE, what)?;
        self.change(&authorized).await?.commit().await
    }
}

/// Keeps every other process out of the database, which may be missing.
pub(crate) fn lock(path: &Path) -> Result<DatabaseLock, OpenError> {
    let path = path.to_owned();
    DatabaseLock::take(&path).map_err(|error| match error {
        LockError::Held { process } => OpenError::InUse { path, process },
        LockError::Io(source) => OpenError::Io { path, source },
    })
}

async fn initialise(pools: &Pools, keyring: &Keyring) -> Result<(), StoreError> {
    let primary = keyring.primary();
    let mut tx = pools.write("init").await?;
    sqlx::query("INSERT INTO epoch (id, value) VALUES (1, 0)").execute(&mut *tx).await?;
    insert_key(&mut tx, keyring, FIRST_IDENTITY, &IdentitySeed::generate()?).await?;
    let head = head_row(&primary, &LogState::default())?;
    sqlx::query("INSERT INTO log_head (id, size, generation, mac, tree) VALUES (1, 0, $1, $2, $3)")
        .bind(head.generation)
        .bind(head.mac)
        .bind(head.tree)
        .execute(&mut *tx)
        .await?;
    chips::initialise(&mut tx, keyring).await?;
    note_newest_head(&mut tx, keyring).await?;
    sqlx::query("INSERT INTO meta (name, generation, mac) VALUES ('keyring', $1, $2)")
        .bind(i64::from(primary.id))
        .bind(primary.row().sign(&check_preimage()))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Checks that the keyring is the one that this keystore was created with.
pub(crate) async fn check_keyring(
    path: &Path,
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<(), OpenError> {
    let row = sqlx::query("SELECT generation, mac FROM meta WHERE name = 'keyring'")
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::from)?;
    let Some(row) = row else { return Err(without_proof(path, connection).await?) };
    let mac: Vec<u8> = row.try_get("mac").map_err(StoreError::from)?;
    let id = columns::generation(&row, "meta", "keyring")?;
    let generation =
        keyring.get(id).ok_or_else(|| OpenError::MissingGeneration { path: path.to_owned(), id })?;
    if generation.row().verifies(&check_preimage(), &mac) {
        Ok(())
    } else {
        Err(OpenError::WrongKeyring { path: path.to_owned() })
    }
}

/// What a keystore is that lacks the row `keyring` in `meta`. That row is written in one transaction with the
/// first rows of other tables.
async fn without_proof(path: &Path, connection: &mut Connection) -> Result<OpenError, StoreError> {
    let path = path.to_owned();
    Ok(if any_rows(connection).await? {
        OpenError::MetaLost { path }
    } else {
        OpenError::Unfinished { path }
    })
}

/// The MAC input of the row `keyring` in `meta`, which only proves that the keyring matches.
fn check_preimage() -> Preimage {
    Preimage::new(CHECK_LABEL)
}

/// What the MAC of this row of `meta` covers.
pub(crate) fn meta_mac(row: &Row) -> Result<MacInput, StoreError> {
    let key = columns::text(row, "name", "meta", "?")?;
    let preimage = match key.as_str() {
        "keyring" => check_preimage(),
        "newest-head" => Preimage::new(NOTE_LABEL),
        _ => return Err(tampered("meta", &key)),
    };
    Ok(MacInput { key, preimage })
}

/// Notes in the database that its newest head is in a file.
async fn note_newest_head(connection: &mut Connection, keyring: &Keyring) -> Result<(), StoreError> {
    let primary = keyring.primary();
    sqlx::query(
        "INSERT INTO meta (name, generation, mac) VALUES ('newest-head', $1, $2) ON CONFLICT (name) DO NOTHING",
    )
    .bind(i64::from(primary.id))
    .bind(primary.row().sign(&Preimage::new(NOTE_LABEL)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the database says that its newest head is in a file.
async fn is_newest_head_noted(log: &Log) -> Result<bool, StoreError> {
    let (table, key) = ("meta", "newest-head");
    let row = sqlx::query("SELECT generation, mac FROM meta WHERE name = $1")
        .bind(key)
        .fetch_optional(log.pools.readers.of(Reader::Release))
        .await?;
    let Some(row) = row else { return Ok(false) };
    let id = columns::generation(&row, table, key)?;
    let unknown = || StoreError::UnknownGeneration { table, key: key.to_owned(), id };
    let generation = log.keyring.get(id).ok_or_else(unknown)?;
    let mac = columns::bytes(&row, "mac", table, key)?;
    if generation.row().verifies(&Preimage::new(NOTE_LABEL), &mac) {
        Ok(true)
    } else {
        Err(tampered(table, key))
    }
}

/// The id of the identity that a keystore is made with.
const FIRST_IDENTITY: u64 = 1;
const CHECK_LABEL: &[u8] = b"vouchsafe/v1 keyring check";
/// Of the row `newest-head` in `meta`.
const NOTE_LABEL: &[u8] = b"vouchsafe/v1 newest head noted";
