//! Answers with secrets.

use super::*;

#[test]
fn secrets_are_opened_in_both_suites() {
    for suite in Suite::ALL {
        let mut one = Try::new();
        one.config.suite = suite;
        let release = one.fetch().unwrap();
        assert_eq!(release.decision, DECISION);
        let got: Vec<_> = release
            .secrets
            .iter()
            .map(|s| (s.path.as_str(), s.version, s.secret.expose().to_vec()))
            .collect();
        assert_eq!(got, [("prod/a", 3, secret_of("prod/a")), ("prod/b", 3, secret_of("prod/b"))]);
        assert_eq!(one.broker.lock().requests()[0].suite, suite);
    }
}

#[test]
fn evidence_is_bound_to_the_pinned_identity_and_the_request() {
    let one = Try::new();
    one.fetch().unwrap();
    let request = one.broker.lock().requests().remove(0);
    let key = vouchsafe_protocol::GuestPublicKey::new(request.suite, &request.public_key).unwrap();
    let expected = BoundRequest::release(&identity(OURS).identity(), request.challenge.nonce, key, &paths());
    assert_eq!(*one.source.collected.lock().unwrap(), [*expected.transcript().as_bytes()]);
}

#[test]
fn t06_secret_sealed_by_another_party_is_refused() {
    // Validly wrapped to the guest's key under its transcript, by a proxy that terminates TLS.
    let one = Try::always(|| act(|asked| Some(ok(&asked.signed_by(&identity(STRANGER))))));
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t06_answer_signed_by_an_unpinned_identity_is_refused() {
    let one = Try::new();
    let stranger = identity(STRANGER).identity();
    one.broker.lock().announced = stranger;
    let error = one.unusable();
    assert!(matches!(error, AttemptError::UnpinnedIdentity { identity } if identity == stranger));
    // The challenge, and whether statements make it the successor of a pinned one.
    assert_eq!((one.broker.lock().log.len(), one.pauses.taken()), (2, vec![]));
    assert!(one.source.collected.lock().unwrap().is_empty(), "evidence was collected for a stranger");
    assert_eq!(one.broker.lock().requests(), []);
}

#[test]
fn t06_answer_without_signature_is_refused() {
    let one = Try::always(|| {
        act(|asked| {
            let mut answer = asked.granted();
            answer.signature = vec![].into();
            Some(ok(&answer))
        })
    });
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t05_answer_to_an_earlier_request_is_refused() {
    // Signed by the right broker and only readable for us, but for another nonce.
    let one = Try::always(|| {
        act(|asked| {
            let key = asked.bound.key().clone();
            let earlier = BoundRequest::release(
                &asked.identity.identity(),
                Nonce([7; 32]),
                key.clone(),
                &asked.request.paths,
            );
            let transcript = earlier.transcript();
            let (enc, secrets) = asked.sealed_for(&key, &transcript);
            Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, DECISION, enc, secrets)))
        })
    });
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t06_answer_to_other_evidence_is_refused() {
    // The right broker, nonce, key and paths; but the granted request had an attacker's evidence in it.
    let one = Try::always(|| {
        act(|asked| {
            let mut theirs = asked.request.clone();
            theirs.evidence = Evidence::default();
            assert_ne!(theirs, asked.request);
            let digest = RequestDigest::of(&serde_json::to_vec(&theirs).expect("JSON"));
            let (enc, secrets) = asked.sealed();
            let transcript = asked.bound.transcript();
            Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &digest, DECISION, enc, secrets)))
        })
    });
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t06_every_signed_part_of_an_answer_is_covered() {
    let changes: [fn(&mut ReleaseAnswer); 6] = [
        |answer| answer.decision = DecisionId([0; 16]),
        |answer| answer.enc.0[0] ^= 1,
        |answer| answer.secrets[0].version = 4,
        |answer| answer.secrets[0].ciphertext.0[0] ^= 1,
        |answer| answer.secrets[0].policy_digest.0[0] ^= 1,
        |answer| drop(answer.secrets.pop()),
    ];
    for change in changes {
        let one = Try::always(|| {
            act(move |asked| {
                let mut answer = asked.granted();
                change(&mut answer);
                Some(ok(&answer))
            })
        });
        assert!(matches!(one.gave_up(), AttemptError::NotSigned));
    }
}

#[test]
fn t06_each_pinned_identity_signs_for_itself_only() {
    let mut one = Try::new();
    let both = vec![identity(OURS).identity(), identity(STRANGER).identity()];
    one.config.identities = both.clone();
    assert!(one.fetch().is_ok());
    // Announced as the first identity, signed by the other pinned one, which contradicts the transcript.
    let mut one = Try::always(|| act(|asked| Some(ok(&asked.signed_by(&identity(STRANGER))))));
    one.config.identities = both;
    assert!(matches!(one.gave_up(), AttemptError::NotSigned));
}

#[test]
fn t09_paths_in_another_order_or_number_are_refused() {
    let reordered = Try::with(vec![grant_with(|answer| answer.secrets.reverse())]);
    assert_eq!(answer_error(reordered.fetch()), AnswerError::OtherPaths);
    let missing = Try::with(vec![grant_with(|answer| drop(answer.secrets.pop()))]);
    assert_eq!(answer_error(missing.fetch()), AnswerError::OtherPaths);
    let doubled = Try::with(vec![grant_with(|answer| answer.secrets[1] = answer.secrets[0].clone())]);
    assert_eq!(answer_error(doubled.fetch()), AnswerError::OtherPaths);
    let other = Try::with(vec![grant_with(|answer| answer.secrets[1].path = path("prod/c"))]);
    assert_eq!(answer_error(other.fetch()), AnswerError::OtherPaths);
}

#[test]
fn t09_ciphertexts_belong_to_their_path_and_version() {
    let swapped = Try::with(vec![grant_with(|answer| {
        let first = answer.secrets[0].ciphertext.clone();
        answer.secrets[0].ciphertext = answer.secrets[1].ciphertext.clone();
        answer.secrets[1].ciphertext = first;
    })]);
    assert_eq!(answer_error(swapped.fetch()), AnswerError::Wrap(WrapError::DoesNotOpen { index: 0 }));
    let version = Try::with(vec![grant_with(|answer| answer.secrets[1].version = 2)]);
    assert_eq!(answer_error(version.fetch()), AnswerError::Wrap(WrapError::DoesNotOpen { index: 1 }));
}

#[test]
fn t09_secret_for_another_guest_key_is_refused() {
    let one = Try::with(vec![act(|asked| {
        let other = GuestKey::generate(asked.request.suite);
        let transcript = asked.bound.transcript();
        let (enc, secrets) = asked.sealed_for(other.public(), &transcript);
        Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, DECISION, enc, secrets)))
    })]);
    assert_eq!(answer_error(one.fetch()), AnswerError::Wrap(WrapError::DoesNotOpen { index: 0 }));
}

#[test]
fn t09_the_guest_never_falls_back_to_another_suite() {
    // A broker that does not support the suite, and answers so.
    let one = Try::with(vec![act(|asked| Some(problem(&asked.refusal(ReasonCode::KeyInvalid))))]);
    assert!(matches!(one.fetch(), Err(FetchError::Refused { code: ReasonCode::KeyInvalid, .. })));
    assert_eq!(one.broker.lock().requests().len(), 1);
    // An attacker who wants the guest to believe that.
    let one = Try::always(|| act(|_| Some(unsigned(ReasonCode::KeyInvalid))));
    one.gave_up();
    let suites: Vec<_> = one.broker.lock().requests().iter().map(|request| request.suite).collect();
    assert_eq!(suites, [Suite::XWing; 3]);
    // An answer with another suite than the request.
    let one = Try::with(vec![act(|asked| {
        let classical = GuestKey::generate(Suite::X25519);
        let transcript = asked.bound.transcript();
        let (enc, secrets) = asked.sealed_for(classical.public(), &transcript);
        Some(ok(&ReleaseAnswer::sign(asked.identity, &transcript, &asked.digest, DECISION, enc, secrets)))
    })]);
    assert_eq!(answer_error(one.fetch()), AnswerError::Wrap(WrapError::MalformedEnc));
}

#[test]
fn t34_debug_of_a_release_shows_no_secret() {
    let text = format!("{:?}", Try::new().fetch().unwrap());
    assert!(text.contains("REDACTED"));
    assert!(!text.contains("secret of"), "{text}");
    assert!(!text.contains(&format!("{:?}", b"secret of")), "{text}");
}
