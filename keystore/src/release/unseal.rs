//! Opens exactly what a grant names and nothing else.

use vouchsafe_policy::{GrantedRelease, ReleaseGrant};
use vouchsafe_protocol::{PlaintextSecret, SecretPath};

use super::input::DecisionInput;
use crate::registry::stored_input::ActiveSecret;
use crate::sealing::{SealContext, SealError, instance_secret};

/// Why a granted secret was not unsealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// The grant is for a secret that is not active in the input of the decision.
    #[error("{path} is not active in the input of the decision")]
    NotServed {
        /// The path.
        path: SecretPath,
    },
    /// The secret has a value per instance, but the claims name no instance.
    #[error("{path} has a value for each instance, but the evidence names no instance")]
    NoInstance {
        /// The path.
        path: SecretPath,
    },
    /// It does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The secrets of a grant, in its order.
pub(crate) fn unseal(
    grant: &ReleaseGrant,
    input: &DecisionInput,
) -> Result<Vec<PlaintextSecret>, UnsealError> {
    let instance = grant.instance().map(|instance| (instance.project_number, instance.instance_id));
    let not_served = |path: &SecretPath| UnsealError::NotServed { path: path.clone() };
    let open = |granted: &GrantedRelease| {
        let path = granted.path();
        let secret = input.active.get(path).ok_or_else(|| not_served(path))?;
        let same = secret.version == granted.version()
            && secret.policy.name == *granted.policy()
            && secret.policy.digest == granted.policy_digest()
            && input.epoch == grant.epoch();
        if !same {
            return Err(not_served(path));
        }
        unseal_active(secret, instance)
    };
    grant.secrets().iter().map(open).collect()
}

/// The value of an active secret. `instance`: project number and instance id. Only called by [`unseal`],
/// which takes a grant.
pub(crate) fn unseal_active(
    active: &ActiveSecret,
    instance: Option<(u64, u64)>,
) -> Result<PlaintextSecret, UnsealError> {
    let context = SealContext { path: &active.path, version: active.version, policy: &active.policy.name };
    let secret = active.sealed.unseal(&active.generation, context)?;
    if !active.per_instance {
        return Ok(secret);
    }
    let (project, id) = instance.ok_or_else(|| UnsealError::NoInstance { path: active.path.clone() })?;
    Ok(instance_secret(&secret, project, id))
}
