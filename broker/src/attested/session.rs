//! A request under a live challenge, bound to its key and its body. Its evidence is not verified yet.

use std::net::IpAddr;
use std::sync::Arc;

use vouchsafe_protocol::messages::{ProposalRequest, ReleaseRequest, VolumeRequest};
use vouchsafe_protocol::request::{CarriedLists, CarriedListsError, HeadersError};
use vouchsafe_protocol::{
    Body, BoundRequest, Bytes, Challenge, DecisionId, Evidence, GuestPublicKey, IdentityKey, RequestDigest,
    SecretPath, Suite, UnixTime,
};

use super::arrival::Arrival;
use super::error::RequestError;
use crate::admission::Network;
use crate::broker::Broker;
use crate::identities::Accepted;
use crate::pool::Lane;
use crate::traces::Trace;
use crate::tries::Try;

/// A request as received: nothing in it has been checked.
pub(crate) struct Received {
    challenge: Challenge,
    suite: Suite,
    public_key: Bytes,
    body: Body,
    evidence: Evidence,
    lists: CarriedLists,
}

impl TryFrom<ReleaseRequest> for Received {
    type Error = HeadersError;

    fn try_from(request: ReleaseRequest) -> Result<Self, HeadersError> {
        let body = request.body()?;
        let ReleaseRequest { challenge, suite, public_key, evidence, .. } = request;
        Ok(Self { challenge, suite, public_key, body, evidence, lists: CarriedLists::default() })
    }
}

impl From<VolumeRequest> for Received {
    fn from(request: VolumeRequest) -> Self {
        let VolumeRequest { challenge, suite, public_key, action, evidence } = request;
        let (body, lists) = (Body::Volume(action), CarriedLists::default());
        Self { challenge, suite, public_key, body, evidence, lists }
    }
}

impl TryFrom<ProposalRequest> for Received {
    type Error = CarriedListsError;

    fn try_from(request: ProposalRequest) -> Result<Self, CarriedListsError> {
        let body = request.body()?;
        let ProposalRequest { challenge, suite, public_key, lists, evidence, .. } = request;
        Ok(Self { challenge, suite, public_key, body, evidence, lists })
    }
}

impl Incoming {
    /// The use of the challenge.
    pub(crate) const fn tried(&self) -> &Arc<Try> {
        self.arrival.tried()
    }

    /// The client's address.
    pub(crate) const fn peer(&self) -> Option<IpAddr> {
        self.arrival.peer()
    }

    /// The client's network.
    pub(crate) const fn network(&self) -> Network {
        self.arrival.network()
    }
}

impl Session {
    /// The client's address.
    pub(crate) const fn peer(&self) -> Option<IpAddr> {
        self.arrival.peer()
    }
}

impl Received {
    /// What is requested, and for which paths.
    pub(crate) const fn body(&self) -> &Body {
        &self.body
    }

    /// The namespaces that it is about.
    pub(crate) fn namespaces(&self) -> String {
        match &self.body {
            Body::Proposal(proposal) => proposal.baseline.namespace().to_owned(),
            Body::Release(_) | Body::Volume(_) => namespaces(self.body.paths()),
        }
    }
}

/// The namespaces of these sorted paths, each once, with blanks between them.
pub(crate) fn namespaces(paths: &[SecretPath]) -> String {
    let mut namespaces: Vec<&str> = paths.iter().map(SecretPath::namespace).collect();
    namespaces.dedup();
    namespaces.join(" ")
}

/// A request as received, with what is known about its arrival.
pub(crate) struct Incoming {
    pub(crate) decision: DecisionId,
    pub(crate) received: Received,
    /// Digest of the request, which the answer is bound to.
    pub(crate) digest: RequestDigest,
    pub(crate) arrival: Arrival,
    pub(crate) now: UnixTime,
    pub(crate) trace: Trace,
}

/// The part of a request that is needed until its answer is sent.
pub(crate) struct Session {
    pub(crate) broker: Arc<Broker>,
    /// The key that signs the answer: that of the identity that the challenge was issued for.
    pub(crate) identity: Arc<IdentityKey>,
    pub(crate) decision: DecisionId,
    /// Digest of the request, which the answer is bound to.
    pub(crate) request: RequestDigest,
    /// When the request was received.
    pub(crate) now: UnixTime,
    /// Last second in which the broker accepts the challenge.
    pub(crate) expires_at: UnixTime,
    pub(crate) trace: Trace,
    pub(super) arrival: Arrival,
}

/// A request under a live challenge of this broker, with the key that its evidence must commit to.
pub(crate) struct Request {
    pub(super) bound: BoundRequest,
    pub(super) evidence: Evidence,
    pub(super) lists: CarriedLists,
    /// The last field, so that its room is released after the evidence.
    pub(super) session: Session,
}

impl Request {
    /// Checks the challenge, then the key, and binds both to the body.
    pub(crate) fn open(broker: &Arc<Broker>, incoming: Incoming) -> Result<Self, RequestError> {
        let Incoming { decision, received, digest: request, arrival, now, trace } = incoming;
        let Received { challenge, suite, public_key, body, evidence, lists } = received;
        let accepted = broker.check(&challenge, now)?;
        let key = match GuestPublicKey::new(suite, &public_key) {
            Ok(key) => key,
            Err(error) => return Err(RequestError::Key { accepted, error }),
        };
        let Accepted { nonce, identity } = accepted;
        let bound = BoundRequest::new(&identity.identity(), nonce, key, body);
        let expires_at = challenge.expires_at;
        let broker = Arc::clone(broker);
        let session = Session { broker, identity, decision, request, now, expires_at, trace, arrival };
        Ok(Self { bound, evidence, lists, session })
    }

    /// The lane in which it is verified and decided.
    pub(crate) fn lane(&self) -> Lane {
        self.session.lane()
    }

    /// Its trace.
    pub(crate) const fn trace(&self) -> &Trace {
        &self.session.trace
    }

    /// Its challenge.
    pub(crate) fn accepted(&self) -> Accepted {
        Accepted { nonce: self.bound.nonce(), identity: Arc::clone(&self.session.identity) }
    }
}
