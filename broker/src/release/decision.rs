//! The decision about a release, and whether a policy names the VM's owner.

use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::release::DecisionInput;
use vouchsafe_policy::{Denial, ReleaseGrant};

use crate::attested::Verified;

/// A grant or a denial, and its input.
pub(super) struct Decision {
    pub(super) input: DecisionInput,
    pub(super) verdict: Result<ReleaseGrant, Denial>,
}

/// Decides in the current epoch. A denial is decided once more if the epoch has changed: unlike a grant, it
/// is not checked against the epoch when it is recorded.
pub(super) fn decide(verified: &Verified) -> Result<Decision, StoreError> {
    let broker = &verified.session().broker;
    let decision = decide_once(verified)?;
    if decision.verdict.is_ok() || broker.runtime.block_on(broker.keystore.epoch())? == decision.input.epoch()
    {
        return Ok(decision);
    }
    broker.metrics.redecided.inc();
    decide_once(verified)
}

fn decide_once(verified: &Verified) -> Result<Decision, StoreError> {
    let session = verified.session();
    let broker = &session.broker;
    let paths = verified.claims().bound().body().paths();
    let input = broker.runtime.block_on(broker.keystore.decision_input(paths))?;
    let verdict = input.decide(verified.claims(), &broker.identity(), session.now);
    Ok(Decision { input, verdict })
}

impl Decision {
    /// Whether a policy of the requested secrets names this VM's owner.
    pub(super) fn is_for_owner(&self, verified: &Verified) -> bool {
        verified.instance().is_some_and(|instance| self.input.names_project(instance.project_number))
    }
}
