//! What a decision is made from, as of one epoch, and unsealing.
//!
//! Material may come from a cache and may be out of date: the epoch it carries is compared in the
//! transaction that records the grant, and nothing else is relied on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;
use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath};

use super::dialect::Connection;
use super::documents::{self, Document, DocumentKind};
use super::rows::{self, RowCheck};
use super::secrets::{self, SHARED, VersionState};
use super::{Keystore, StoreError};
use crate::sealing::{Place, SealError, SealedSecret, instance_secret};
use vouchsafe_policy::Purpose;

/// A document, shared between decisions.
pub type StoredDocument = Arc<Document>;

/// Everything that a decision reads from the keystore, in one consistent view.
#[derive(Clone, Debug)]
pub struct DecisionMaterial {
    /// The epoch of the view.
    pub epoch: u64,
    /// One item for each path, in the order asked for.
    pub items: Vec<MaterialItem>,
    /// The broker's guardrails, when there are any.
    pub guardrails: Option<StoredDocument>,
    /// Baselines of the secrets' namespaces and of `shared`, revoked ones included.
    pub baselines: BTreeMap<ObjectName, StoredDocument>,
}

/// What there is at a path. Only the operators are told the difference.
#[derive(Clone, Debug)]
pub struct MaterialItem {
    /// The path.
    pub path: SecretPath,
    /// What is there.
    pub state: MaterialState,
}

/// What there is at a path.
#[derive(Clone, Debug)]
pub enum MaterialState {
    /// Nothing.
    Absent,
    /// A secret without an active version.
    Retired,
    /// A secret that is served, with the policy that guards it.
    Active(Arc<ActiveSecret>),
}

/// A secret that is served.
#[derive(Debug)]
pub struct ActiveSecret {
    /// Its path.
    pub path: SecretPath,
    /// The version that is served.
    pub version: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether each instance gets a value of its own.
    pub per_instance: bool,
    /// The policy that guards it, in its current version.
    pub policy: StoredDocument,
    sealed: SealedSecret,
}

/// Why a granted secret was not unsealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// The grant is for a secret that this material does not serve.
    #[error("{path} is not served by this material")]
    NotServed {
        /// The path.
        path: SecretPath,
    },
    /// A value for each instance, and the claims name no instance.
    #[error("{path} has a value for each instance, and the evidence names no instance")]
    NoInstance {
        /// The path.
        path: SecretPath,
    },
    /// It does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Keystore {
    /// What is needed to decide about these paths. Usually without a query.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn material(&self, paths: &[SecretPath]) -> Result<DecisionMaterial, StoreError> {
        if let Some(material) = self.0.cache.lookup(paths) {
            return Ok(material);
        }
        let mut read = self.read().await?;
        let check = self.check(read.epoch);
        let guardrails = guardrails_name();
        let mut loaded = Loaded::default();
        let policy =
            documents::read_current(&mut read.tx, check, DocumentKind::Guardrails, &guardrails).await?;
        // After a reset the shipped ones are in force.
        loaded.guardrails = policy.filter(|document| !document.revoked).map(Arc::new);
        for path in paths {
            for namespace in [path.namespace(), SHARED] {
                if !loaded.baselines.contains_key(namespace) {
                    let baselines = match self.0.cache.baselines(read.epoch, namespace) {
                        Some(baselines) => baselines,
                        None => load_baselines(&mut read.tx, check, namespace).await?,
                    };
                    loaded.baselines.insert(namespace.to_owned(), baselines);
                }
            }
            let state = load_item(&mut read.tx, check, path).await?;
            loaded.items.insert(path.clone(), state);
        }
        let material = loaded.material(read.epoch, paths);
        self.0.cache.keep(read.epoch, loaded);
        material.ok_or_else(|| rows::tampered("secrets", "material"))
    }

    /// The value of a secret that is served. `instance`: project number and instance id. Asked for by
    /// [`Keystore::unseal`] alone, which takes a grant.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub(crate) fn unseal_active(
        &self,
        active: &ActiveSecret,
        instance: Option<(u64, u64)>,
    ) -> Result<PlaintextSecret, UnsealError> {
        let place = Place { path: &active.path, version: active.version, policy: &active.policy.name };
        let secret = active.sealed.unseal(&self.0.keyring, place)?;
        if !active.per_instance {
            return Ok(secret);
        }
        let (project, id) = instance.ok_or_else(|| UnsealError::NoInstance { path: active.path.clone() })?;
        Ok(instance_secret(&secret, project, id))
    }
}

async fn load_item(
    connection: &mut Connection,
    check: RowCheck<'_>,
    path: &SecretPath,
) -> Result<MaterialState, StoreError> {
    let Some(secret) = secrets::read_secret(connection, check, path).await? else {
        return Ok(MaterialState::Absent);
    };
    let versions = secrets::read_versions(connection, check, &secret).await?;
    let Some(served) = versions.iter().rev().find(|version| version.state == VersionState::Active) else {
        return Ok(MaterialState::Retired);
    };
    let policy = documents::read_current(connection, check, DocumentKind::Policy, &secret.policy).await?;
    // A secret without a policy cannot exist: whoever removed it did not go through us.
    let policy = policy.ok_or_else(|| rows::tampered("documents", secret.policy.as_str()))?;
    let sealed = secrets::read_sealed(connection, path, served.version).await?;
    Ok(MaterialState::Active(Arc::new(ActiveSecret {
        path: path.clone(),
        version: served.version,
        purpose: secret.purpose,
        per_instance: secret.per_instance,
        policy: Arc::new(policy),
        sealed,
    })))
}

async fn load_baselines(
    connection: &mut Connection,
    check: RowCheck<'_>,
    namespace: &str,
) -> Result<Vec<StoredDocument>, StoreError> {
    let rows = sqlx::query("SELECT name FROM documents WHERE kind = 'baseline' AND name LIKE $1 ESCAPE '\\'")
        .bind(format!("{}/%", namespace.replace('_', "\\_")))
        .fetch_all(&mut *connection)
        .await?;
    let mut baselines = Vec::with_capacity(rows.len());
    let kind = DocumentKind::Baseline;
    let mut found = BTreeSet::new();
    for row in rows {
        let text: String = row.try_get("name")?;
        let name = ObjectName::parse(&text).map_err(|_| rows::tampered("documents", &text))?;
        found.insert(documents::head_key(kind, &text));
        baselines.extend(documents::read_current(connection, check, kind, &name).await?.map(Arc::new));
    }
    check.complete(documents::HEADS, &documents::head_key(kind, &format!("{namespace}/")), &found)?;
    Ok(baselines)
}

/// The name of the one document of its kind.
pub(crate) fn guardrails_name() -> ObjectName {
    ObjectName::parse("shared/guardrails").expect("a constant that a test parses")
}

#[derive(Default)]
struct Loaded {
    guardrails: Option<StoredDocument>,
    baselines: HashMap<String, Vec<StoredDocument>>,
    items: HashMap<SecretPath, MaterialState>,
}

impl Loaded {
    /// The material for these paths, `None` when some of it is not here.
    fn material(&self, epoch: u64, paths: &[SecretPath]) -> Option<DecisionMaterial> {
        let mut material = DecisionMaterial {
            epoch,
            items: Vec::with_capacity(paths.len()),
            guardrails: self.guardrails.clone(),
            baselines: BTreeMap::new(),
        };
        for path in paths {
            let state = self.items.get(path)?.clone();
            material.items.push(MaterialItem { path: path.clone(), state });
            for namespace in [path.namespace(), SHARED] {
                let baselines = self.baselines.get(namespace)?;
                material.baselines.extend(baselines.iter().map(|b| (b.name.clone(), Arc::clone(b))));
            }
        }
        Some(material)
    }
}

/// Material of one epoch. May be lost at any time.
#[derive(Default)]
pub(super) struct Cache(Mutex<(u64, Loaded)>);

impl Cache {
    /// Drops what is older than `epoch`.
    pub(super) fn forget(&self, epoch: u64) {
        let mut cache = self.lock();
        if epoch > cache.0 {
            *cache = (epoch, Loaded::default());
        }
    }

    fn lookup(&self, paths: &[SecretPath]) -> Option<DecisionMaterial> {
        let cache = self.lock();
        if paths.is_empty() { None } else { cache.1.material(cache.0, paths) }
    }

    /// The baselines of a namespace as of `epoch`.
    fn baselines(&self, epoch: u64, namespace: &str) -> Option<Vec<StoredDocument>> {
        let cache = self.lock();
        cache.1.baselines.get(namespace).filter(|_| cache.0 == epoch).cloned()
    }

    /// Keeps what is there. Paths and namespaces without a secret are whatever guests come up with: they
    /// take no room from those with one.
    fn keep(&self, epoch: u64, mut loaded: Loaded) {
        loaded.items.retain(|_, state| !matches!(state, MaterialState::Absent));
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
        // What a panic could leave half-written is only a cache of authenticated rows of one epoch.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Keystore {
    /// How many paths and namespaces are kept.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let cache = self.0.cache.lock();
        (cache.1.items.len(), cache.1.baselines.len())
    }
}

/// Paths whose sealed values are kept in memory, at most 64 KiB each.
const MAX_CACHED: usize = 4096;

#[cfg(test)]
impl ActiveSecret {
    /// Ciphertext and wrapped key.
    pub(crate) fn sealed_bytes(&self) -> (&[u8], &[u8]) {
        (&self.sealed.data, &self.sealed.wrapped_key)
    }
}
