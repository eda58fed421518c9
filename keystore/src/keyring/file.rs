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

pub use super::file_error::KeyringFileError;
use super::file_error::{MAX_FILE, io_error};
use super::wrapped::StoredKeyring;
use super::{Generation, GenerationId, GenerationState, Keyring, Member, RootKey};
use crate::primitives::random;

impl StoredKeyring {
    /// Reads a private file.
    ///
    /// # Errors
    /// [`KeyringFileError`] says what to do about it.
    pub fn load(path: &Path) -> Result<Self, KeyringFileError> {
        Self::read(path, &open_private(path)?)
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
        Ok(Self::Plain(Keyring::from_members(members, document.newest)?))
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
}

/// Writes a new file; never overwrites one.
pub(super) fn create(path: &Path, document: &impl Serialize) -> Result<(), KeyringFileError> {
    let temporary = beside(path, &hex::encode(random::<8>()?.as_slice()));
    write(&temporary, document)?;
    // A hard link, unlike a rename, fails if the name exists.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(|source| io_error(&temporary, source))?;
    let exists = || KeyringFileError::Exists { path: path.to_owned() };
    match linked.as_ref().map_err(io::Error::kind) {
        Ok(()) => {}
        Err(io::ErrorKind::AlreadyExists) => return Err(exists()),
        // File systems without hard links, such as on a USB stick: a crash in between leaves a part of the file.
        Err(io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            write(path, document).map_err(|error| if error.is_existing() { exists() } else { error })?;
        }
        Err(_) => linked.map_err(|source| io_error(path, source))?,
    }
    sync_folder(path).map_err(|source| io_error(path, source))
}

pub(super) fn write(path: &Path, document: &impl Serialize) -> Result<(), KeyringFileError> {
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

/// The file's path with `.end` appended to its name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{end}"));
    path.with_file_name(name)
}

/// Removes a temporary file with key material.
pub(super) fn discard(temporary: &Path) {
    if let Err(error) = fs::remove_file(temporary) {
        tracing::warn!(event = "keyring.leftover", path = %temporary.display(), %error);
    }
}

/// Opens a file that has to be private.
pub(super) fn open_private(path: &Path) -> Result<File, KeyringFileError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(|source| io_error(path, source))?;
    check_private(path, &file)?;
    Ok(file)
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

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all())
}

/// What files of all versions have.
#[derive(Deserialize)]
struct Any {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    version: Number<1>,
    /// The highest number that any generation ever had, if none of these has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<GenerationId>,
    generations: Vec<Entry>,
}

impl Document {
    pub(super) fn of(keyring: &Keyring) -> Self {
        let newest = keyring.written_newest();
        Self {
            version: Number,
            newest,
            generations: keyring.members().iter().map(Entry::of_member).collect(),
        }
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

const WRAPPED_VERSION: u32 = 2;
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
