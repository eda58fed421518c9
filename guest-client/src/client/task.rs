//! What a client requests, one kind of request per route: a release, an action on a volume, or a proposal for a
//! baseline.

use serde::Serialize;
use serde::de::DeserializeOwned;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::messages::{
    ProposalAnswer, ProposalRequest, ProposalState, ReleaseAnswer, ReleaseRequest, VolumeAnswer,
    VolumeRequest, VolumeState,
};
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{
    BaselineProposal, Body, BoundRequest, Bytes, Challenge, DecisionId, Evidence, GuestKey, ReleaseBody,
    RequestDigest, Suite, VolumeAction,
};

use super::stop::{Stop, again, rejected};
use super::{AttemptError, FetchError, Release, Spent};
use crate::transport::Response;

/// A volume as registered after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The id of the broker's record; a request that changed nothing has none.
    pub decision: DecisionId,
    /// What is registered.
    pub state: VolumeState,
}

/// What a baseline says about the next boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The id of the broker's record; a proposal that changed nothing has none.
    pub decision: DecisionId,
    /// Whether the boot is allowed.
    pub state: ProposalState,
}

/// Something that a broker can be asked for.
pub(super) trait Task {
    /// What a pinned identity's answer gives.
    type Done;
    /// The route, by `POST`.
    const ROUTE: &'static str;

    /// What the transcript covers.
    fn body(&self) -> Body;

    /// The request in JSON.
    fn encode(&self, parts: Parts) -> Result<Vec<u8>, FetchError>;

    /// Checks the answer, and opens what is in it.
    fn open(
        response: &Response,
        key: &GuestKey,
        bound: &BoundRequest,
        request: &RequestDigest,
    ) -> Result<Self::Done, Stop>;
}

/// The members that every request has.
pub(super) struct Parts {
    pub(super) challenge: Challenge,
    pub(super) suite: Suite,
    pub(super) public_key: Bytes,
    pub(super) evidence: Evidence,
}

impl Task for ReleaseBody {
    type Done = Release;
    const ROUTE: &'static str = "/v1/release";

    fn body(&self) -> Body {
        Body::Release(self.clone())
    }

    fn encode(&self, parts: Parts) -> Result<Vec<u8>, FetchError> {
        let Parts { challenge, suite, public_key, evidence } = parts;
        let (paths, headers) = (self.paths().clone(), self.headers().clone());
        json(&ReleaseRequest { challenge, suite, public_key, paths, headers, evidence })
    }

    fn open(
        response: &Response,
        key: &GuestKey,
        bound: &BoundRequest,
        request: &RequestDigest,
    ) -> Result<Release, Stop> {
        let answer: ReleaseAnswer = parsed(response)?;
        let decision = answer.decision;
        let opened = answer.open_with(key, bound, request);
        opened
            .map(|secrets| Release { decision, secrets, spent: Spent::default() })
            .map_err(|error| rejected(error, decision))
    }
}

impl Task for VolumeAction {
    type Done = Volume;
    const ROUTE: &'static str = "/v1/volumes";

    fn body(&self) -> Body {
        Body::Volume(self.clone())
    }

    fn encode(&self, parts: Parts) -> Result<Vec<u8>, FetchError> {
        let Parts { challenge, suite, public_key, evidence } = parts;
        json(&VolumeRequest { challenge, suite, public_key, action: self.clone(), evidence })
    }

    fn open(
        response: &Response,
        _key: &GuestKey,
        bound: &BoundRequest,
        request: &RequestDigest,
    ) -> Result<Volume, Stop> {
        let answer: VolumeAnswer = parsed(response)?;
        let decision = answer.decision;
        let opened = answer.open(bound, request);
        opened.map(|state| Volume { decision, state }).map_err(|error| rejected(error, decision))
    }
}

/// A proposal, with the lists that it names.
pub(super) struct Proposing<'a> {
    pub(super) proposal: &'a BaselineProposal,
    pub(super) lists: &'a CarriedLists,
}

impl Task for Proposing<'_> {
    type Done = Proposal;
    const ROUTE: &'static str = "/v1/baseline-proposals";

    fn body(&self) -> Body {
        Body::Proposal(self.proposal.clone())
    }

    fn encode(&self, parts: Parts) -> Result<Vec<u8>, FetchError> {
        let Parts { challenge, suite, public_key, evidence } = parts;
        let (proposal, lists) = (self.proposal.clone(), self.lists.clone());
        json(&ProposalRequest { challenge, suite, public_key, proposal, lists, evidence })
    }

    fn open(
        response: &Response,
        _key: &GuestKey,
        bound: &BoundRequest,
        request: &RequestDigest,
    ) -> Result<Proposal, Stop> {
        let answer: ProposalAnswer = parsed(response)?;
        let decision = answer.decision;
        let opened = answer.open(bound, request);
        opened.map(|state| Proposal { decision, state }).map_err(|error| rejected(error, decision))
    }
}

fn json(request: &impl Serialize) -> Result<Vec<u8>, FetchError> {
    let body = serde_json::to_vec(request).expect("a request has only types that JSON can hold");
    if body.len() > MAX_REQUEST {
        return Err(FetchError::RequestTooLarge { length: body.len() });
    }
    Ok(body)
}

fn parsed<T: DeserializeOwned>(response: &Response) -> Result<T, Stop> {
    let malformed = |_| again(AttemptError::Malformed { status: response.status });
    serde_json::from_slice(&response.body).map_err(malformed)
}
