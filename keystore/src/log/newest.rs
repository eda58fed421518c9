//! The newest head of the log in a file beside the database, so that an older copy of the database is noticed when it
//! is opened.
//!
//! The file is written after the commits that it describes, so it is never ahead of the database. It lags behind by
//! up to [`WRITE_EVERY`]: a copy from that time is not noticed, nor are an older database and an older file that are
//! put back together.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use vouchsafe_protocol::hashing::Preimage;

use super::head::Head;
use crate::db::sync_folder;
use crate::keyring::{GenerationId, Keyring};
use crate::primitives::random;

/// The file, as read: nothing in it has been checked.
pub(crate) struct StoredHead {
    path: PathBuf,
    text: Vec<u8>,
}

/// Why the file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NewestHeadError {
    /// The system's error.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// It was edited or damaged, or belongs to another keyring.
    #[error("{} is damaged, or was not written with this keyring", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
    },
    /// It was written with a generation that the keyring lacks.
    #[error("{} needs generation {id} of the keyring, which is not there{}", path.display(), crate::db::RESTORE_KEYRING)]
    UnknownGeneration {
        /// The file.
        path: PathBuf,
        /// The generation.
        id: GenerationId,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    size: u64,
    epoch: u64,
    generation: GenerationId,
    #[serde(with = "hex::serde")]
    mac: Vec<u8>,
}

impl StoredHead {
    /// `None` if there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, NewestHeadError> {
        let io = |source| NewestHeadError::Io { path: path.to_owned(), source };
        let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io)?,
        };
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(io)?;
        Ok(Some(Self { path: path.to_owned(), text }))
    }

    /// The head in it, if its MAC is right.
    pub(crate) fn authenticate(&self, keyring: &Keyring) -> Result<Head, NewestHeadError> {
        let invalid = || NewestHeadError::Invalid { path: self.path.clone() };
        let document: Document = serde_json::from_slice(&self.text).map_err(|_| invalid())?;
        let Document { version, size, epoch, generation: id, mac } = document;
        let head = Head { size, epoch };
        let unknown = || NewestHeadError::UnknownGeneration { path: self.path.clone(), id };
        let generation = keyring.get(id).ok_or_else(unknown)?;
        if version == VERSION && generation.row().verifies(&preimage(head), &mac) {
            Ok(head)
        } else {
            Err(invalid())
        }
    }
}

/// Where the newest head of a database is kept, and what was written last.
#[derive(Debug)]
pub(crate) struct NewestHead {
    path: PathBuf,
    written: Mutex<Option<Head>>,
}

impl NewestHead {
    /// The file of this database: `keystore.head` for `keystore.db`.
    pub(crate) fn of(database: &Path) -> Self {
        Self { path: database.with_extension("head"), written: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a committed head, unless it is the one that was written last. Replaces the file atomically and durably.
    pub(crate) fn write(&self, keyring: &Keyring, head: Head) -> Result<(), NewestHeadError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != Some(head) {
            let io = |source| NewestHeadError::Io { path: self.path.clone(), source };
            self.replace(&text(keyring, head).map_err(io)?).map_err(io)?;
            *written = Some(head);
        }
        Ok(())
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let suffix = random::<8>().map_err(io::Error::other)?;
        let temporary = self.path.with_extension(format!("head.{}", hex::encode(suffix.as_slice())));
        let write = || {
            let mut file: File =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(text)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        write().inspect_err(|_| {
            // It may not exist.
            let _absent = fs::remove_file(&temporary);
        })?;
        sync_folder(&self.path)
    }
}

fn text(keyring: &Keyring, head: Head) -> io::Result<Vec<u8>> {
    let primary = keyring.primary();
    let Head { size, epoch } = head;
    let mac = primary.row().sign(&preimage(head));
    let document = Document { version: VERSION, size, epoch, generation: primary.id, mac };
    let mut text = serde_json::to_vec(&document)?;
    text.push(b'\n');
    Ok(text)
}

/// label || number of leaves || epoch, each length-prefixed.
fn preimage(head: Head) -> Preimage {
    Preimage::new(LABEL).number(head.size).number(head.epoch)
}

/// How far the file may lag behind.
pub(crate) const WRITE_EVERY: Duration = Duration::from_secs(60);
const VERSION: u32 = 1;
const LABEL: &[u8] = b"vouchsafe/v1 newest head";
/// Bytes; far more than a file has.
const LARGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use vouchsafe_protocol::UnixTime;

    use super::*;
    use crate::keyring::file::KeyringFileError;

    const NOW: UnixTime = UnixTime(1_800_000_000);
    const HEAD: Head = Head { size: 7, epoch: 3 };

    /// A keyring whose root key is 32 times 1.
    fn keyring(folder: &Path) -> Result<Keyring, KeyringFileError> {
        let text = format!(
            "{{\"version\":1,\"generations\":[{{\"id\":1,\"state\":\"primary\",\"created_at\":{NOW},\"key\":\"{}\"}}]}}",
            "01".repeat(32)
        );
        let path = folder.join("root.json");
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("written");
        Keyring::load(&path)
    }

    #[test]
    fn the_file_is_private_and_gives_the_head_back() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = keyring(folder.path()).unwrap();
        let newest = NewestHead::of(&folder.path().join("keystore.db"));
        assert_eq!(newest.path(), folder.path().join("keystore.head"));
        assert!(StoredHead::read(newest.path()).unwrap().is_none());
        for head in [Head { size: 1, epoch: 1 }, HEAD, HEAD] {
            newest.write(&keyring, head).unwrap();
            let stored = StoredHead::read(newest.path()).unwrap().unwrap();
            assert_eq!(stored.authenticate(&keyring).unwrap(), head);
        }
        assert_eq!(fs::metadata(newest.path()).unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing temporary is left.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let known = "{\"version\":1,\"size\":7,\"epoch\":3,\"generation\":1,\"mac\":\"40c0680da1ce97fbbabf2084e09c6669ef32e8c8ffff44907c7381e051a46f51\"}\n";
        assert_eq!(fs::read_to_string(newest.path()).unwrap(), known);
    }

    #[test]
    fn t42_an_edited_file_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = keyring(folder.path()).unwrap();
        let newest = NewestHead::of(&folder.path().join("keystore.db"));
        newest.write(&keyring, HEAD).unwrap();
        let text = fs::read_to_string(newest.path()).unwrap();
        let said = |text: &str| {
            fs::write(newest.path(), text).unwrap();
            StoredHead::read(newest.path()).unwrap().unwrap().authenticate(&keyring).unwrap_err()
        };
        for (from, to) in [
            ("\"size\":7", "\"size\":6"),
            ("\"epoch\":3", "\"epoch\":2"),
            ("\"version\":1", "\"version\":2"),
            ("\"mac\":\"", "\"mac\":\"00"),
            ("}", ",\"more\":1}"),
            ("{", ""),
        ] {
            let error = said(&text.replacen(from, to, 1));
            assert!(matches!(error, NewestHeadError::Invalid { .. }), "{from}: {error}");
        }
        let other = said(&text.replace("\"generation\":1", "\"generation\":2"));
        assert!(matches!(other, NewestHeadError::UnknownGeneration { id: 2, .. }), "{other}");
        fs::remove_file(newest.path()).unwrap();
        std::os::unix::fs::symlink("/dev/null", newest.path()).unwrap();
        assert!(matches!(StoredHead::read(newest.path()), Err(NewestHeadError::Io { .. })));
    }
}
