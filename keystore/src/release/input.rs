//! The input of a decision, at one epoch, and the decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use vouchsafe_attestation::VerifiedClaims;
use vouchsafe_policy::{
    BaselineError, DecideItem, DecideRequest, Denial, Guardrails, NamedBaseline, PolicyError, Protocol,
    ReleaseGrant, SecretState, decide,
};
use vouchsafe_protocol::{BrokerIdentity, ObjectName, ReleasePaths, SecretPath, UnixTime};

use crate::db::StoreError;
use crate::log::record::GuardrailsRef;
use crate::registry::Registry;
use crate::registry::documents::types::Document;
use crate::registry::names::guardrails_name;
use crate::registry::stored_input::{ActiveSecret, StoredInput, StoredState};

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
        let items = self.items.clone();
        let request = DecideRequest { broker, epoch: self.epoch, now, protocol: Protocol::V1, items };
        decide(claims, &request, &self.guardrails)
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
            SecretState::Absent | SecretState::Retired => false,
        })
    }
}

/// Reads the input of a decision about these paths. Usually without a query.
pub(crate) async fn decision_input(
    registry: &Registry,
    paths: &ReleasePaths,
) -> Result<DecisionInput, DecisionInputError> {
    let stored = registry.stored_input(paths.as_slice()).await?;
    let guardrails = guardrails(registry, stored.guardrails.as_deref()).await?;
    let (mut items, mut active) = (Vec::with_capacity(stored.items.len()), BTreeMap::new());
    for item in &stored.items {
        let secret = match &item.state {
            StoredState::Absent => SecretState::Absent,
            StoredState::Retired => SecretState::Retired,
            StoredState::Active(secret) => {
                active.insert(item.path.clone(), Arc::clone(secret));
                active_state(registry, secret, &stored).await?
            }
        };
        items.push(DecideItem { path: item.path.clone(), secret });
    }
    let guardrails_version = stored.guardrails.as_ref().map(|document| document.version);
    Ok(DecisionInput { epoch: stored.epoch, items, active, guardrails, guardrails_version })
}

/// The guardrails in force, compiled.
pub(crate) async fn guardrails_in_force(registry: &Registry) -> Result<Arc<Guardrails>, DecisionInputError> {
    guardrails(registry, registry.stored_guardrails().await?.as_ref()).await
}

async fn guardrails(
    registry: &Registry,
    stored: Option<&Document>,
) -> Result<Arc<Guardrails>, DecisionInputError> {
    let compiled = registry.compiled().guardrails(stored).await;
    compiled.map_err(|error| {
        let name = stored.map_or_else(guardrails_name, |document| document.name.clone());
        DecisionInputError::Policy { name, error }
    })
}

async fn active_state(
    registry: &Registry,
    secret: &ActiveSecret,
    stored: &StoredInput,
) -> Result<SecretState, DecisionInputError> {
    let failed = |error| DecisionInputError::Policy { name: secret.policy.name.clone(), error };
    let policy = registry.compiled().policy(&secret.policy).await.map_err(failed)?;
    let named = policy.baselines().iter().filter_map(|name| stored.baselines.get(name));
    let baselines = named.map(|document| baseline(registry, document)).collect::<Result<_, _>>()?;
    Ok(SecretState::Active { version: secret.version, purpose: secret.purpose, policy, baselines })
}

fn baseline(registry: &Registry, document: &Document) -> Result<NamedBaseline, DecisionInputError> {
    let failed = |error| DecisionInputError::Baseline { name: document.name.clone(), error };
    let baseline = registry.compiled().baseline(document).map_err(failed)?;
    Ok(NamedBaseline { name: document.name.clone(), revoked: document.revoked, baseline })
}
