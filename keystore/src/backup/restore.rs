//! A copy is put in the place of a keystore: verified first, never older than what is known unless the operator
//! accepts the loss, and never on top of the files that it replaces.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::Connection as _;
use vouchsafe_protocol::{Checkpoint, UnixTime};

use super::copy::{BackupError, CopySummary, copy, io_error, new_file, require_database};
use super::encrypted;
use crate::age::Identity;
use crate::db::{
    beside, create_file, empties_shortly, read_only, remove_database, remove_leftover, sync_folder,
};
use crate::keyring::Keyring;
use crate::keystore::require_generations;
use crate::log::{Head, Loss, NewestHead, StoredHead, StoredState, read_stored, verify_log};
use crate::registry::Registry;
use crate::registry::open::{OpenError, check_keyring, lock};

/// What is restored, and where. No broker may use the database.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The copy.
    pub file: &'a Path,
    /// What to decrypt it with; none for a copy that is not encrypted.
    pub identities: &'a [Identity],
    /// Where it is put.
    pub database: &'a Path,
    /// A file `keystore.head` kept elsewhere, in addition to that beside the database.
    pub newest: Option<&'a Path>,
    /// Whether an older copy than the newest known head is put in place.
    pub loss: LossChoice,
    /// Now.
    pub at: UnixTime,
}

/// What to do when the copy is older than the newest head that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossChoice {
    /// Refuse.
    Refuse,
    /// Restore: the records after the copy are lost.
    Accept,
}

/// A keystore after it was restored.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// The copy, before the record of this restore was appended.
    pub copy: CopySummary,
    /// Whether a file with the newest head was there to compare it with. A database in place alone shows nothing: it may be old itself.
    pub compared: bool,
    /// What is lost, as far as it is known.
    pub loss: Option<Loss>,
    /// Whether the log of the copy is not a continuation of one that is known, which is lost then.
    pub other_branch: bool,
    /// The files that were there before, under their new names.
    pub moved: Vec<PathBuf>,
}

impl Restore<'_> {
    /// Verifies the copy and puts it in place, with a record of the restore in its log. Every challenge that was
    /// issued before is refused from then on: its nonce may have been spent after the copy was made.
    ///
    /// # Errors
    /// [`BackupError`]. Nothing has changed if it is [`BackupError::Older`], [`BackupError::OtherBranch`] or the copy is not
    /// good.
    pub async fn run(self, keyring: Keyring) -> Result<Restored, BackupError> {
        let _lock = lock(self.database)?;
        remove_leftover(self.database);
        encrypted::require_kind(self.file, self.identities)?;
        if self.identities.is_empty() {
            require_database(self.file).await?;
        }
        let temporary = beside(self.database, ".restoring");
        let is_temporary = fs::canonicalize(self.file)
            .is_ok_and(|file| fs::canonicalize(&temporary).is_ok_and(|other| file == other));
        if is_temporary {
            return Err(io_error(
                self.file,
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the restore writes to a file of this name: rename the copy first",
                ),
            ));
        }
        // What an interrupted restore has left.
        remove_database(&temporary);
        new_file(&temporary)?;
        let restored = self.through(&temporary, keyring).await;
        if restored.is_err() {
            remove_database(&temporary);
        }
        restored
    }

    async fn through(self, temporary: &Path, keyring: Keyring) -> Result<Restored, BackupError> {
        if self.identities.is_empty() {
            copy(self.file, temporary).await?;
        } else {
            encrypted::decrypt_copy(self.file, self.identities, temporary).await?;
        }
        let registry = Registry::open_copy(temporary, keyring).await?;
        require_generations(self.file, &registry).await?;
        let Known { head: known, checkpoints, compared } = self.known_head(registry.keyring()).await?;
        let mut connection = registry.log().pools.writer.acquire().await?;
        let log = verify_log(&mut connection, registry.keyring(), &checkpoints).await?;
        drop(connection);
        let copy = CopySummary::new(temporary, &log)?;
        let loss = known.and_then(|known| Loss::of(log.head, known));
        let other_branch = !log.others.is_empty();
        if self.loss == LossChoice::Refuse {
            let path = self.file.to_owned();
            match loss {
                _ if other_branch => return Err(BackupError::OtherBranch { path }),
                Some(loss) => return Err(BackupError::Older { path, loss }),
                None => {}
            }
        }
        registry.record_restore(self.at, &target(copy.records, loss, other_branch)).await?;
        let pools = &registry.log().pools;
        let emptied = empties_shortly(&pools.writer).await;
        pools.close().await;
        if !emptied || beside(temporary, "-wal").exists() {
            let source = io::Error::other("its write-ahead log could not be emptied: run the restore again");
            return Err(io_error(temporary, source));
        }
        let moved = self.move_aside()?;
        fs::rename(temporary, self.database).map_err(|source| io_error(self.database, source))?;
        sync_folder(self.database).map_err(|source| io_error(self.database, source))?;
        let newest = NewestHead::of(self.database);
        newest.write(registry.keyring(), &registry.log().pins.state()).map_err(OpenError::from)?;
        Ok(Restored { copy, compared, loss, other_branch, moved })
    }

    /// The newest head that the files show. A damaged database in place is no obstacle: its head is not known then.
    async fn known_head(&self, keyring: &Keyring) -> Result<Known, BackupError> {
        let mut known = Known::default();
        known.add(head_in_place(self.database, keyring).await);
        let newest = NewestHead::of(self.database);
        for file in [Some(newest.path()), self.newest].into_iter().flatten() {
            let stored = StoredHead::read(file).map_err(OpenError::from)?;
            if stored.is_none() && self.newest == Some(file) {
                return Err(io_error(file, io::ErrorKind::NotFound.into()));
            }
            match stored.map(|stored| stored.authenticate(keyring)).transpose() {
                Ok(state) => {
                    known.compared |= state.is_some();
                    known.add(state);
                }
                // What is lost is unknown then. Accepting the loss covers that too.
                Err(error) if self.loss == LossChoice::Accept => {
                    tracing::warn!(event = "keystore.newest_head_ignored", %error);
                }
                Err(error) => return Err(OpenError::from(error).into()),
            }
        }
        Ok(known)
    }

    /// The time in the names of the files that are moved aside: this second, or the next that no interrupted restore has used.
    fn aside(&self) -> u64 {
        let newest = NewestHead::of(self.database);
        let is_free = |at: &u64| {
            let end = format!(".before-{at}");
            let aside = beside(self.database, &end);
            let names = ["", "-wal", "-shm"].map(|end| beside(&aside, end));
            !names.iter().chain([&beside(newest.path(), &end)]).any(|name| name.exists())
        };
        (self.at.0..self.at.0.saturating_add(1000)).find(is_free).unwrap_or(self.at.0)
    }

    /// Moves the files of the database that is replaced to names of their own, which belong together. The database
    /// first, since it must never be left without its write-ahead log; the new one comes only when all are gone. The newest
    /// head is copied: if this is interrupted, it still shows what the next attempt would lose.
    fn move_aside(&self) -> Result<Vec<PathBuf>, BackupError> {
        let end = format!(".before-{}", self.aside());
        let aside = beside(self.database, &end);
        let head = NewestHead::of(self.database).path().to_owned();
        let pairs = ["", "-wal", "-shm"].map(|end| (beside(self.database, end), beside(&aside, end)));
        let mut moved = Vec::new();
        for (from, to) in pairs {
            if !from.exists() {
                continue;
            }
            // A rename replaces what has the name; a file created here is ours to replace.
            create_file(&to).and_then(|()| fs::rename(&from, &to)).map_err(|source| io_error(&to, source))?;
            moved.push(to);
        }
        if head.exists() {
            let to = beside(&head, &end);
            create_file(&to).and_then(|()| fs::copy(&head, &to)).map_err(|source| io_error(&to, source))?;
            moved.push(to);
        }
        sync_folder(self.database).map_err(|source| io_error(self.database, source))?;
        Ok(moved)
    }
}

/// What the files in place show.
#[derive(Default)]
struct Known {
    /// The newest head.
    head: Option<Head>,
    /// The logs.
    checkpoints: Vec<Checkpoint>,
    /// Whether a file with the newest head is among them.
    compared: bool,
}

impl Known {
    fn add(&mut self, state: Option<StoredState>) {
        let Some(StoredState { head, tree }) = state else { return };
        let known = self.head.unwrap_or_default();
        self.head = Some(Head { size: known.size.max(head.size), epoch: known.epoch.max(head.epoch) });
        self.checkpoints.extend(tree.map(|tree| tree.checkpoint()));
    }
}

/// The log of the database in place, if there is a sound one.
async fn head_in_place(database: &Path, keyring: &Keyring) -> Option<StoredState> {
    if fs::metadata(database).ok()?.len() == 0 {
        return None;
    }
    let mut connection = read_only(database).await.ok()?;
    let is_ours = check_keyring(database, &mut connection, keyring).await.is_ok();
    let head = read_stored(&mut connection, keyring).await.ok();
    connection.close().await.ok()?;
    head.filter(|_| is_ours)
}

/// What the record of the restore says.
fn target(records: u64, loss: Option<Loss>, other_branch: bool) -> String {
    let lost = loss.map_or_else(String::new, |loss| format!(", at least {} lost", loss.records));
    let branch = if other_branch { ", of another branch" } else { "" };
    format!("{records} records{lost}{branch}")
}
