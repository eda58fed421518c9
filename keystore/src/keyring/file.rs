//! The keyring's file: JSON, readable by its owner only, replaced atomically.
//!
//! A file that others can read, that belongs to another user, or that is a symbolic link is refused. Root's file may be
//! readable for its group, if this process is not root. The permissions of its folder are not checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_protocol::UnixTime;
use zeroize::Zeroizing;

use super::wrapped::{StoredKeyring, WrapperError};
use super::{Generation, GenerationId, GenerationState, Keyring, KeyringError, Member, RootKey};
use crate::primitives::{RandomError, random};

/// Why a keyring's file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// The system's error.
    #[error(
        "keyring {}: {source}{}",
        path.display(),
        if source.kind() == io::ErrorKind::NotFound { ABSENT } else { "" }
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file already exists.
    #[error("keyring {} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder, a device or a symbolic link.
    #[error("keyring {} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others can read or write it.
    #[error("keyring {} has mode {mode:03o}: others may read it; chmod 600 it, and rotate the keyring if they could", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("keyring {} belongs to user {uid}: run this as that user, such as with `runuser -u USER -- vouchsafe …`", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Larger than any keyring, or one that would be.
    #[error(
        "keyring {} has {size} bytes, which is more than {MAX_FILE}: remove generations that nothing needs \
         (`vouchsafe keyring status`)",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// Not JSON of the expected form. Only the position is reported, since the text is secret.
    #[error("keyring {} is malformed at line {line}, column {column}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The path.
        line: usize,
        /// The path.
        column: usize,
    },
    /// Its root keys are wrapped, where they are needed.
    #[error("keyring {} is wrapped by {kms}: unwrap it first, with `vouchsafe keyring unwrap`", path.display())]
    Wrapped {
        /// The file.
        path: PathBuf,
        /// The key that wraps them.
        kms: String,
    },
    /// Its root keys could not be wrapped or unwrapped.
    #[error(transparent)]
    Wrapper(#[from] WrapperError),
    /// Well-formed, but no keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// No randomness for a temporary name.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl StoredKeyring {
    /// Reads a private file.
    ///
    /// # Errors
    /// [`KeyringFileError`] says what to do about it.
    pub fn load(path: &Path) -> Result<Self, KeyringFileError> {
        let io = |source| io_error(path, source);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed())
            .open(path)
            .map_err(io)?;
        check_private(path, &file)?;
        Self::read(path, &file)
    }

    /// Reads a file that the caller has opened and found private, such as a credential of the service manager.
    ///
    /// # Errors
    /// [`KeyringFileError`] names it as `path`.
    pub fn read(path: &Path, file: &File) -> Result<Self, KeyringFileError> {
        let io = |source| io_error(path, source);
        let size = file.metadata().map_err(io)?.len();
        if size > MAX_FILE as u64 {
            return Err(KeyringFileError::TooLarge { path: path.to_owned(), size });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        // Not more than the checked size: a growing buffer would be copied, and the copy not erased.
        file.take(MAX_FILE as u64).read_to_end(&mut text).map_err(io)?;
        Self::parse(path, &text)
    }

    /// Parses the text of a keyring.
    ///
    /// # Errors
    /// [`KeyringFileError`] names it as `path`.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, KeyringFileError> {
        let malformed = |error: serde_json::Error| KeyringFileError::Malformed {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        };
        let Any { version } = serde_json::from_slice(text).map_err(malformed)?;
        if version == WRAPPED_VERSION {
            return serde_json::from_slice(text).map(Self::Wrapped).map_err(malformed);
        }
        let document: Document = serde_json::from_slice(text).map_err(malformed)?;
        let members = document.generations.into_iter().map(Entry::into_member).collect();
        Ok(Self::Plain(Keyring::from_members(members)?))
    }
}

impl Keyring {
    /// Reads the keyring from a private file in which its root keys are not wrapped.
    ///
    /// # Errors
    /// [`KeyringFileError`] says what to do about it.
    pub fn load(path: &Path) -> Result<Self, KeyringFileError> {
        match StoredKeyring::load(path)? {
            StoredKeyring::Plain(keyring) => Ok(keyring),
            StoredKeyring::Wrapped(wrapped) => {
                Err(KeyringFileError::Wrapped { path: path.to_owned(), kms: wrapped.kms().to_owned() })
            }
        }
    }

    /// Writes a new file; never overwrites one.
    ///
    /// # Errors
    /// [`KeyringFileError::Exists`] and the system's errors.
    pub fn create(&self, path: &Path) -> Result<(), KeyringFileError> {
        create(path, &Document::of(self))
    }

    /// Writes what shall replace the file, durably, beside it: whatever can fail for want of space or of permissions has
    /// failed by then. Only one process at a time may do so.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn prepare_replacement(&self, path: &Path) -> Result<Replacement, KeyringFileError> {
        prepare_replacement(path, &Document::of(self))
    }
}

/// Writes a new file; never overwrites one.
pub(super) fn create(path: &Path, document: &impl Serialize) -> Result<(), KeyringFileError> {
    let temporary = beside(path, &hex::encode(random::<8>()?.as_slice()));
    write(&temporary, document)?;
    // A hard link, unlike a rename, fails if the name exists.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(|source| io_error(&temporary, source))?;
    linked.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyringFileError::Exists { path: path.to_owned() },
        _ => io_error(path, source),
    })?;
    sync_folder(path)
}

/// Writes what shall replace the file beside it.
pub(super) fn prepare_replacement(
    path: &Path,
    document: &impl Serialize,
) -> Result<Replacement, KeyringFileError> {
    // A fixed name: what a killed process left there is gone after the next change.
    let temporary = beside(path, "new");
    match fs::remove_file(&temporary) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(io_error(&temporary, source));
        }
        _ => {}
    }
    write(&temporary, document)?;
    Ok(Replacement { path: path.to_owned(), temporary: Some(temporary) })
}

fn write(path: &Path, document: &impl Serialize) -> Result<(), KeyringFileError> {
    let io = |source| io_error(path, source);
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE));
    serde_json::to_writer_pretty(&mut *text, document).map_err(|error| io(error.into()))?;
    text.push(b'\n');
    if text.len() > MAX_FILE {
        // It could not be read again.
        let size = text.len() as u64;
        return Err(KeyringFileError::TooLarge { path: path.to_owned(), size });
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    if written.is_err() {
        discard(path);
    }
    written.map_err(io)
}

/// A keyring that is written and not in place yet. Dropping it removes what was written.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl Replacement {
    /// Replaces the file, atomically and durably.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn put_in_place(mut self) -> Result<(), KeyringFileError> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path).map_err(|source| io_error(&self.path, source))?;
            self.temporary = None;
        }
        sync_folder(&self.path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            discard(temporary);
        }
    }
}

/// The file's path with `.end` appended to its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{end}"));
    path.with_file_name(name)
}

/// Removes a temporary file with key material.
fn discard(temporary: &Path) {
    if let Err(error) = fs::remove_file(temporary) {
        tracing::warn!(event = "keyring.leftover", path = %temporary.display(), %error);
    }
}

fn check_private(path: &Path, file: &File) -> Result<(), KeyringFileError> {
    let metadata = file.metadata().map_err(|source| io_error(path, source))?;
    let path = path.to_owned();
    if !metadata.is_file() {
        return Err(KeyringFileError::NotAFile { path });
    }
    let mode = metadata.mode() & 0o777;
    let (uid, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if mode & forbidden(uid, user) != 0 {
        return Err(KeyringFileError::Mode { path, mode });
    }
    if uid != user && uid != 0 {
        return Err(KeyringFileError::Owner { path, uid });
    }
    Ok(())
}

/// Permissions that a keyring of user `owner` must not have for a process of `user`. Kubernetes mounts a Secret for a process that is
/// not root as a file of root, which the group of the process may read (`fsGroup`: mode 0400 becomes 0440). Who is in the group
/// of a file of root is root's decision.
const fn forbidden(owner: u32, user: u32) -> u32 {
    if owner == 0 && user != 0 { 0o037 } else { 0o077 }
}

fn sync_folder(path: &Path) -> Result<(), KeyringFileError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| io_error(folder, source))
}

fn io_error(path: &Path, source: io::Error) -> KeyringFileError {
    let path = path.to_owned();
    // open(2) with O_NOFOLLOW returns ELOOP for a symbolic link.
    if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return KeyringFileError::NotAFile { path };
    }
    KeyringFileError::Io { path, source }
}

/// What files of all versions have.
#[derive(Deserialize)]
struct Any {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Number<1>,
    generations: Vec<Entry>,
}

impl Document {
    fn of(keyring: &Keyring) -> Self {
        Self { version: Number, generations: keyring.members().iter().map(Entry::of_member).collect() }
    }
}

/// A version of the format.
#[derive(Debug)]
pub(super) struct Number<const N: u32>;

impl<const N: u32> Serialize for Number<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for Number<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if u32::deserialize(deserializer)? == N {
            return Ok(Self);
        }
        Err(serde::de::Error::custom("unknown version"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: GenerationId,
    state: GenerationState,
    created_at: UnixTime,
    /// Absent unless it is retired; files of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<UnixTime>,
    key: KeyText,
}

impl Entry {
    fn of_member(member: &Member) -> Self {
        let Member { state, retired_at, generation } = member;
        Self {
            id: generation.id,
            state: *state,
            created_at: generation.created_at,
            retired_at: *retired_at,
            key: KeyText(generation.root.0.clone()),
        }
    }

    fn into_member(self) -> Member {
        let Self { id, state, created_at, retired_at, key } = self;
        Member { state, retired_at, generation: Generation::new(id, created_at, RootKey(key.0)).into() }
    }
}

/// A root key as 64 hex digits.
struct KeyText(Zeroizing<[u8; 32]>);

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.as_bytes(), key.as_mut_slice())
            .map_err(|_| serde::de::Error::custom("expected 64 hex digits"))?;
        Ok(Self(key))
    }
}

const MAX_FILE: usize = 64 * 1024;
const WRAPPED_VERSION: u32 = 2;
const ABSENT: &str = "; if this broker existed before, put back the keyring from its backup, without which the database \
                      cannot be read (docs/operations.md); `vouchsafe init` creates a keyring with a new broker";

#[cfg(test)]
mod tests {
    use super::forbidden;

    #[test]
    fn only_a_file_of_root_may_be_readable_for_its_group() {
        for (owner, user, mode, allowed) in [
            (0, 10_001, 0o440, true),
            (0, 10_001, 0o400, true),
            (0, 10_001, 0o460, false),
            (0, 10_001, 0o450, false),
            (0, 10_001, 0o444, false),
            (10_001, 10_001, 0o600, true),
            (10_001, 10_001, 0o440, false),
            (0, 0, 0o440, false),
            (0, 0, 0o600, true),
        ] {
            assert_eq!(mode & forbidden(owner, user) == 0, allowed, "{mode:o} of {owner} for {user}");
        }
    }
}
