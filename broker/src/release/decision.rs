//! The decision about a request, and whether a policy names the VM's owner.

use vouchsafe_attestation::VerifiedClaims;
use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::release::DecisionInput;
use vouchsafe_policy::{Denial, ReleaseGrant, VolumeGrant};
use vouchsafe_protocol::{BrokerIdentity, ReasonCode, UnixTime};

use crate::attested::Verified;
use crate::traces::Step;

/// A grant or a denial, and its input.
pub(super) struct Decision<G> {
    pub(super) input: DecisionInput,
    pub(super) verdict: Result<G, Denial>,
}

/// How an input is decided.
type Decide<G> = fn(&DecisionInput, &VerifiedClaims, &BrokerIdentity, UnixTime) -> Result<G, Denial>;

/// Decides a release.
pub(super) fn decide(verified: &Verified) -> Result<Decision<ReleaseGrant>, StoreError> {
    decide_by(verified, DecisionInput::decide)
}

/// Decides an action on a volume.
pub(super) fn decide_volume(verified: &Verified) -> Result<Decision<VolumeGrant>, StoreError> {
    decide_by(verified, DecisionInput::decide_volume)
}

/// Decides in the current epoch. A denial is decided once more if the epoch has changed: unlike a grant, it
/// is not checked against the epoch when it is recorded.
fn decide_by<G>(verified: &Verified, decide: Decide<G>) -> Result<Decision<G>, StoreError> {
    let broker = &verified.session().broker;
    let decision = decide_once(verified, decide)?;
    if decision.verdict.is_ok() || broker.runtime.block_on(broker.keystore.epoch())? == decision.input.epoch()
    {
        return Ok(decision);
    }
    broker.metrics.redecided.inc();
    decide_once(verified, decide)
}

fn decide_once<G>(verified: &Verified, decide: Decide<G>) -> Result<Decision<G>, StoreError> {
    let session = verified.session();
    let broker = &session.broker;
    let mut step = session.trace.step(Step::Decide);
    let paths = verified.claims().bound().body().paths();
    let input = broker.runtime.block_on(broker.keystore.decision_input(paths))?;
    let verdict = decide(&input, verified.claims(), &session.identity.identity(), session.now);
    if verdict.is_err() {
        step.refused(ReasonCode::NotGranted);
    }
    Ok(Decision { input, verdict })
}

impl<G> Decision<G> {
    /// Whether a policy of the requested secrets names this VM's owner.
    pub(super) fn is_for_owner(&self, verified: &Verified) -> bool {
        verified.instance().is_some_and(|instance| self.input.names_project(instance.project_number))
    }
}
