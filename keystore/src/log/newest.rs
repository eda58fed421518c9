//! The newest state of the log in a file beside the database, so that an older copy of the database, or one of another
//! branch, is noticed when it is opened.
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

use super::head::{Head, LogState, StoredState};
use super::tree::Tree;
use crate::db::sync_folder;
use crate::keyring::{Generation, GenerationId, Keyring};
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
    /// Absent in version 1.
    #[serde(default, with = "hex::serde", skip_serializing_if = "Vec::is_empty")]
    tree: Vec<u8>,
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

    /// The generation that it needs; `None` where it is not a file of this program.
    pub(crate) fn generation(&self) -> Option<GenerationId> {
        Some(serde_json::from_slice::<Document>(&self.text).ok()?.generation)
    }

    /// The state in it, if its MAC is right.
    pub(crate) fn authenticate(&self, keyring: &Keyring) -> Result<StoredState, NewestHeadError> {
        let invalid = || NewestHeadError::Invalid { path: self.path.clone() };
        let document: Document = serde_json::from_slice(&self.text).map_err(|_| invalid())?;
        let Document { version, size, epoch, tree, generation: id, mac } = document;
        let head = Head { size, epoch };
        let preimage = match version {
            VERSION => preimage(head, &tree),
            1 if tree.is_empty() => preimage_v1(head),
            _ => return Err(invalid()),
        };
        let unknown = || NewestHeadError::UnknownGeneration { path: self.path.clone(), id };
        let generation = keyring.get(id).ok_or_else(unknown)?;
        if !generation.row().verifies(&preimage, &mac) {
            return Err(invalid());
        }
        let tree = (version == VERSION).then(|| Tree::from_bytes(size, &tree).ok_or_else(invalid));
        Ok(StoredState { head, tree: tree.transpose()? })
    }
}

/// Where the newest state of a database's log is kept, and what was written last.
#[derive(Debug)]
pub(crate) struct NewestHead {
    path: PathBuf,
    written: Mutex<Option<(GenerationId, Head)>>,
}

impl NewestHead {
    /// The file of this database: `keystore.head` for `keystore.db`.
    pub(crate) fn of(database: &Path) -> Self {
        Self { path: database.with_extension("head"), written: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a committed state, unless it is the one that was written last under this generation. Replaces the file
    /// atomically and durably.
    pub(crate) fn write(&self, keyring: &Keyring, state: &LogState) -> Result<(), NewestHeadError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let (primary, head) = (keyring.primary(), state.head());
        if *written != Some((primary.id, head)) {
            let io = |source| NewestHeadError::Io { path: self.path.clone(), source };
            self.replace(&text(&primary, state).map_err(io)?).map_err(io)?;
            *written = Some((primary.id, head));
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

fn text(primary: &Generation, state: &LogState) -> io::Result<Vec<u8>> {
    let (Head { size, epoch }, tree) = (state.head(), state.tree.to_bytes());
    let mac = primary.row().sign(&preimage(state.head(), &tree));
    let document = Document { version: VERSION, size, epoch, tree, generation: primary.id, mac };
    let mut text = serde_json::to_vec(&document)?;
    text.push(b'\n');
    Ok(text)
}

/// label || number of leaves || epoch || roots of the complete subtrees, each length-prefixed.
fn preimage(head: Head, tree: &[u8]) -> Preimage {
    Preimage::new(LABEL).number(head.size).number(head.epoch).field(tree)
}

/// label || number of leaves || epoch, each length-prefixed.
fn preimage_v1(head: Head) -> Preimage {
    Preimage::new(LABEL_V1).number(head.size).number(head.epoch)
}

/// How far the file may lag behind.
pub(crate) const WRITE_EVERY: Duration = Duration::from_secs(60);
const VERSION: u32 = 2;
const LABEL: &[u8] = b"vouchsafe/v2 newest head";
const LABEL_V1: &[u8] = b"vouchsafe/v1 newest head";
/// Bytes; more than a file with 64 subtrees has.
const LARGEST: u64 = 8192;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use vouchsafe_protocol::{Digest32, UnixTime};

    use super::*;
    use crate::keyring::file::KeyringFileError;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn state(size: u8, epoch: u64) -> LogState {
        LogState { epoch, tree: Tree::default().plus((0..size).map(|leaf| Digest32([leaf; 32]))) }
    }

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
        for state in [state(1, 1), state(5, 3), state(5, 3)] {
            newest.write(&keyring, &state).unwrap();
            let stored = StoredHead::read(newest.path()).unwrap().unwrap();
            let StoredState { head, tree } = stored.authenticate(&keyring).unwrap();
            assert_eq!((head, tree), (state.head(), Some(state.tree)));
        }
        assert_eq!(fs::metadata(newest.path()).unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing temporary is left.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let known = "{\"version\":2,\"size\":5,\"epoch\":3,\"tree\":\"7df4cd3800f48106f989386081fec6ad3675ccbd3d1e9f3f4d1cf392f9995bfd0404040404040404040404040404040404040404040404040404040404040404\",\"generation\":1,\"mac\":\"8d38057e6dab2e6068b9a39fca9d967efb42bc820eab4f816d939aac994cabc7\"}\n";
        assert_eq!(fs::read_to_string(newest.path()).unwrap(), known);
        // As an earlier version wrote it.
        let known = "{\"version\":1,\"size\":7,\"epoch\":3,\"generation\":1,\"mac\":\"40c0680da1ce97fbbabf2084e09c6669ef32e8c8ffff44907c7381e051a46f51\"}\n";
        fs::write(newest.path(), known).unwrap();
        let StoredState { head, tree } =
            StoredHead::read(newest.path()).unwrap().unwrap().authenticate(&keyring).unwrap();
        assert_eq!((head, tree), (Head { size: 7, epoch: 3 }, None));
    }

    #[test]
    fn t42_an_edited_file_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = keyring(folder.path()).unwrap();
        let newest = NewestHead::of(&folder.path().join("keystore.db"));
        newest.write(&keyring, &state(5, 3)).unwrap();
        let text = fs::read_to_string(newest.path()).unwrap();
        let said = |text: &str| {
            fs::write(newest.path(), text).unwrap();
            StoredHead::read(newest.path()).unwrap().unwrap().authenticate(&keyring).unwrap_err()
        };
        for (from, to) in [
            ("\"size\":5", "\"size\":6"),
            ("\"epoch\":3", "\"epoch\":2"),
            ("\"version\":2", "\"version\":1"),
            ("\"version\":2", "\"version\":3"),
            ("\"tree\":\"", "\"tree\":\"00"),
            ("\"tree\":", "\"mac\":\"00\",\"tree\":"),
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
