//! Releases with headers, and actions on volumes.

use vouchsafe_guest_client::client::Volume;
use vouchsafe_protocol::messages::{VolumeAnswer, VolumeState};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{Body, Digest32, IdentityKey, ReleaseBody, VolumeAction, VolumeHeaders};

use super::support::VolumeAct;
use super::*;

const OLD: Digest32 = Digest32([1; 32]);
const NEXT: Digest32 = Digest32([2; 32]);

fn disk() -> SecretPath {
    SecretPath::parse("prod/a").expect("a path")
}

fn state(pending: Option<Digest32>) -> VolumeState {
    VolumeState { generation: 1, current: OLD, pending }
}

/// Answers with this state, signed by `signer`.
fn answer(signer: IdentityKey, volume: VolumeState) -> VolumeAct {
    Box::new(move |_, bound, digest| {
        Some(ok(&VolumeAnswer::sign(&signer, &bound.transcript(), digest, DECISION, volume)))
    })
}

fn client(one: &Try, script: Vec<VolumeAct>) -> Client<Echo> {
    one.broker.lock().volume_script.extend(script);
    let (broker, pauses) = (Box::new(one.broker.clone()), Box::new(one.pauses.clone()));
    Client::with_parts(one.config.clone(), broker, one.source.clone(), pauses)
}

fn register(script: Vec<VolumeAct>) -> Result<Volume, FetchError> {
    client(&Try::new(), script).register_volume(disk(), OLD)
}

#[test]
fn t32_a_release_carries_the_headers_and_its_evidence_covers_them() {
    let one = Try::new();
    let headers = VolumeHeaders::new([(disk(), OLD)]).unwrap();
    let body = ReleaseBody::new(paths(), headers.clone()).unwrap();
    let release = client(&one, vec![]).release(&body).unwrap();
    assert_eq!(release.secret(&disk()).expose(), secret_of("prod/a"));
    let request = one.broker.lock().requests().remove(0);
    assert_eq!(request.headers, headers);
    let key = vouchsafe_protocol::GuestPublicKey::new(request.suite, &request.public_key).unwrap();
    let nonce = request.challenge.nonce;
    let bound = BoundRequest::new(&identity(OURS).identity(), nonce, key, Body::Release(body));
    assert_eq!(*one.source.collected.lock().unwrap(), [*bound.transcript().as_bytes()]);
}

#[test]
fn t32_a_registration_is_what_a_pinned_identity_signed() {
    let volume = register(vec![answer(identity(OURS), state(None))]).unwrap();
    assert_eq!(volume, Volume { decision: DECISION, state: state(None) });
    let strangers = (0..3).map(|_| answer(identity(STRANGER), state(None))).collect();
    let error = register(strangers).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { last, .. } if matches!(*last, AttemptError::NotSigned)));
}

#[test]
fn t33_the_next_header_is_announced_for_the_registered_one() {
    let one = Try::new();
    let advance = |one: &Try, volume| {
        client(one, vec![answer(identity(OURS), volume)]).advance_volume(disk(), OLD, NEXT)
    };
    let volume = advance(&one, state(Some(NEXT))).unwrap();
    assert_eq!(volume.state, state(Some(NEXT)));
    let action = VolumeAction::AdvanceVolume { path: disk(), from: OLD, to: NEXT };
    let log = one.broker.lock().log.clone();
    let sent: serde_json::Value = serde_json::from_slice(&log.last().unwrap().1).unwrap();
    assert_eq!(sent["action"], serde_json::to_value(action).unwrap());

    let error = advance(&Try::new(), state(None)).unwrap_err();
    let other = AnswerError::OtherHeader;
    assert!(matches!(error, FetchError::Answer { decision: DECISION, source } if source == other));
}

#[test]
fn t33_a_signed_conflict_is_final() {
    let conflict: VolumeAct = Box::new(|key, bound, digest| {
        let code = ReasonCode::Conflict;
        Some(problem(&Problem::signed(key, &bound.nonce(), digest, code, DECISION)))
    });
    let error = register(vec![conflict]).unwrap_err();
    assert!(matches!(error, FetchError::Refused { code: ReasonCode::Conflict, decision: DECISION }));
}
