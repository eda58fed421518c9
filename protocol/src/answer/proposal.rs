//! Answers about proposals, signed like the answer to a release.

use super::{AnswerError, DecisionId, RequestDigest};
use crate::encoding::Bytes;
use crate::hashing::Preimage;
use crate::identity::IdentityKey;
use crate::messages::{ProposalAnswer, ProposalState};
use crate::request::{Body, BoundRequest, Transcript};

impl ProposalAnswer {
    /// Signs an answer to `request`: what the baseline says about the proposed boot.
    #[must_use]
    pub fn sign(
        key: &IdentityKey,
        transcript: &Transcript,
        request: &RequestDigest,
        decision: DecisionId,
        proposal: ProposalState,
    ) -> Self {
        let signature = Bytes(key.sign(&preimage(transcript, request, decision, &proposal)));
        Self { decision, proposal, signature }
    }

    /// Checks the answer to `request`: the signature of the broker in the guest's own transcript.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing of a refused answer is used.
    pub fn open(&self, bound: &BoundRequest, request: &RequestDigest) -> Result<ProposalState, AnswerError> {
        let preimage = preimage(&bound.transcript(), request, self.decision, &self.proposal);
        if !bound.broker().signed(&preimage, &self.signature) {
            return Err(AnswerError::Signature);
        }
        match bound.body() {
            Body::Proposal(_) => Ok(self.proposal),
            Body::Release(_) | Body::Volume(_) => Err(AnswerError::OtherAction),
        }
    }
}

// Proposal answer = label || transcript || SHA-256(request as sent) || decision id || state || proposal id or nothing
//                   || time of expiry or nothing, each length-prefixed; numbers as 8 bytes big-endian.
fn preimage(
    transcript: &Transcript,
    request: &RequestDigest,
    decision: DecisionId,
    proposal: &ProposalState,
) -> Vec<u8> {
    let (id, until) = match proposal {
        ProposalState::Allowed => (None, None),
        ProposalState::Pending { id, until } | ProposalState::Rejected { id, until } => (Some(id), *until),
    };
    let until = until.map(|until| until.0.to_be_bytes());
    Preimage::new(PROPOSAL_ANSWER_LABEL)
        .field(transcript.as_bytes())
        .field(request.0.as_bytes())
        .field(&decision.0)
        .text(proposal.name())
        .field(id.map_or(&[], |id| id.0.as_bytes()))
        .field(until.as_ref().map_or(&[], <[u8; 8]>::as_slice))
        .into_bytes()
}

const PROPOSAL_ANSWER_LABEL: &[u8] = b"vouchsafe/v1 proposal answer";

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::challenge::Nonce;
    use crate::digest::Digest32;
    use crate::path::{ObjectName, SecretPath};
    use crate::reference_values::{ReferenceComponent, ReferenceEvent};
    use crate::request::{BaselineProposal, ProposalId, ProposedEvents, ReleasePaths};
    use crate::suite::Suite;
    use crate::time::UnixTime;
    use crate::wrap::GuestKey;

    fn broker(seed: u8) -> IdentityKey {
        IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn bound(body: Body) -> BoundRequest {
        let key = GuestKey::derive(Suite::X25519, &[3; 32]).public().clone();
        BoundRequest::new(&broker(1).identity(), Nonce([8; 32]), key, body)
    }

    fn proposing() -> BoundRequest {
        let (component, digest) = (ReferenceComponent::Kernel, Digest32([5; 32]));
        let events = ProposedEvents::new(vec![ReferenceEvent { pcr: 9, component, digest }]).unwrap();
        let baseline = ObjectName::parse("n/b").unwrap();
        bound(Body::Proposal(BaselineProposal { baseline, events, lists: Vec::new() }))
    }

    fn request() -> RequestDigest {
        RequestDigest::of(b"a request, as sent")
    }

    fn answer(bound: &BoundRequest, proposal: ProposalState) -> ProposalAnswer {
        ProposalAnswer::sign(&broker(1), &bound.transcript(), &request(), DecisionId([1; 16]), proposal)
    }

    fn states() -> [ProposalState; 5] {
        let (id, until) = (ProposalId(Digest32([6; 32])), Some(UnixTime(7)));
        [
            ProposalState::Allowed,
            ProposalState::Pending { id, until: None },
            ProposalState::Pending { id, until },
            ProposalState::Rejected { id, until: None },
            ProposalState::Rejected { id, until },
        ]
    }

    #[test]
    fn an_answer_is_for_a_proposal() {
        for state in states() {
            assert_eq!(answer(&proposing(), state).open(&proposing(), &request()), Ok(state));
        }
        let paths = ReleasePaths::new(vec![SecretPath::parse("n/a").unwrap()]).unwrap();
        let release = bound(Body::Release(paths.into()));
        let opened = answer(&release, ProposalState::Allowed).open(&release, &request());
        assert_eq!(opened, Err(AnswerError::OtherAction));
    }

    #[test]
    fn everything_in_an_answer_is_signed() {
        let bound = proposing();
        for (i, state) in states().into_iter().enumerate() {
            let good = answer(&bound, state);
            for (_, other) in states().into_iter().enumerate().filter(|(j, _)| i != *j) {
                let changed = ProposalAnswer { proposal: other, ..good.clone() };
                assert_eq!(changed.open(&bound, &request()), Err(AnswerError::Signature));
            }
            let renumbered = ProposalAnswer { decision: DecisionId([2; 16]), ..good.clone() };
            assert_eq!(renumbered.open(&bound, &request()), Err(AnswerError::Signature));
            let other = RequestDigest::of(b"another request");
            assert_eq!(good.open(&bound, &other), Err(AnswerError::Signature));
        }
        let id = ProposalId(Digest32([9; 32]));
        let changed = ProposalAnswer {
            proposal: ProposalState::Pending { id, until: None },
            ..answer(&bound, states()[1])
        };
        assert_eq!(changed.open(&bound, &request()), Err(AnswerError::Signature));
        let (transcript, allowed) = (bound.transcript(), ProposalState::Allowed);
        let forged = ProposalAnswer::sign(&broker(2), &transcript, &request(), DecisionId([1; 16]), allowed);
        assert_eq!(forged.open(&bound, &request()), Err(AnswerError::Signature));
    }
}
