use zeroize::Zeroizing;

use super::*;
use crate::request::ReleasePaths;
use crate::suite::Suite;

fn broker(seed: u8) -> IdentityKey {
    IdentityKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
}

fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

struct Release {
    key: GuestKey,
    bound: BoundRequest,
    request: RequestDigest,
}

impl Release {
    fn of(suite: Suite, paths: &[&str]) -> Self {
        let key = GuestKey::generate(suite);
        let paths = ReleasePaths::new(paths.iter().map(|p| path(p)).collect()).unwrap();
        let bound =
            BoundRequest::release(&broker(1).identity(), Nonce([8; 32]), key.public().clone(), &paths);
        Self { key, bound, request: RequestDigest::of(b"a request, as sent") }
    }

    fn answer(&self, signer: &IdentityKey, paths: &[&str]) -> ReleaseAnswer {
        let paths: Vec<_> = paths.iter().map(|p| path(p)).collect();
        let secret = PlaintextSecret::new(b"secret".to_vec()).unwrap();
        let items: Vec<_> = paths.iter().map(|path| (SecretLabel { path, version: 3 }, &secret)).collect();
        let wrapped = self.key.public().wrap(&self.bound.transcript(), &items).unwrap();
        let secrets = paths
            .iter()
            .zip(wrapped.ciphertexts)
            .map(|(path, ciphertext)| WrappedSecret {
                path: path.clone(),
                version: 3,
                policy_digest: Digest32([9; 32]),
                ciphertext,
            })
            .collect();
        let transcript = self.bound.transcript();
        ReleaseAnswer::sign(signer, &transcript, &self.request, DecisionId([1; 16]), wrapped.enc, secrets)
    }

    fn open(&self, answer: &ReleaseAnswer) -> Result<Vec<OpenedSecret>, AnswerError> {
        answer.open_with(&self.key, &self.bound, &self.request)
    }
}

#[test]
fn a_signed_answer_opens() {
    for suite in Suite::ALL {
        let release = Release::of(suite, &["n/a", "n/b"]);
        let opened = release.open(&release.answer(&broker(1), &["n/a", "n/b"])).unwrap();
        assert_eq!(opened[1].path, path("n/b"));
        assert_eq!((opened[1].version, opened[1].secret.expose()), (3, &b"secret"[..]));
    }
}

#[test]
fn t06_secret_sealed_by_another_party_is_refused() {
    let release = Release::of(Suite::XWing, &["n/a"]);
    // A valid HPKE ciphertext for the guest's key and transcript, not made by the broker.
    let foreign = release.answer(&broker(2), &["n/a"]);
    assert_eq!(release.open(&foreign).unwrap_err(), AnswerError::Signature);
    let mut unsigned = release.answer(&broker(1), &["n/a"]);
    unsigned.signature = Bytes::default();
    assert_eq!(release.open(&unsigned).unwrap_err(), AnswerError::Signature);
}

#[test]
fn t09_the_signature_covers_every_part_of_the_answer() {
    let release = Release::of(Suite::X25519, &["n/a"]);
    let change = |change: fn(&mut ReleaseAnswer)| {
        let mut answer = release.answer(&broker(1), &["n/a"]);
        change(&mut answer);
        release.open(&answer).map(|_| ()).unwrap_err()
    };
    for changed in [
        change(|a| a.decision.0[0] ^= 1),
        change(|a| a.enc.0[0] ^= 1),
        change(|a| a.secrets[0].version += 1),
        change(|a| a.secrets[0].path = path("n/b")),
        change(|a| a.secrets[0].policy_digest.0[0] ^= 1),
        change(|a| a.secrets[0].ciphertext.0[0] ^= 1),
        change(|a| a.secrets.clear()),
    ] {
        assert_eq!(changed, AnswerError::Signature);
    }
    let other = Release::of(Suite::X25519, &["n/a"]);
    assert_eq!(release.open(&other.answer(&broker(1), &["n/a"])).unwrap_err(), AnswerError::Signature);
}

#[test]
fn t06_an_answer_to_other_evidence_is_refused() {
    // An attacker's VM may be allowed the same path, and sent its own evidence with this guest's transcript
    // and key.
    let release = Release::of(Suite::XWing, &["n/a"]);
    let theirs = Release { request: RequestDigest::of(b"the same with other evidence"), ..release };
    let answer = theirs.answer(&broker(1), &["n/a"]);
    let ours = RequestDigest::of(b"a request, as sent");
    assert_eq!(answer.open_with(&theirs.key, &theirs.bound, &ours).unwrap_err(), AnswerError::Signature);
    assert_eq!(theirs.open(&answer).unwrap()[0].path, path("n/a"));
}

#[test]
fn t09_an_answer_for_other_paths_is_refused() {
    let release = Release::of(Suite::X25519, &["n/a", "n/b"]);
    for paths in [&["n/a"][..], &["n/b", "n/a"], &["n/a", "n/c"], &["n/a", "n/b", "n/c"]] {
        assert_eq!(release.open(&release.answer(&broker(1), paths)).unwrap_err(), AnswerError::OtherPaths);
    }
}

#[test]
fn t06_a_refusal_counts_for_one_request_only() {
    let (nonce, decision) = (Nonce([1; 32]), DecisionId([2; 16]));
    let request = RequestDigest::of(b"request");
    let problem = Problem::signed(&broker(1), &nonce, &request, ReasonCode::NotGranted, decision);
    assert!(problem.is_signed_by(&broker(1).identity(), &nonce, &request));
    assert!(!problem.is_signed_by(&broker(2).identity(), &nonce, &request));
    assert!(!problem.is_signed_by(&broker(1).identity(), &Nonce([3; 32]), &request));
    // Obtained for another request under the same challenge, and presented for this one.
    assert!(!problem.is_signed_by(&broker(1).identity(), &nonce, &RequestDigest::of(b"another")));
    let changed = Problem { code: ReasonCode::Overloaded, ..problem.clone() };
    assert!(!changed.is_signed_by(&broker(1).identity(), &nonce, &request));
    let changed = Problem { decision: Some(DecisionId([3; 16])), ..problem.clone() };
    assert!(!changed.is_signed_by(&broker(1).identity(), &nonce, &request));
    assert!(!Problem { signature: None, ..problem }.is_signed_by(&broker(1).identity(), &nonce, &request));
}
