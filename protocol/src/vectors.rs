//! Checks `protocol/vectors/`: known answers for other implementations.
//!
//! `cargo test -p vouchsafe-protocol -- --ignored` writes them again. Do that only together with a new
//! version in the labels.

mod proposals;
mod succession;
mod volumes;

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::answer::{DecisionId, RequestDigest};
use crate::challenge::{Challenge, ChallengeKey, Nonce};
use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::messages::{ReleaseAnswer, WrappedSecret};
use crate::path::SecretPath;
use crate::problem::{Problem, ReasonCode};
use crate::request::{BoundRequest, ReleasePaths};
use crate::secret::PlaintextSecret;
use crate::suite::Suite;
use crate::time::UnixTime;
use crate::wrap::{GuestKey, GuestPublicKey, SecretLabel};

/// Inputs and known answers of one release with two secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    suite: Suite,
    identity_seed: Bytes,
    identity: BrokerIdentity,
    challenge_key: Bytes,
    challenge: Challenge,
    /// Input keying material of HPKE's DeriveKeyPair (RFC 9180 §7.1.3; for X-Wing draft-ietf-hpke-pq §4).
    guest_key_ikm: Bytes,
    guest_public_key: Bytes,
    paths: ReleasePaths,
    transcript: Digest32,
    ak_public: Bytes,
    report_data_alone: Bytes,
    report_data_with_ak: Bytes,
    hardware_report: Bytes,
    quote_extra_data_alone: Digest32,
    quote_extra_data_with_report: Digest32,
    token_nonce: String,
    /// The secrets in the clear, in the order of the paths.
    secrets: Vec<String>,
    answer: ReleaseAnswer,
    /// Body of the request that `answer` and `refusal` are for.
    request: String,
    refusal: Problem,
}

fn file(suite: Suite) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("release-{suite}.json"))
}

fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("32 bytes")
}

#[test]
fn known_answers_hold() {
    for suite in Suite::ALL {
        let vector: Vector = serde_json::from_str(&fs::read_to_string(file(suite)).unwrap()).unwrap();
        let identity = IdentityKey::from_seed(&Zeroizing::new(array(&vector.identity_seed))).unwrap();
        assert_eq!(identity.identity(), vector.identity);
        let challenge_key = ChallengeKey::new(&array(&vector.challenge_key));
        let nonce =
            challenge_key.check(&vector.identity, &vector.challenge, vector.challenge.issued_at).unwrap();

        let key = GuestKey::derive(suite, &vector.guest_key_ikm);
        assert_eq!(key.public(), &GuestPublicKey::new(suite, &vector.guest_public_key).unwrap());
        let bound = BoundRequest::release(&vector.identity, nonce, key.public().clone(), &vector.paths);
        let transcript = bound.transcript();
        assert_eq!(transcript.as_bytes(), vector.transcript.as_bytes());
        assert_eq!(transcript.report_data(None).0, vector.report_data_alone[..]);
        assert_eq!(transcript.report_data(Some(&vector.ak_public)).0, vector.report_data_with_ak[..]);
        assert_eq!(transcript.quote_nonce(None).0, vector.quote_extra_data_alone.0);
        let with_report = transcript.quote_nonce(Some(&vector.hardware_report));
        assert_eq!(with_report.0, vector.quote_extra_data_with_report.0);
        assert_eq!(transcript.token_nonce().as_str(), vector.token_nonce);

        let request = RequestDigest::of(vector.request.as_bytes());
        let opened = vector.answer.open_with(&key, &bound, &request).unwrap();
        let opened: Vec<_> = opened.iter().map(|secret| secret.secret.expose()).collect();
        assert_eq!(opened, vector.secrets.iter().map(String::as_bytes).collect::<Vec<_>>());
        // Ed25519 is deterministic (RFC 8032), so signing again gives the same bytes.
        let ReleaseAnswer { decision, enc, secrets, signature } = vector.answer;
        let again = ReleaseAnswer::sign(&identity, &transcript, &request, decision, enc, secrets);
        assert_eq!(again.signature, signature);
        assert!(vector.refusal.is_signed_by(&vector.identity, &nonce, &request));
        assert_eq!(
            Problem::signed(&identity, &nonce, &request, vector.refusal.code, decision),
            vector.refusal
        );
    }
}

#[test]
fn reason_codes_are_the_known_ones() {
    let codes = ReasonCode::ALL.iter().map(|code| format!("{} {code}\n", code.status()));
    assert_eq!(codes.collect::<String>(), include_str!("../vectors/reason-codes.txt"));
}

#[test]
#[ignore = "writes the files that known_answers_hold checks"]
fn write_known_answers() {
    for suite in Suite::ALL {
        let text = serde_json::to_string_pretty(&make(suite)).unwrap();
        fs::write(file(suite), text + "\n").unwrap();
    }
}

fn make(suite: Suite) -> Vector {
    let (identity_seed, challenge_key, ikm) = ([0x11; 32], [0x22; 32], [0x33; 32]);
    let identity = IdentityKey::from_seed(&Zeroizing::new(identity_seed)).unwrap();
    let nonce = Nonce([0x44; 32]);
    let challenge =
        ChallengeKey::new(&challenge_key).issue(&identity.identity(), nonce, UnixTime(1_800_000_000), 60);
    let key = GuestKey::derive(suite, &ikm);
    let paths: Vec<_> = ["prod/db-01/disk", "prod/db-01/token"].map(|p| SecretPath::parse(p).unwrap()).into();
    let secrets = ["the key of a disk".to_owned(), "the token of an app".to_owned()];
    let paths = ReleasePaths::new(paths).unwrap();
    let bound = BoundRequest::release(&identity.identity(), nonce, key.public().clone(), &paths);
    let transcript = bound.transcript();

    let plain = secrets.clone().map(|secret| PlaintextSecret::new(secret.into_bytes()).unwrap());
    let items: Vec<_> = paths
        .as_slice()
        .iter()
        .zip(&plain)
        .zip(1..)
        .map(|((path, secret), version)| (SecretLabel { path, version }, secret))
        .collect();
    let wrapped = key.public().wrap(&transcript, &items).unwrap();
    let wrapped_secrets = items
        .iter()
        .zip(wrapped.ciphertexts)
        .map(|((label, _), ciphertext)| WrappedSecret {
            path: label.path.clone(),
            version: label.version,
            policy_digest: Digest32::of(b"permit (principal, action, resource);"),
            ciphertext,
        })
        .collect();
    let decision = DecisionId([0x55; 16]);
    let request = RequestDigest::of(REQUEST.as_bytes());
    let (ak_public, report) = (b"SubjectPublicKeyInfo of an AK".to_vec(), vec![0x66; 1184]);
    Vector {
        suite,
        identity_seed: Bytes(identity_seed.to_vec()),
        identity: identity.identity(),
        challenge_key: Bytes(challenge_key.to_vec()),
        challenge,
        guest_key_ikm: Bytes(ikm.to_vec()),
        guest_public_key: key.public().as_bytes().into(),
        transcript: Digest32(*transcript.as_bytes()),
        report_data_alone: Bytes(transcript.report_data(None).0.to_vec()),
        report_data_with_ak: Bytes(transcript.report_data(Some(&ak_public)).0.to_vec()),
        quote_extra_data_alone: Digest32(transcript.quote_nonce(None).0),
        quote_extra_data_with_report: Digest32(transcript.quote_nonce(Some(&report)).0),
        token_nonce: transcript.token_nonce().as_str().to_owned(),
        ak_public: Bytes(ak_public),
        hardware_report: Bytes(report),
        secrets: secrets.into(),
        answer: ReleaseAnswer::sign(&identity, &transcript, &request, decision, wrapped.enc, wrapped_secrets),
        refusal: Problem::signed(&identity, &nonce, &request, ReasonCode::NotGranted, decision),
        request: REQUEST.to_owned(),
        paths,
    }
}

const REQUEST: &str = "a request, as sent";
