//! The material of a decision, at one epoch.
//!
//! It may come from a cache and may be out of date: the epoch it carries is compared in the
//! transaction that records the grant, and nothing else is relied on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vouchsafe_policy::Purpose;
use vouchsafe_protocol::{ObjectName, SecretPath};

use super::documents::types::Document;
use super::names::SHARED;
use crate::keyring::Generation;
use crate::sealing::SealedSecret;

/// A document, shared between decisions.
pub(crate) type StoredDocument = Arc<Document>;

/// Everything that a decision reads from the keystore, in one consistent view.
#[derive(Clone, Debug)]
pub(crate) struct StoredInput {
    /// The epoch of the view.
    pub(crate) epoch: u64,
    /// One item for each path, in the order of the request.
    pub(crate) items: Vec<StoredItem>,
    /// The stored guardrails, if any.
    pub(crate) guardrails: Option<StoredDocument>,
    /// Baselines of the secrets' namespaces and of `shared`, revoked ones included.
    pub(crate) baselines: BTreeMap<ObjectName, StoredDocument>,
}

/// The item at a path. Only operators can see which state it has.
#[derive(Clone, Debug)]
pub(crate) struct StoredItem {
    /// The path.
    pub(crate) path: SecretPath,
    /// Its state.
    pub(crate) state: StoredState,
}

/// The state of a path.
#[derive(Clone, Debug)]
pub(crate) enum StoredState {
    /// Nothing is loaded.
    Absent,
    /// A secret without an active version.
    Retired,
    /// A secret with an active version, with the policy that guards it.
    Active(Arc<ActiveSecret>),
}

/// A secret with an active version.
#[derive(Debug)]
pub(crate) struct ActiveSecret {
    /// Its path.
    pub(crate) path: SecretPath,
    /// The version to release.
    pub(crate) version: u64,
    /// Its purpose.
    pub(crate) purpose: Purpose,
    /// Whether each instance gets its own value.
    pub(crate) per_instance: bool,
    /// The policy that guards it, in its current version.
    pub(crate) policy: StoredDocument,
    /// Opened with the generation that was in the keyring when it was read: that one may be removed meanwhile.
    pub(crate) generation: Arc<Generation>,
    pub(crate) sealed: SealedSecret,
}

#[derive(Default)]
pub(super) struct Loaded {
    pub(super) guardrails: Option<StoredDocument>,
    pub(super) baselines: HashMap<String, Vec<StoredDocument>>,
    pub(super) items: HashMap<SecretPath, StoredState>,
}

impl Loaded {
    /// The stored input for these paths, `None` when some of it is not here.
    pub(super) fn stored_input(&self, epoch: u64, paths: &[SecretPath]) -> Option<StoredInput> {
        let mut stored = StoredInput {
            epoch,
            items: Vec::with_capacity(paths.len()),
            guardrails: self.guardrails.clone(),
            baselines: BTreeMap::new(),
        };
        for path in paths {
            let state = self.items.get(path)?.clone();
            stored.items.push(StoredItem { path: path.clone(), state });
            for namespace in [path.namespace(), SHARED] {
                let baselines = self.baselines.get(namespace)?;
                stored.baselines.extend(baselines.iter().map(|b| (b.name.clone(), Arc::clone(b))));
            }
        }
        Some(stored)
    }
}

/// Stored input of one epoch. May be lost at any time.
#[derive(Default)]
pub(crate) struct Cache(Mutex<(u64, Loaded)>);

impl Cache {
    /// Drops material older than `epoch`.
    pub(super) fn forget(&self, epoch: u64) {
        let mut cache = self.lock();
        if epoch > cache.0 {
            *cache = (epoch, Loaded::default());
        }
    }

    pub(super) fn lookup(&self, paths: &[SecretPath]) -> Option<StoredInput> {
        let cache = self.lock();
        if paths.is_empty() { None } else { cache.1.stored_input(cache.0, paths) }
    }

    /// The baselines of a namespace as of `epoch`.
    pub(super) fn baselines(&self, epoch: u64, namespace: &str) -> Option<Vec<StoredDocument>> {
        let cache = self.lock();
        cache.1.baselines.get(namespace).filter(|_| cache.0 == epoch).cloned()
    }

    /// Adds loaded material. Guests can request arbitrary paths and namespaces without a secret, so these
    /// never displace others.
    pub(super) fn keep(&self, epoch: u64, mut loaded: Loaded) {
        loaded.items.retain(|_, state| !matches!(state, StoredState::Absent));
        let Loaded { items, baselines, .. } = &mut loaded;
        baselines.retain(|name, _| name == SHARED || items.keys().any(|path| path.namespace() == name));
        let mut cache = self.lock();
        if epoch < cache.0 {
            return;
        }
        if epoch > cache.0 || cache.1.items.len() + loaded.items.len() > MAX_CACHED {
            *cache = (epoch, Loaded::default());
        }
        cache.1.guardrails = loaded.guardrails;
        cache.1.baselines.extend(loaded.baselines);
        cache.1.items.extend(loaded.items);
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Loaded)> {
        // A panic could at most leave an incomplete cache of authenticated rows of one epoch.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Cache {
    /// How many paths and namespaces are kept.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let cache = self.lock();
        (cache.1.items.len(), cache.1.baselines.len())
    }
}

/// Paths whose sealed values are cached, at most 64 KiB each.
const MAX_CACHED: usize = 4096;

#[cfg(test)]
impl ActiveSecret {
    /// Ciphertext and wrapped key.
    pub(crate) fn sealed_bytes(&self) -> (&[u8], &[u8]) {
        (&self.sealed.data, &self.sealed.wrapped_key)
    }
}
