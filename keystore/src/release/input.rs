//! The input of a decision, at one epoch, and the decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use vouchsafe_attestation::VerifiedClaims;
use vouchsafe_policy::{
    DecideItem, DecideRequest, Denial, Guardrails, NamedBaseline, PolicyError, Protocol, ReleaseGrant,
    SecretState, UnreadableDocument, VolumeGrant, decide, decide_volume,
};
use vouchsafe_protocol::{BrokerIdentity, ObjectName, SecretPath, UnixTime};

use crate::db::StoreError;
use crate::log::record::GuardrailsRef;
use crate::registry::Registry;
use crate::registry::names::guardrails_name;
use crate::registry::stored_input::{ActiveSecret, StoredInput, StoredState};

/// Why the guardrails in force are not known.
#[derive(Debug, thiserror::Error)]
pub enum GuardrailsError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They do not compile with this version of the broker.
    #[error("{}", unreadable(GUARDRAILS, &guardrails_name(), .0))]
    Unreadable(PolicyError),
}

/// Everything that a decision about some paths needs, at one epoch.
#[derive(Debug)]
pub struct DecisionInput {
    pub(super) epoch: u64,
    items: Vec<DecideItem>,
    pub(super) active: BTreeMap<SecretPath, Arc<ActiveSecret>>,
    guardrails: Arc<Guardrails>,
    guardrails_version: Option<u64>,
}

impl DecisionInput {
    /// Decides. Only a grant allows the release.
    ///
    /// # Errors
    /// The refused paths, each with all reasons.
    pub fn decide(
        &self,
        claims: &VerifiedClaims,
        broker: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<ReleaseGrant, Denial> {
        decide(claims, &self.request(broker, now), &self.guardrails)
    }

    /// Decides an action on a volume by the same rules. Only its grant allows the change.
    ///
    /// # Errors
    /// The reasons why the path is refused.
    pub fn decide_volume(
        &self,
        claims: &VerifiedClaims,
        broker: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<VolumeGrant, Denial> {
        decide_volume(claims, &self.request(broker, now), &self.guardrails)
    }

    fn request<'a>(&self, broker: &'a BrokerIdentity, now: UnixTime) -> DecideRequest<'a> {
        let items = self.items.clone();
        DecideRequest { broker, epoch: self.epoch, now, protocol: Protocol::V1, items }
    }

    /// The epoch of this input.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The guardrails of the decision, for the record.
    #[must_use]
    pub fn guardrails(&self) -> GuardrailsRef {
        GuardrailsRef { digest: self.guardrails.digest(), version: self.guardrails_version }
    }

    /// Whether an active policy of these paths names this project as the owner: then refusals of its VMs are
    /// worth a durable record.
    #[must_use]
    pub fn names_project(&self, project_number: u64) -> bool {
        self.items.iter().any(|item| match &item.secret {
            SecretState::Active { policy, .. } => policy.project_numbers().contains(&project_number),
            SecretState::Unreadable { policy: Some(policy), .. } => {
                policy.project_numbers().contains(&project_number)
            }
            SecretState::Absent | SecretState::Retired | SecretState::Unreadable { policy: None, .. } => {
                false
            }
        })
    }
}

/// Reads the input of a decision about these paths. Usually without a query.
///
/// A document that an earlier version stored and this version cannot read denies the paths that depend on it, with
/// the reason.
pub(crate) async fn decision_input(
    registry: &Registry,
    paths: &[SecretPath],
) -> Result<DecisionInput, StoreError> {
    let stored = registry.stored_input(paths).await?;
    let compiled = registry.compiled().guardrails(stored.guardrails.as_deref()).await;
    let unread = compiled.as_ref().err().map(|error| unreadable(GUARDRAILS, &guardrails_name(), error));
    let (mut items, mut active) = (Vec::with_capacity(stored.items.len()), BTreeMap::new());
    for item in &stored.items {
        let secret = match &item.state {
            StoredState::Absent => SecretState::Absent,
            StoredState::Retired => SecretState::Retired,
            StoredState::Active(secret) => {
                active.insert(item.path.clone(), Arc::clone(secret));
                active_state(registry, secret, &stored, unread.as_ref()).await
            }
        };
        items.push(DecideItem { path: item.path.clone(), secret });
    }
    Ok(DecisionInput {
        epoch: stored.epoch,
        items,
        active,
        // Where those in force cannot be read, no item is Active: nothing is decided under these.
        guardrails: compiled.unwrap_or_else(|_| registry.compiled().shipped_guardrails()),
        guardrails_version: stored.guardrails.as_ref().map(|document| document.version),
    })
}

/// The guardrails in force, compiled.
pub(crate) async fn guardrails_in_force(registry: &Registry) -> Result<Arc<Guardrails>, GuardrailsError> {
    let stored = registry.stored_guardrails().await?;
    registry.compiled().guardrails(stored.as_ref()).await.map_err(GuardrailsError::Unreadable)
}

/// The state of a secret that is served; `guardrails` are those in force if they cannot be read.
async fn active_state(
    registry: &Registry,
    secret: &ActiveSecret,
    stored: &StoredInput,
    guardrails: Option<&UnreadableDocument>,
) -> SecretState {
    let policy = match registry.compiled().policy(&secret.policy).await {
        Ok(policy) => policy,
        Err(error) => {
            let document = unreadable("policy", &secret.policy.name, &error);
            return SecretState::Unreadable { document, policy: None };
        }
    };
    if let Some(document) = guardrails.cloned() {
        return SecretState::Unreadable { document, policy: Some(policy) };
    }
    let named = policy.baselines().iter().filter_map(|name| stored.baselines.get(name));
    let baselines = named.map(|document| NamedBaseline {
        name: document.name.clone(),
        revoked: document.revoked,
        baseline: registry.compiled().baseline(document),
    });
    let baselines = baselines.collect();
    SecretState::Active { version: secret.version, purpose: secret.purpose, policy, baselines }
}

fn unreadable(document: &'static str, name: &ObjectName, error: &PolicyError) -> UnreadableDocument {
    UnreadableDocument { document, name: name.clone(), detail: error.to_string() }
}

const GUARDRAILS: &str = "guardrails";
