//! Where storage and policies meet: what may be registered, and the way from paths to opened secrets.
//!
//! [`Keystore::decision_input`] reads what a decision needs in one epoch, [`DecisionInput::decide`] makes the grant
//! or the denial, and [`Keystore::unseal`] opens exactly what a grant names and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quick_cache::sync::Cache;
use vouchsafe_attestation::VerifiedClaims;
use vouchsafe_protocol::{
    BrokerIdentity, Digest32, ObjectName, PlaintextSecret, ReleasePaths, SecretPath, UnixTime,
};

use crate::record::GuardrailsRef;
use crate::store::{
    ActiveSecret, By, DecisionMaterial, Document, DocumentError, DocumentKind, MaterialState, StoreError,
    UnsealError,
};
use crate::{Keystore, store};
use vouchsafe_policy::{
    Baseline, BaselineError, CheckFailures, CompiledPolicy, DecideItem, DecideRequest, Denial, Dropped,
    Guardrails, NamedBaseline, PolicyError, Protocol, PurposeMismatch, ReleaseGrant, SecretState, decide,
};

/// Policies, guardrails and baselines by the digest of their text, ready to decide with. May be lost.
pub(crate) struct Compiled {
    policies: Cache<(ObjectName, Digest32), Arc<CompiledPolicy>>,
    guardrails: Cache<Digest32, Arc<Guardrails>>,
    baselines: Cache<Digest32, Arc<Baseline>>,
    shipped: Arc<Guardrails>,
}

impl Default for Compiled {
    fn default() -> Self {
        Self {
            policies: Cache::new(KEPT),
            guardrails: Cache::new(4),
            baselines: Cache::new(KEPT),
            shipped: Arc::new(Guardrails::shipped()),
        }
    }
}

/// A document was refused, or could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The policy does not parse or validate.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy parses, and would guard badly.
    #[error(transparent)]
    Check(#[from] CheckFailures),
    /// The policy is for another purpose than a secret that rests on it.
    #[error(transparent)]
    Purpose(#[from] PurposeMismatch),
    /// The baseline is none.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// Policies count on the baseline for what this version of it does not list.
    #[error(
        "with this version of baseline {name}, policies that name it would leave something open: {}",
        policies.iter().map(|opened| format!("{}: {}", opened.policy, opened.findings)).collect::<Vec<_>>().join("; ")
    )]
    OpensPolicies {
        /// The baseline.
        name: ObjectName,
        /// The policies, each with what it would leave open.
        policies: Vec<PolicyFindings>,
    },
    /// The baseline has ended: nothing would ever be a member of it.
    #[error("baseline {name} has ended (ends_at {ends_at}): set a later ends_at, or learn it again")]
    EndedBaseline {
        /// Its name.
        name: ObjectName,
        /// When it ended.
        ends_at: UnixTime,
    },
    /// The guardrails lack shipped rules, or have them with other conditions, and the operator did not say so.
    #[error("{}", drops(rules))]
    DropsShippedRules {
        /// The rules by id, and how the text departs from each.
        rules: Vec<(String, Dropped)>,
    },
    /// A rule that is said to be dropped, and is not.
    #[error("rule {id:?} is not dropped: it is in the text as shipped, or no shipped rule has this id")]
    NotDropped {
        /// Its id.
        id: String,
    },
    /// Storage.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Document(error.into())
    }
}

fn drops(rules: &[(String, Dropped)]) -> String {
    let list: Vec<_> = rules.iter().map(|(id, how)| format!("{id} ({how})")).collect();
    format!("these guardrails drop shipped rules: {}; confirm each one with --drop ID", list.join(", "))
}

/// Why the input of a decision could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecisionInputError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored policy or the guardrails do not compile with this version of the broker.
    #[error("{name} does not compile with this version: {error}")]
    Policy {
        /// Its name.
        name: ObjectName,
        /// Why.
        error: PolicyError,
    },
    /// A stored baseline cannot be read by this version.
    #[error("baseline {name} cannot be read by this version: {error}")]
    Baseline {
        /// Its name.
        name: ObjectName,
        /// Why.
        error: BaselineError,
    },
}

/// Everything that a decision about some paths needs, as of one epoch.
#[derive(Debug)]
pub struct DecisionInput {
    epoch: u64,
    items: Vec<DecideItem>,
    active: BTreeMap<SecretPath, Arc<ActiveSecret>>,
    guardrails: Arc<Guardrails>,
    guardrails_version: Option<u64>,
}

impl DecisionInput {
    /// Decides: the only way on is the grant.
    ///
    /// # Errors
    /// The refused paths, each with everything that stands in the way.
    pub fn decide(
        &self,
        claims: &VerifiedClaims,
        broker: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<ReleaseGrant, Denial> {
        let items = self.items.clone();
        let request = DecideRequest { broker, epoch: self.epoch, now, protocol: Protocol::V1, items };
        decide(claims, &request, &self.guardrails)
    }

    /// The epoch that this is of.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The guardrails that it is decided under, for the record.
    #[must_use]
    pub fn guardrails(&self) -> GuardrailsRef {
        GuardrailsRef { digest: self.guardrails.digest(), version: self.guardrails_version }
    }

    /// Whether an active policy of these paths names this project as the owner: refusals of its VMs are
    /// worth a durable record.
    #[must_use]
    pub fn names_project(&self, project_number: u64) -> bool {
        self.items.iter().any(|item| match &item.secret {
            SecretState::Active { policy, .. } => policy.project_numbers().contains(&project_number),
            SecretState::Absent | SecretState::Retired => false,
        })
    }
}

impl Keystore {
    /// Reads what is needed to decide about these paths. Usually without a query.
    ///
    /// # Errors
    /// When the database fails, a row was tampered with, or a stored text no longer compiles.
    pub async fn decision_input(&self, paths: &ReleasePaths) -> Result<DecisionInput, DecisionInputError> {
        let material = self.material(paths.as_slice()).await?;
        let guardrails = self.guardrails_of(material.guardrails.as_deref()).await?;
        let (mut items, mut active) = (Vec::with_capacity(material.items.len()), BTreeMap::new());
        for item in &material.items {
            let secret = match &item.state {
                MaterialState::Absent => SecretState::Absent,
                MaterialState::Retired => SecretState::Retired,
                MaterialState::Active(secret) => {
                    active.insert(item.path.clone(), Arc::clone(secret));
                    self.active_state(secret, &material).await?
                }
            };
            items.push(DecideItem { path: item.path.clone(), secret });
        }
        let guardrails_version = material.guardrails.as_ref().map(|document| document.version);
        Ok(DecisionInput { epoch: material.epoch, items, active, guardrails, guardrails_version })
    }

    /// Opens the secrets of a grant, in its order.
    ///
    /// # Errors
    /// When the grant is not one of `input`, or a value does not open.
    pub fn unseal(
        &self,
        grant: &ReleaseGrant,
        input: &DecisionInput,
    ) -> Result<Vec<PlaintextSecret>, UnsealError> {
        let instance = grant.instance().map(|instance| (instance.project_number, instance.instance_id));
        let not_served = |path: &SecretPath| UnsealError::NotServed { path: path.clone() };
        let open = |granted: &vouchsafe_policy::GrantedRelease| {
            let path = granted.path();
            let secret = input.active.get(path).ok_or_else(|| not_served(path))?;
            let same = secret.version == granted.version()
                && secret.policy.name == *granted.policy()
                && secret.policy.digest == granted.policy_digest()
                && input.epoch == grant.epoch();
            if !same {
                return Err(not_served(path));
            }
            self.unseal_active(secret, instance)
        };
        grant.secrets().iter().map(open).collect()
    }

    /// Revokes a baseline for good: policies that rest on it alone refuse from now on.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revoke_baseline(&self, by: By<'_>, name: &ObjectName) -> Result<(), DocumentError> {
        self.revoke_document(by, DocumentKind::Baseline, name).await
    }

    /// Puts the broker's guardrails, in force at once, in the place of those it has. Returns the version.
    ///
    /// Shipped rules that the text lacks or has with other conditions must all be named in `drop`, and nothing else.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn put_guardrails(
        &self,
        by: By<'_>,
        text: &str,
        drop: &BTreeSet<String>,
    ) -> Result<u64, RegisterError> {
        let checked = text.to_owned();
        let dropped =
            blocking(move || Guardrails::compile(&checked).map(|compiled| compiled.dropped())).await?;
        if let Some(id) = drop.iter().find(|id| !dropped.contains_key(*id)) {
            return Err(RegisterError::NotDropped { id: id.clone() });
        }
        let unsaid: Vec<_> = dropped.into_iter().filter(|(id, _)| !drop.contains(id)).collect();
        if !unsaid.is_empty() {
            return Err(RegisterError::DropsShippedRules { rules: unsaid });
        }
        let name = store::guardrails_name();
        Ok(self.put_document(by, DocumentKind::Guardrails, &name, text).await?)
    }

    /// Brings the shipped guardrails back, in force at once, with this version and those to come. False when they are in
    /// force already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_guardrails(&self, by: By<'_>) -> Result<bool, DocumentError> {
        if self.guardrails().await?.1 {
            return Ok(false);
        }
        self.revoke_document(by, DocumentKind::Guardrails, &store::guardrails_name()).await?;
        Ok(true)
    }

    /// The text of the guardrails in force, and whether they are the shipped ones.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn guardrails(&self) -> Result<(String, bool), StoreError> {
        let stored = self.document(DocumentKind::Guardrails, &store::guardrails_name(), None).await?;
        Ok(stored.filter(|document| !document.revoked).map_or_else(
            || (vouchsafe_policy::SHIPPED_GUARDRAILS.to_owned(), true),
            |document| (document.text, false),
        ))
    }

    async fn active_state(
        &self,
        secret: &ActiveSecret,
        material: &DecisionMaterial,
    ) -> Result<SecretState, DecisionInputError> {
        let failed = |error| DecisionInputError::Policy { name: secret.policy.name.clone(), error };
        let policy = self.compiled(&secret.policy).await.map_err(failed)?;
        let named = policy.baselines().iter().filter_map(|name| material.baselines.get(name));
        let baselines = named.map(|document| self.baseline(document)).collect::<Result<_, _>>()?;
        Ok(SecretState::Active { version: secret.version, purpose: secret.purpose, policy, baselines })
    }

    pub(crate) async fn compiled(&self, document: &Document) -> Result<Arc<CompiledPolicy>, PolicyError> {
        let key = (document.name.clone(), document.digest);
        let compile = async {
            let (name, text) = (document.name.clone(), document.text.clone());
            blocking(move || CompiledPolicy::compile(&name, &text)).await.map(Arc::new)
        };
        self.cache_of_compiled().policies.get_or_insert_async(&key, compile).await
    }

    fn baseline(&self, document: &Document) -> Result<NamedBaseline, DecisionInputError> {
        let baseline = self
            .cache_of_compiled()
            .baselines
            .get_or_insert_with(&document.digest, || Baseline::parse(&document.text).map(Arc::new))
            .map_err(|error| DecisionInputError::Baseline { name: document.name.clone(), error })?;
        Ok(NamedBaseline { name: document.name.clone(), revoked: document.revoked, baseline })
    }

    /// The guardrails in force, compiled.
    ///
    /// # Errors
    /// When the database fails, a row was tampered with, or the stored text no longer compiles.
    pub async fn compiled_guardrails(&self) -> Result<Arc<Guardrails>, DecisionInputError> {
        let stored = self.document(DocumentKind::Guardrails, &store::guardrails_name(), None).await?;
        self.guardrails_of(stored.as_ref().filter(|document| !document.revoked)).await
    }

    async fn guardrails_of(&self, stored: Option<&Document>) -> Result<Arc<Guardrails>, DecisionInputError> {
        let cache = self.cache_of_compiled();
        let Some(document) = stored else {
            return Ok(Arc::clone(&cache.shipped));
        };
        let compile = async {
            let text = document.text.clone();
            blocking(move || Guardrails::compile(&text)).await.map(Arc::new)
        };
        let compiled = cache.guardrails.get_or_insert_async(&document.digest, compile).await;
        compiled.map_err(|error| DecisionInputError::Policy { name: document.name.clone(), error })
    }
}

/// Runs work that takes long on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Compiled policies that are kept; one takes some 100 kB.
const KEPT: usize = 1024;

mod registration;
#[cfg(test)]
mod tests;

pub use registration::PolicyFindings;
pub(crate) use registration::compile;
