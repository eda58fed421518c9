//! An action on a volume: decided like a release of its secret, and recorded; nothing is unsealed.

use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::record::{GuardrailsRef, NewVolume, RecordError};
use vouchsafe_policy::VolumeGrant;
use vouchsafe_protocol::messages::VolumeState;

use super::commit::Action;
use super::decision::{Decision, decide_volume};
use super::error::{Failure, ReleaseError};
use super::pipeline::{binding, denied};
use crate::attested::{Verified, instance_name};

/// The actions on volumes.
pub(super) enum Volume {}

/// A change that takes effect once it is recorded.
pub(super) struct Prepared {
    verified: Verified,
    new: NewVolume,
}

impl Action for Volume {
    type Prepared = Prepared;
    type Done = VolumeState;

    fn prepare(verified: Verified) -> Result<Prepared, Failure> {
        let decision = decide_volume(&verified)
            .map_err(|error| Failure::new(ReleaseError::from(error), verified.context()))?;
        let is_for_owner = decision.is_for_owner(&verified);
        let Decision { input, verdict } = decision;
        let grant = verdict.map_err(|denial| denied(&verified, denial, is_for_owner))?;
        let new = record_of(&verified, &grant, input.guardrails());
        Ok(Prepared { verified, new })
    }

    fn record(
        Prepared { verified, new }: Prepared,
        keystore: &Keystore,
        then: impl FnOnce(Verified, Result<VolumeState, RecordError>) + Send + 'static,
    ) {
        keystore.record_volume_then(new, move |result| then(verified, result));
    }
}

fn record_of(verified: &Verified, grant: &VolumeGrant, guardrails: GuardrailsRef) -> NewVolume {
    let session = verified.session();
    NewVolume {
        action: grant.action().clone(),
        at: session.now,
        binding: binding(grant.bound()),
        claims: verified.claims_digest(),
        decision: session.decision,
        epoch: grant.epoch(),
        evidence: verified.evidence().to_vec(),
        guardrails,
        instance: instance_name(grant.instance()),
        nonce: grant.bound().nonce(),
        nonce_expires_at: session.expires_at,
        peer: session.peer(),
        policy: grant.policy().clone(),
        policy_digest: grant.policy_digest(),
    }
}
