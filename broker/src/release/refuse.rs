//! Refusals: recorded, counted, and answered with only a code.
//!
//! Denials of VMs whose owner a policy names go to the log, rate-limited per instance; all others into
//! bounded memory, since anyone can get authentic evidence. Under a live challenge a refusal is signed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use vouchsafe_keystore::record::{NewRefusal, RecordError, RefusalRecord};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{
    Action, Body, DecisionId, ObjectName, ReasonCode, RequestDigest, SecretPath, UnixTime,
};

use super::error::{Failure, ReleaseError};
use crate::admission::Network;
use crate::attested::{Incoming, RequestError, VmContext, namespaces};
use crate::broker::Broker;
use crate::identities::Accepted;
use crate::problem::HttpProblem;
use crate::refusals::Standing;
use crate::traces::{Trace, TraceId};
use crate::tries::{Try, is_final};

/// A refusal that has been recorded and counted, ready to be sent.
#[derive(Debug)]
pub(crate) struct Refused {
    code: ReasonCode,
    decision: DecisionId,
    /// The challenge that the signature is for.
    challenge: Option<Accepted>,
    retry_after: Option<u32>,
}

/// Refuses a request whose challenge is not live or not accepted any more, before its remaining bytes are read.
pub(crate) fn refuse_challenge(
    broker: &Broker,
    decision: DecisionId,
    peer: Option<IpAddr>,
    at: UnixTime,
    error: impl Into<RequestError>,
) -> HttpProblem {
    let (tried, action, paths, baseline, challenge) = (None, None, Vec::new(), None, None);
    let trace = Trace::default();
    let request = RequestContext { decision, peer, at, trace, tried, action, paths, baseline, challenge };
    let failure = Failure::new(error.into(), VmContext::Unknown);
    refuse(broker, request, failure).unsigned()
}

/// The request that a refusal is about.
pub(super) struct RequestContext {
    decision: DecisionId,
    /// The client's address.
    peer: Option<IpAddr>,
    at: UnixTime,
    trace: Trace,
    /// The use of the challenge and the client's network, if it is live.
    tried: Option<(Arc<Try>, Network)>,
    /// The action, once the request is parsed.
    action: Option<Action>,
    paths: Vec<SecretPath>,
    /// The baseline of a proposal.
    baseline: Option<ObjectName>,
    /// The challenge, once the request is bound to it.
    pub(super) challenge: Option<Accepted>,
}

impl RequestContext {
    pub(super) fn of(incoming: &Incoming) -> Self {
        let (body, peer) = (incoming.received.body(), incoming.peer());
        let paths = body.paths().to_vec();
        let baseline = match body {
            Body::Proposal(proposal) => Some(proposal.baseline.clone()),
            Body::Release(_) | Body::Volume(_) => None,
        };
        let (decision, at) = (incoming.decision, incoming.now);
        let tried = Some((Arc::clone(incoming.tried()), incoming.network()));
        let (action, trace) = (Some(body.action()), incoming.trace.clone());
        Self { decision, peer, at, trace, tried, action, paths, baseline, challenge: None }
    }

    /// The namespaces that the request is about; `None` before it is parsed.
    fn namespaces(&self) -> Option<String> {
        let namespaces = match &self.baseline {
            Some(baseline) => baseline.namespace().to_owned(),
            None => namespaces(&self.paths),
        };
        self.action.map(|_| namespaces)
    }
}

/// Counts a refusal and records it if it is worth a record.
pub(super) fn refuse(broker: &Broker, request: RequestContext, failure: Failure) -> Refused {
    let Failure { error, vm } = failure;
    let (decision, code) = (request.decision, error.code());
    log_failure(decision, &error);
    broker.metrics.refused(code);
    if let Some((tried, network)) = &request.tried {
        tried.refused(code);
        if is_final(code) {
            broker.failed.count(vm.origin(*network), Instant::now());
        }
    }
    if matches!(&*error, ReleaseError::Record(RecordError::Volume(_))) && code == ReasonCode::NotGranted {
        broker.metrics.headers_refused.inc();
    }
    match &vm {
        VmContext::Verified(_) => {
            tracing::info!(
                event = "release.refused",
                %decision,
                outcome = "refused",
                %code,
                instance = vm.instance(),
                namespaces = request.namespaces(),
                peer = request.peer.map(tracing::field::display),
                trace = request.trace.id().map(tracing::field::display),
            );
        }
        VmContext::Certified(_) | VmContext::Unknown => {
            let (peer, namespaces) = (request.peer, request.namespaces());
            log_stranger(broker, Stranger { decision, code, peer, namespaces, trace: request.trace.id() });
        }
    }
    let challenge = request.challenge.as_ref().or(error.accepted()).cloned();
    keep(broker, request, &error, vm);
    // Turning work away must stay cheap: an overloaded broker does not sign.
    let challenge = challenge.filter(|_| code != ReasonCode::Overloaded);
    Refused { code, decision, challenge, retry_after: error.retry_after() }
}

/// The log line of a refusal whose evidence was not verified, which anyone can cause: one for each code at intervals,
/// with the number of refusals since the one before.
pub(crate) fn log_stranger(broker: &Broker, refused: Stranger) {
    let Stranger { decision, code, peer, namespaces, trace } = refused;
    if let Some(count) = broker.stranger_lines.due(code, Instant::now()) {
        tracing::info!(
            event = "release.refused",
            %decision,
            outcome = "refused",
            %code,
            namespaces,
            peer = peer.map(tracing::field::display),
            trace = trace.map(tracing::field::display),
            count,
            "not verified"
        );
    }
}

/// A refused request whose evidence was not verified.
pub(crate) struct Stranger {
    pub(crate) decision: DecisionId,
    pub(crate) code: ReasonCode,
    pub(crate) peer: Option<IpAddr>,
    /// Those that it asked for; the alphabet of a path has nothing to escape.
    pub(crate) namespaces: Option<String>,
    pub(crate) trace: Option<TraceId>,
}

/// Errors that only the broker's own log shows.
fn log_failure(decision: DecisionId, error: &ReleaseError) {
    match error {
        ReleaseError::Record(RecordError::Volume(_) | RecordError::Proposal(_)) => {}
        ReleaseError::Input(_) | ReleaseError::Record(_) => {
            tracing::warn!(event = "release.storage", %decision, %error);
        }
        ReleaseError::Unseal(_) => {
            tracing::error!(event = "release.unseal", %decision, code = %error.code());
        }
        _ => {}
    }
}

/// Records a refusal in the log if it is worth that, otherwise in bounded memory.
fn keep(broker: &Broker, request: RequestContext, error: &ReleaseError, vm: VmContext) {
    let RequestContext { decision, peer, at, trace: _, tried: _, action, paths, baseline, challenge } =
        request;
    let (code, mut reasons) = (error.code(), error.reasons());
    let (mut claims, mut instance, mut evidence) = (None, None, None);
    // A record without this line is that of a release.
    if let Some(action) = action.filter(|action| *action != Action::Release) {
        reasons.insert(0, format!("the request was {}", action.name()));
    }
    let standing = match vm {
        VmContext::Verified(vm) => {
            (claims, instance, evidence) = (Some(vm.claims), vm.instance, vm.evidence);
            Standing::Verified
        }
        // Cheap to cause: its signatures were not verified.
        VmContext::Certified(_) | VmContext::Unknown if code == ReasonCode::RateLimited => {
            Standing::Malformed
        }
        VmContext::Certified(name) => {
            reasons.push(format!("the AK certificate that was shown is that of instance {name}"));
            Standing::Unverified
        }
        VmContext::Unknown if challenge.is_some() => Standing::Unverified,
        VmContext::Unknown => Standing::Malformed,
    };
    let record = RefusalRecord {
        at,
        baseline,
        claims,
        code,
        decision,
        evidence: Vec::new(),
        instance,
        paths,
        peer,
        reasons,
    };
    let is_durable = evidence.is_some_and(|evidence| {
        broker.keystore.record_refusal(NewRefusal { record: record.clone(), evidence })
    });
    if !is_durable && code != ReasonCode::Overloaded {
        broker.metrics.refusals_not_durable.inc();
        broker.refusals.keep(record, standing);
    }
}

impl Refused {
    /// The guest's code.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> ReasonCode {
        self.code
    }

    /// When the guest should retry.
    #[cfg(test)]
    pub(crate) const fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// Whether the refusal carries a signature.
    #[cfg(test)]
    pub(crate) const fn is_signed(&self) -> bool {
        self.challenge.is_some()
    }

    /// The problem for the guest that sent `request`, signed if its challenge was valid.
    pub(crate) fn problem(&self, request: &RequestDigest) -> HttpProblem {
        let Some(Accepted { nonce, identity }) = &self.challenge else { return self.unsigned() };
        let signed = Problem::signed(identity, nonce, request, self.code, self.decision);
        self.complete(signed.into())
    }

    /// The problem for a request without a live challenge of this broker.
    fn unsigned(&self) -> HttpProblem {
        self.complete(HttpProblem::new(self.code))
    }

    fn complete(&self, problem: HttpProblem) -> HttpProblem {
        let problem = problem.under(self.decision);
        match self.retry_after {
            Some(seconds) => problem.retry_after(seconds),
            None => problem,
        }
    }
}
