//! A keyring whose root keys are wrapped by a key that is kept elsewhere, such as in a key management service. Its file has no
//! secret, and is worth nothing without that key.
//!
//! Each root key is wrapped by itself, with associated data that bind it to its place: the wrapping key's name, the generation's
//! number and the time of its creation. The states of generations are not bound; they have to be such as a rotation leads to
//! ([`KeyringError::OutOfOrder`]), and the file is kept as private as one with root keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::hashing::Preimage;
use zeroize::Zeroizing;

use super::file::{self, KeyringFileError, Number, Replacement};
use super::{Generation, GenerationId, GenerationState, Keyring, KeyringError, Member, RootKey};

/// What a file has: root keys, or wrapped ones.
#[derive(Debug)]
pub enum StoredKeyring {
    /// Root keys.
    Plain(Keyring),
    /// Root keys that have to be unwrapped first.
    Wrapped(WrappedKeyring),
}

/// A keyring with wrapped root keys. Of the name of the key that wraps them it is known only that it can be printed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedKeyring {
    version: Number<2>,
    #[serde(deserialize_with = "name")]
    kms: String,
    generations: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: GenerationId,
    state: GenerationState,
    created_at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<UnixTime>,
    wrapped: WrappedKey,
}

/// A wrapped root key as base64.
#[derive(Debug)]
struct WrappedKey(Vec<u8>);

/// One root key that is to be wrapped or unwrapped.
#[derive(Debug)]
pub struct Wrapping<'a, K: ?Sized> {
    /// Number of the generation.
    pub generation: GenerationId,
    /// The root key, or what it was wrapped to.
    pub key: &'a K,
    /// What is authenticated with it.
    pub associated_data: Vec<u8>,
}

/// Why root keys that were unwrapped are not a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrappedKeyError {
    /// A root key has 32 bytes.
    #[error("generation {id} was unwrapped to something else than a root key, which has 32 bytes")]
    Length {
        /// The generation.
        id: GenerationId,
    },
    /// The generations are not those of a keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl WrappedKeyring {
    /// Wraps every root key of `keyring` with the key of this name, by `wrap`.
    ///
    /// # Errors
    /// Those of `wrap`.
    pub fn new<E>(
        keyring: &Keyring,
        kms: &str,
        mut wrap: impl FnMut(Wrapping<'_, [u8; 32]>) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let entry = |member: &Member| {
            let &Member { state, retired_at, ref generation } = member;
            let &Generation { id, created_at, ref root, .. } = &**generation;
            let associated_data = associated_data(kms, id, created_at);
            let wrapped = WrappedKey(wrap(Wrapping { generation: id, key: &root.0, associated_data })?);
            Ok(Entry { id, state, created_at, retired_at, wrapped })
        };
        let generations = keyring.members().iter().map(entry).collect::<Result<_, E>>()?;
        Ok(Self { version: Number, kms: kms.to_owned(), generations })
    }

    /// The name of the key that wraps the root keys.
    #[must_use]
    pub fn kms(&self) -> &str {
        &self.kms
    }

    /// Unwraps every root key by `unwrap`.
    ///
    /// # Errors
    /// Those of `unwrap`, and [`UnwrappedKeyError`].
    pub fn open<E: From<UnwrappedKeyError>>(
        &self,
        mut unwrap: impl FnMut(Wrapping<'_, [u8]>) -> Result<Zeroizing<Vec<u8>>, E>,
    ) -> Result<Keyring, E> {
        let member = |entry: &Entry| {
            let &Entry { id, state, created_at, retired_at, ref wrapped } = entry;
            let associated_data = associated_data(&self.kms, id, created_at);
            let key = unwrap(Wrapping { generation: id, key: &wrapped.0, associated_data })?;
            let root = <[u8; 32]>::try_from(key.as_slice()).map(Zeroizing::new);
            let root = root.map_err(|_| UnwrappedKeyError::Length { id })?;
            let generation = Generation::new(id, created_at, RootKey(root)).into();
            Ok(Member { state, retired_at, generation })
        };
        let members = self.generations.iter().map(member).collect::<Result<_, E>>()?;
        Ok(Keyring::from_members(members).map_err(UnwrappedKeyError::from)?)
    }

    /// As [`Keyring::create`].
    ///
    /// # Errors
    /// [`KeyringFileError::Exists`] and the system's errors.
    pub fn create(&self, path: &Path) -> Result<(), KeyringFileError> {
        file::create(path, self)
    }

    /// As [`Keyring::prepare_replacement`].
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn prepare_replacement(&self, path: &Path) -> Result<Replacement, KeyringFileError> {
        file::prepare_replacement(path, self)
    }
}

/// Has root keys wrapped and unwrapped elsewhere. Both may block for long.
pub trait Wrapper: Send + Sync {
    /// Wraps the root keys by the key of this name.
    ///
    /// # Errors
    /// What to do about it.
    fn wrap(&self, keyring: &Keyring, kms: &str) -> Result<WrappedKeyring, WrapperError>;

    /// Unwraps the root keys.
    ///
    /// # Errors
    /// What to do about it.
    fn open(&self, wrapped: &WrappedKeyring) -> Result<Keyring, WrapperError>;
}

/// The error of a [`Wrapper`].
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WrapperError(pub Box<dyn std::error::Error + Send + Sync>);

/// The file of a keyring that is in use, and what wraps its root keys, if they are.
#[derive(Clone)]
pub struct KeyringFile {
    path: PathBuf,
    wrapper: Option<Arc<dyn Wrapper>>,
}

/// How a file has its root keys.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Plain,
    /// Wrapped by the key of this name.
    Wrapped(String),
}

impl KeyringFile {
    /// The file at `path`, whose root keys are not wrapped.
    #[must_use]
    pub const fn plain(path: PathBuf) -> Self {
        Self { path, wrapper: None }
    }

    /// The file at `path`, whose root keys may be wrapped.
    #[must_use]
    pub fn new(path: PathBuf, wrapper: Arc<dyn Wrapper>) -> Self {
        Self { path, wrapper: Some(wrapper) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it. Blocks.
    pub(crate) fn load(&self) -> Result<(Keyring, Form), KeyringFileError> {
        match StoredKeyring::load(&self.path)? {
            StoredKeyring::Plain(keyring) => Ok((keyring, Form::Plain)),
            StoredKeyring::Wrapped(wrapped) => {
                Ok((self.wrapper(&wrapped.kms)?.open(&wrapped)?, Form::Wrapped(wrapped.kms)))
            }
        }
    }

    fn wrapper(&self, kms: &str) -> Result<&dyn Wrapper, KeyringFileError> {
        let wrapped = || KeyringFileError::Wrapped { path: self.path.clone(), kms: kms.to_owned() };
        self.wrapper.as_deref().ok_or_else(wrapped)
    }

    /// Writes what shall replace it, in the same form. Blocks.
    pub(crate) fn prepare_replacement(
        &self,
        next: &Keyring,
        form: &Form,
    ) -> Result<Replacement, KeyringFileError> {
        match form {
            Form::Plain => next.prepare_replacement(&self.path),
            Form::Wrapped(kms) => self.wrapper(kms)?.wrap(next, kms)?.prepare_replacement(&self.path),
        }
    }
}

impl std::fmt::Debug for KeyringFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyringFile").field(&self.path).finish()
    }
}

/// The name of a key: it is printed in messages.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && name.len() <= LONGEST_NAME {
        return Ok(name);
    }
    Err(serde::de::Error::custom("expected the name of a key"))
}

// "vouchsafe/v1 wrapped root key" || name of the wrapping key || generation || time of creation, each length-prefixed.
fn associated_data(kms: &str, id: GenerationId, created_at: UnixTime) -> Vec<u8> {
    Preimage::new(LABEL).text(kms).number(id.into()).number(created_at.0).into_bytes()
}

impl Serialize for WrappedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for WrappedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|_| serde::de::Error::custom("expected base64"))
    }
}

const LABEL: &[u8] = b"vouchsafe/v1 wrapped root key";
/// Bytes; names in Cloud KMS have less than 400.
const LONGEST_NAME: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);
    const KMS: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k";

    /// "Wraps" by appending the associated data to the key.
    fn wrap(wrapping: Wrapping<'_, [u8; 32]>) -> Result<Vec<u8>, UnwrappedKeyError> {
        Ok([wrapping.key.as_slice(), &wrapping.associated_data].concat())
    }

    /// Unwraps it if the associated data are the same.
    fn unwrap(wrapping: Wrapping<'_, [u8]>) -> Result<Zeroizing<Vec<u8>>, UnwrappedKeyError> {
        let key = wrapping.key.strip_suffix(wrapping.associated_data.as_slice());
        Ok(Zeroizing::new(key.ok_or(UnwrappedKeyError::Length { id: wrapping.generation })?.to_vec()))
    }

    fn wrapped() -> (tempfile::TempDir, PathBuf, Keyring) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.json");
        let (keyring, _) = Keyring::generate(NOW).unwrap().with_pending(UnixTime(NOW.0 + 1)).unwrap();
        WrappedKeyring::new(&keyring, KMS, wrap).unwrap().create(&path).unwrap();
        (folder, path, keyring)
    }

    fn loaded(path: &Path) -> WrappedKeyring {
        let StoredKeyring::Wrapped(wrapped) = StoredKeyring::load(path).unwrap() else {
            panic!("not wrapped")
        };
        wrapped
    }

    #[test]
    fn a_wrapped_keyring_survives_its_file() {
        let (_folder, path, keyring) = wrapped();
        let stored = loaded(&path);
        assert_eq!(stored.kms(), KMS);
        let opened = stored.open(unwrap).unwrap();
        assert!(opened.is_same(&keyring));
        let (promoted, _) = keyring.with_promoted(UnixTime(NOW.0 + 2)).unwrap();
        assert!(!opened.is_same(&promoted));
        let again = WrappedKeyring::new(&promoted, KMS, wrap).unwrap();
        again.prepare_replacement(&path).unwrap().put_in_place().unwrap();
        assert!(loaded(&path).open(unwrap).unwrap().is_same(&promoted), "with the time of its retirement");
        for id in [1, 2] {
            assert_eq!(*opened.get(id).unwrap().root.0, *keyring.get(id).unwrap().root.0);
        }
        let refused = Keyring::load(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("is wrapped by {KMS}: unwrap it first")), "{refused}");
    }

    #[test]
    fn t34_a_wrapped_key_is_bound_to_its_place() {
        let (_folder, path, _) = wrapped();
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            (KMS, "projects/p/locations/l/keyRings/r/cryptoKeys/other"),
            ("\"id\": 2", "\"id\": 3"),
            ("\"created_at\": 1800000001", "\"created_at\": 1800000002"),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            assert!(matches!(loaded(&path).open(unwrap), Err(UnwrappedKeyError::Length { .. })), "{from}");
        }
        std::fs::write(&path, &text).unwrap();
        // An older generation is not made the primary one again.
        let (promoted, _) = loaded(&path).open(unwrap).unwrap().with_promoted(NOW).unwrap();
        WrappedKeyring::new(&promoted, KMS, wrap)
            .unwrap()
            .prepare_replacement(&path)
            .unwrap()
            .put_in_place()
            .unwrap();
        let edited = std::fs::read_to_string(&path).unwrap();
        let edited =
            edited.replace("primary", "first").replace("retired\"", "primary\"").replace("first", "retired");
        std::fs::write(&path, edited).unwrap();
        assert_eq!(loaded(&path).open(unwrap).unwrap_err(), KeyringError::OutOfOrder { id: 2 }.into());
        // Two generations with each other's keys.
        std::fs::write(&path, &text).unwrap();
        let mut swapped = loaded(&path);
        let [one, two] = swapped.generations.as_mut_slice() else { panic!("two generations") };
        std::mem::swap(&mut one.wrapped, &mut two.wrapped);
        assert!(matches!(swapped.open(unwrap), Err(UnwrappedKeyError::Length { id: 1 })));
    }

    #[test]
    fn other_files_are_refused() {
        let (_folder, path, _) = wrapped();
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("\"version\": 2", "\"version\": 3"),
            ("\"version\": 2", "\"version\": 1"),
            ("\"wrapped\"", "\"key\""),
            (KMS, ""),
            (KMS, "projects/p\\u001b[2J"),
            (KMS, &"k".repeat(LONGEST_NAME + 1)),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            let refused = StoredKeyring::load(&path).unwrap_err();
            assert!(matches!(refused, KeyringFileError::Malformed { .. }), "{refused}");
        }
    }

    #[test]
    fn what_unwraps_to_another_length_or_to_no_keyring_is_refused() {
        let (_folder, path, _) = wrapped();
        let mut stored = loaded(&path);
        let short = stored.open(|_| Ok::<_, UnwrappedKeyError>(Zeroizing::new(vec![1; 31])));
        assert_eq!(short.unwrap_err(), UnwrappedKeyError::Length { id: 1 });
        stored.generations.remove(0);
        assert_eq!(stored.open(unwrap).unwrap_err(), KeyringError::Primaries { count: 0 }.into());
    }

    #[test]
    fn the_associated_data_are_laid_out_as_documented() {
        let expected = "0000001d766f756368736166652f7631207772617070656420726f6f74206b6579000000016b0000000800000000000000020000000800000000000000\
                        03";
        assert_eq!(hex::encode(associated_data("k", 2, UnixTime(3))), expected);
    }
}
