//! Checks `protocol/vectors/volumes.json`: a release with headers, and the actions on volumes with their answers.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::array;
use crate::answer::{DecisionId, RequestDigest};
use crate::challenge::Nonce;
use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::messages::{VolumeAnswer, VolumeState};
use crate::path::SecretPath;
use crate::request::{Body, BoundRequest, ReleaseBody, ReleasePaths, VolumeAction, VolumeHeaders};
use crate::suite::Suite;
use crate::wrap::GuestKey;

/// Inputs and known answers of three requests under one challenge and key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    suite: Suite,
    identity_seed: Bytes,
    identity: BrokerIdentity,
    nonce: Bytes,
    /// As in the vectors of releases.
    guest_key_ikm: Bytes,
    release: Release,
    /// Body of the requests that the answers are for.
    request: String,
    actions: Vec<Action>,
}

/// A release whose body has headers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    paths: ReleasePaths,
    headers: VolumeHeaders,
    transcript: Digest32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    action: VolumeAction,
    transcript: Digest32,
    answer: VolumeAnswer,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/volumes.json")
}

#[test]
fn known_answers_about_volumes_hold() {
    let vector: Vector = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let identity = IdentityKey::from_seed(&Zeroizing::new(array(&vector.identity_seed))).unwrap();
    assert_eq!(identity.identity(), vector.identity);
    let (nonce, key) = (Nonce(array(&vector.nonce)), GuestKey::derive(vector.suite, &vector.guest_key_ikm));
    let bound = |body| BoundRequest::new(&vector.identity, nonce, key.public().clone(), body);

    let release = ReleaseBody::new(vector.release.paths, vector.release.headers).unwrap();
    let release = bound(Body::Release(release));
    assert_eq!(release.transcript().as_bytes(), vector.release.transcript.as_bytes());

    let request = RequestDigest::of(vector.request.as_bytes());
    for Action { action, transcript, answer } in vector.actions {
        let bound = bound(Body::Volume(action));
        assert_eq!(bound.transcript().as_bytes(), transcript.as_bytes());
        assert_eq!(answer.open(&bound, &request), Ok(answer.volume));
        let again =
            VolumeAnswer::sign(&identity, &bound.transcript(), &request, answer.decision, answer.volume);
        assert_eq!(again, answer);
    }
}

#[test]
#[ignore = "writes the file that known_answers_about_volumes_hold checks"]
fn write_known_answers_about_volumes() {
    let text = serde_json::to_string_pretty(&make()).unwrap();
    fs::write(file(), text + "\n").unwrap();
}

fn make() -> Vector {
    let (identity_seed, ikm, nonce) = ([0x11; 32], [0x33; 32], Nonce([0x44; 32]));
    let identity = IdentityKey::from_seed(&Zeroizing::new(identity_seed)).unwrap();
    let key = GuestKey::derive(Suite::X25519, &ikm);
    let bound = |body| BoundRequest::new(&identity.identity(), nonce, key.public().clone(), body);
    let path = |text| SecretPath::parse(text).unwrap();
    let (disk, token) = (path("prod/db-01/disk"), path("prod/db-01/token"));
    let (current, next) = (Digest32([0x77; 32]), Digest32([0x88; 32]));

    let paths = ReleasePaths::new(vec![disk.clone(), token]).unwrap();
    let headers = VolumeHeaders::new([(disk.clone(), current)]).unwrap();
    let release = bound(Body::Release(ReleaseBody::new(paths.clone(), headers.clone()).unwrap()));
    let action = |action: VolumeAction, volume| {
        let transcript = bound(Body::Volume(action.clone())).transcript();
        let request = RequestDigest::of(REQUEST.as_bytes());
        let answer = VolumeAnswer::sign(&identity, &transcript, &request, DecisionId([0x55; 16]), volume);
        Action { action, transcript: transcript.0, answer }
    };
    let register = VolumeAction::RegisterVolume { path: disk.clone(), digest: current };
    let advance = VolumeAction::AdvanceVolume { path: disk, from: current, to: next };
    Vector {
        suite: Suite::X25519,
        identity_seed: Bytes(identity_seed.to_vec()),
        identity: identity.identity(),
        nonce: Bytes(nonce.0.to_vec()),
        guest_key_ikm: Bytes(ikm.to_vec()),
        release: Release { paths, headers, transcript: release.transcript().0 },
        request: REQUEST.to_owned(),
        actions: vec![
            action(register, VolumeState { generation: 1, current, pending: None }),
            action(advance, VolumeState { generation: 4, current, pending: Some(next) }),
        ],
    }
}

const REQUEST: &str = "a request, as sent";
