//! The decision about a release, and whether its VM is that of a known owner.

use vouchsafe_keystore::release::{DecisionInput, DecisionInputError};
use vouchsafe_policy::{Denial, ReleaseGrant};
use vouchsafe_protocol::Body;

use crate::attested::Verified;

/// A grant or a denial, and what it rests on.
pub(super) struct Decision {
    pub(super) input: DecisionInput,
    pub(super) verdict: Result<ReleaseGrant, Denial>,
}

/// Decides in the current epoch; once more when it is a denial whose epoch is over, since no record will notice that.
pub(super) fn decide(verified: &Verified) -> Result<Decision, DecisionInputError> {
    let broker = &verified.session().broker;
    let decision = decide_once(verified)?;
    if decision.verdict.is_ok() || broker.runtime.block_on(broker.keystore.epoch())? == decision.input.epoch()
    {
        return Ok(decision);
    }
    broker.metrics.redecided.inc();
    decide_once(verified)
}

fn decide_once(verified: &Verified) -> Result<Decision, DecisionInputError> {
    let session = verified.session();
    let broker = &session.broker;
    let Body::Release(paths) = verified.claims().bound().body();
    let input = broker.runtime.block_on(broker.keystore.decision_input(paths))?;
    let verdict = input.decide(verified.claims(), &broker.identity(), session.now);
    Ok(Decision { input, verdict })
}

impl Decision {
    /// Whether a policy of what was asked for names the owner of this VM.
    pub(super) fn is_for_owner(&self, verified: &Verified) -> bool {
        verified.instance().is_some_and(|instance| self.input.names_project(instance.project_number))
    }
}
