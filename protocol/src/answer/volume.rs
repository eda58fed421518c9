//! Answers about volumes, signed like the answer to a release.

use super::{AnswerError, DecisionId, RequestDigest};
use crate::encoding::Bytes;
use crate::hashing::Preimage;
use crate::identity::IdentityKey;
use crate::messages::{VolumeAnswer, VolumeState};
use crate::request::{Body, BoundRequest, Transcript, VolumeAction};

impl VolumeAnswer {
    /// Signs an answer to `request`: the state of the volume after it.
    #[must_use]
    pub fn sign(
        key: &IdentityKey,
        transcript: &Transcript,
        request: &RequestDigest,
        decision: DecisionId,
        volume: VolumeState,
    ) -> Self {
        let signature = Bytes(key.sign(&preimage(transcript, request, decision, &volume)));
        Self { decision, volume, signature }
    }

    /// Checks the answer to `request`: the signature of the broker in the guest's own transcript, then that the
    /// volume has the requested header.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing of a refused answer is used.
    pub fn open(&self, bound: &BoundRequest, request: &RequestDigest) -> Result<VolumeState, AnswerError> {
        let preimage = preimage(&bound.transcript(), request, self.decision, &self.volume);
        if !bound.broker().signed(&preimage, &self.signature) {
            return Err(AnswerError::Signature);
        }
        let VolumeState { current, pending, .. } = self.volume;
        let is_requested = match bound.body() {
            Body::Volume(VolumeAction::RegisterVolume { digest, .. }) => current == *digest,
            Body::Volume(VolumeAction::AdvanceVolume { from, to, .. }) => {
                current == *from && pending == Some(*to)
            }
            Body::Release(_) | Body::Proposal(_) => false,
        };
        if is_requested { Ok(self.volume) } else { Err(AnswerError::OtherHeader) }
    }
}

// Volume answer = label || transcript || SHA-256(request as sent) || decision id || generation || current header digest
//                 || pending header digest or nothing, each length-prefixed; numbers as 8 bytes big-endian.
fn preimage(
    transcript: &Transcript,
    request: &RequestDigest,
    decision: DecisionId,
    volume: &VolumeState,
) -> Vec<u8> {
    let pending: &[u8] = volume.pending.as_ref().map_or(&[], |digest| digest.as_bytes());
    Preimage::new(VOLUME_ANSWER_LABEL)
        .field(transcript.as_bytes())
        .field(request.0.as_bytes())
        .field(&decision.0)
        .number(volume.generation)
        .field(volume.current.as_bytes())
        .field(pending)
        .into_bytes()
}

const VOLUME_ANSWER_LABEL: &[u8] = b"vouchsafe/v1 volume answer";

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::challenge::Nonce;
    use crate::digest::Digest32;
    use crate::path::SecretPath;
    use crate::request::ReleasePaths;
    use crate::suite::Suite;
    use crate::wrap::GuestKey;

    const OLD: Digest32 = Digest32([1; 32]);
    const NEXT: Digest32 = Digest32([2; 32]);

    fn broker(seed: u8) -> IdentityKey {
        IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn path() -> SecretPath {
        SecretPath::parse("n/a").unwrap()
    }

    fn bound(body: Body) -> BoundRequest {
        let key = GuestKey::derive(Suite::X25519, &[3; 32]).public().clone();
        BoundRequest::new(&broker(1).identity(), Nonce([8; 32]), key, body)
    }

    fn advance() -> BoundRequest {
        bound(Body::Volume(VolumeAction::AdvanceVolume { path: path(), from: OLD, to: NEXT }))
    }

    fn request() -> RequestDigest {
        RequestDigest::of(b"a request, as sent")
    }

    fn state(pending: Option<Digest32>) -> VolumeState {
        VolumeState { generation: 3, current: OLD, pending }
    }

    fn answer(bound: &BoundRequest, volume: VolumeState) -> VolumeAnswer {
        VolumeAnswer::sign(&broker(1), &bound.transcript(), &request(), DecisionId([1; 16]), volume)
    }

    #[test]
    fn t33_an_answer_is_for_the_requested_header() {
        let register = |digest| bound(Body::Volume(VolumeAction::RegisterVolume { path: path(), digest }));
        let release = bound(Body::Release(ReleasePaths::new(vec![path()]).unwrap().into()));
        let opened = |bound: &BoundRequest, pending| answer(bound, state(pending)).open(bound, &request());
        assert_eq!(opened(&advance(), Some(NEXT)), Ok(state(Some(NEXT))));
        assert_eq!(opened(&register(OLD), None), Ok(state(None)));
        assert_eq!(opened(&advance(), None), Err(AnswerError::OtherHeader));
        assert_eq!(opened(&advance(), Some(OLD)), Err(AnswerError::OtherHeader));
        assert_eq!(opened(&register(NEXT), None), Err(AnswerError::OtherHeader));
        assert_eq!(opened(&release, None), Err(AnswerError::OtherHeader));
    }

    #[test]
    fn t33_everything_in_an_answer_is_signed() {
        let bound = advance();
        let good = answer(&bound, state(Some(NEXT)));
        let changes: [fn(&mut VolumeAnswer); 4] = [
            |answer| answer.decision.0[0] ^= 1,
            |answer| answer.volume.generation += 1,
            |answer| answer.volume.current = NEXT,
            |answer| answer.volume.pending = None,
        ];
        for change in changes {
            let mut changed = good.clone();
            change(&mut changed);
            assert_eq!(changed.open(&bound, &request()), Err(AnswerError::Signature));
        }
        let other = RequestDigest::of(b"another request");
        assert_eq!(good.open(&bound, &other), Err(AnswerError::Signature));
        let forged =
            VolumeAnswer::sign(&broker(2), &bound.transcript(), &request(), good.decision, good.volume);
        assert_eq!(forged.open(&bound, &request()), Err(AnswerError::Signature));
        let (broker, body) = (broker(1).identity(), bound.body().clone());
        let elsewhere = BoundRequest::new(&broker, Nonce([9; 32]), bound.key().clone(), body);
        assert_eq!(good.open(&elsewhere, &request()), Err(AnswerError::Signature));
    }
}
