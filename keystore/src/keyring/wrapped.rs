//! A keyring whose root keys are wrapped by a key that is kept elsewhere, such as in a key management service. Its file has no
//! secret, and is worth nothing without that key.
//!
//! Each root key is wrapped by itself, with associated data that bind it to its place: the wrapping key's name, the generation's
//! number, the time of its creation, and the list of all generations with their states. So a file is unwrapped as it was
//! written or not at all; an older one as a whole is told by rows of the database that need a newer generation.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{Digest32, UnixTime};
use zeroize::Zeroizing;

use super::file::{self, Number};
use super::file_error::KeyringFileError;
pub use super::file_error::WrapperError;
use super::{
    Generation, GenerationId, GenerationState, GenerationSummary, Keyring, KeyringError, Member, RootKey,
};

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
    /// The highest number that any generation ever had, if none of these has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<GenerationId>,
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
pub struct Wrapping<'a, K: ?Sized> {
    /// Number of the generation.
    pub generation: GenerationId,
    /// The root key, or what it was wrapped to.
    pub key: &'a K,
    /// What is authenticated with it.
    pub associated_data: Vec<u8>,
}

impl<K: ?Sized> fmt::Debug for Wrapping<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapping").field("generation", &self.generation).finish_non_exhaustive()
    }
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
        let newest = keyring.written_newest();
        let list = list(kms, newest, &keyring.generations());
        let entry = |member: &Member| {
            let &Member { state, retired_at, ref generation } = member;
            let &Generation { id, created_at, ref root, .. } = &**generation;
            let associated_data = associated_data(kms, id, created_at, list);
            let wrapped = WrappedKey(wrap(Wrapping { generation: id, key: &root.0, associated_data })?);
            Ok(Entry { id, state, created_at, retired_at, wrapped })
        };
        let generations = keyring.members().iter().map(entry).collect::<Result<_, E>>()?;
        Ok(Self { version: Number, kms: kms.to_owned(), newest, generations })
    }

    /// The name of the key that wraps the root keys.
    #[must_use]
    pub fn kms(&self) -> &str {
        &self.kms
    }

    /// A digest of all of it: that of a file that says the same is the same.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        let summaries: Vec<_> = self.generations.iter().map(Entry::summary).collect();
        let start = Preimage::new(FILE_LABEL).field(&list(&self.kms, self.newest, &summaries).0);
        let all = self.generations.iter().fold(start, |all, entry| all.field(&entry.wrapped.0));
        Digest32::of(all.as_bytes())
    }

    /// Unwraps every root key by `unwrap`.
    ///
    /// # Errors
    /// Those of `unwrap`, and [`UnwrappedKeyError`].
    pub fn open<E: From<UnwrappedKeyError>>(
        &self,
        mut unwrap: impl FnMut(Wrapping<'_, [u8]>) -> Result<Zeroizing<Vec<u8>>, E>,
    ) -> Result<Keyring, E> {
        let summaries: Vec<_> = self.generations.iter().map(Entry::summary).collect();
        let list = list(&self.kms, self.newest, &summaries);
        let member = |entry: &Entry| {
            let &Entry { id, state, created_at, retired_at, ref wrapped } = entry;
            let associated_data = associated_data(&self.kms, id, created_at, list);
            let key = unwrap(Wrapping { generation: id, key: &wrapped.0, associated_data })?;
            let root = <[u8; 32]>::try_from(key.as_slice()).map(Zeroizing::new);
            let root = root.map_err(|_| UnwrappedKeyError::Length { id })?;
            let generation = Generation::new(id, created_at, RootKey(root)).into();
            Ok(Member { state, retired_at, generation })
        };
        let members = self.generations.iter().map(member).collect::<Result<_, E>>()?;
        Ok(Keyring::from_members(members, self.newest).map_err(UnwrappedKeyError::from)?)
    }

    /// As [`Keyring::create`].
    ///
    /// # Errors
    /// [`KeyringFileError::Exists`] and the system's errors.
    pub fn create(&self, path: &Path) -> Result<(), KeyringFileError> {
        file::create(path, self)
    }
}

impl Entry {
    const fn summary(&self) -> GenerationSummary {
        let &Self { id, state, created_at, retired_at, .. } = self;
        GenerationSummary { id, state, created_at, retired_at }
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

/// The name of a key: it is printed in messages.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && name.len() <= LONGEST_NAME {
        return Ok(name);
    }
    Err(serde::de::Error::custom("expected the name of a key"))
}

// "vouchsafe/v1 wrapped root key" || name of the wrapping key || generation || time of creation || digest of the list, each
// length-prefixed.
fn associated_data(kms: &str, id: GenerationId, created_at: UnixTime, list: Digest32) -> Vec<u8> {
    Preimage::new(LABEL).text(kms).number(id.into()).number(created_at.0).field(&list.0).into_bytes()
}

// SHA-256 of: "vouchsafe/v1 wrapped keyring" || name of the wrapping key || highest number (0: that of a generation) || for each
// generation: number || state || time of creation || time of its retirement (0: none); each length-prefixed.
fn list(kms: &str, newest: Option<GenerationId>, generations: &[GenerationSummary]) -> Digest32 {
    let start = Preimage::new(LIST_LABEL).text(kms).number(newest.unwrap_or_default().into());
    let one = |preimage: Preimage,
               &GenerationSummary { id, state, created_at, retired_at }: &GenerationSummary| {
        let preimage = preimage.number(id.into()).text(state.name()).number(created_at.0);
        preimage.number(retired_at.map_or(0, |at| at.0))
    };
    Digest32::of(generations.iter().fold(start, one).as_bytes())
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
const LIST_LABEL: &[u8] = b"vouchsafe/v1 wrapped keyring";
const FILE_LABEL: &[u8] = b"vouchsafe/v1 wrapped keyring file";
/// Bytes; names in Cloud KMS have less than 400.
const LONGEST_NAME: usize = 512;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::keyring::locked::LockedFile;

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
        LockedFile::lock(&path).unwrap().prepare_wrapped(&again).unwrap().put_in_place().unwrap();
        assert!(loaded(&path).open(unwrap).unwrap().is_same(&promoted), "with the time of its retirement");
        assert_eq!(loaded(&path).digest(), again.digest());
        assert_ne!(stored.digest(), again.digest());
        let other = WrappedKeyring::new(&promoted, KMS, |_| Ok::<_, UnwrappedKeyError>(vec![0])).unwrap();
        assert_ne!(other.digest(), again.digest());
        for id in [1, 2] {
            assert_eq!(*opened.get(id).unwrap().root.0, *keyring.get(id).unwrap().root.0);
        }
        let refused = Keyring::load(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("is wrapped by {KMS}: name the broker")), "{refused}");
    }

    #[test]
    fn t34_a_wrapped_key_is_bound_to_its_place() {
        let (_folder, path, _) = wrapped();
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            (KMS, "projects/p/locations/l/keyRings/r/cryptoKeys/other"),
            ("\"id\": 2", "\"id\": 3"),
            ("\"created_at\": 1800000001", "\"created_at\": 1800000002"),
            // What is bound of all generations.
            ("\"state\": \"pending\"", "\"state\": \"retired\""),
            ("\"state\": \"primary\"", "\"state\": \"retired\""),
            ("\"state\": \"pending\"", "\"retired_at\": 5, \"state\": \"pending\""),
            ("\"version\": 2", "\"version\": 2, \"newest\": 3"),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            assert!(matches!(loaded(&path).open(unwrap), Err(UnwrappedKeyError::Length { .. })), "{from}");
        }
        std::fs::write(&path, &text).unwrap();
        // Two generations with each other's keys.
        std::fs::write(&path, &text).unwrap();
        let mut swapped = loaded(&path);
        let [one, two] = swapped.generations.as_mut_slice() else { panic!("two generations") };
        std::mem::swap(&mut one.wrapped, &mut two.wrapped);
        assert!(matches!(swapped.open(unwrap), Err(UnwrappedKeyError::Length { id: 1 })));
        // One is left out.
        let mut fewer = loaded(&path);
        fewer.generations.pop();
        assert!(matches!(fewer.open(unwrap), Err(UnwrappedKeyError::Length { id: 1 })));
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
        let any = |_: Wrapping<'_, [u8]>| Ok::<_, UnwrappedKeyError>(Zeroizing::new(vec![1; 32]));
        assert_eq!(stored.open(any).unwrap_err(), KeyringError::Primaries { count: 0 }.into());
    }

    #[test]
    fn t34_debug_of_what_is_wrapped_is_redacted() {
        let wrapping = Wrapping { generation: 7, key: &[119_u8; 32], associated_data: Vec::new() };
        assert_eq!(format!("{wrapping:?}"), "Wrapping { generation: 7, .. }");
    }

    #[test]
    fn the_associated_data_are_laid_out_as_documented() {
        let generations = [
            GenerationSummary {
                id: 2,
                state: GenerationState::Retired,
                created_at: UnixTime(3),
                retired_at: Some(UnixTime(5)),
            },
            GenerationSummary {
                id: 4,
                state: GenerationState::Primary,
                created_at: UnixTime(6),
                retired_at: None,
            },
        ];
        let list = list("k", Some(7), &generations);
        assert_eq!(hex::encode(list.0), "21d4bc5c79ee500e03c8db18e229279648e7087c94aad88f5af8305c762f3f4c");
        let data = hex::encode(associated_data("k", 2, UnixTime(3), list));
        let expected = "0000001d766f756368736166652f7631207772617070656420726f6f74206b6579000000016b0000000800000000000000020000000800000000000000\
                        0300000020";
        assert_eq!(data, format!("{expected}{}", hex::encode(list.0)));
    }
}
