//! Refusals, and unsigned answers.

use super::*;

#[test]
fn a_signed_refusal_is_final_and_says_its_decision() {
    let codes = [
        ReasonCode::NotGranted,
        ReasonCode::EvidenceRefused,
        ReasonCode::EvidenceMalformed,
        ReasonCode::UnlinkedEvidence,
    ];
    for refused in codes {
        let one = Try::with(vec![act(move |asked| Some(problem(&asked.refusal(refused))))]);
        let error = one.fetch().unwrap_err();
        assert!(matches!(error, FetchError::Refused { code, decision: DECISION } if code == refused));
        assert_eq!(error.to_string(), format!("refused ({refused}), decision {}", "dd".repeat(16)));
        assert_eq!(one.broker.lock().requests().len(), 1);
    }
}

/// The initrd sends a request while systemd is extending `os-separator`.
#[test]
fn t59_a_quote_of_pcrs_that_were_being_extended_is_made_again() {
    let unsettled = || act(|asked| Some(problem(&asked.refusal(ReasonCode::EvidenceUnsettled))));
    let patient = |script: Vec<Act>| {
        let mut one = Try::with(script);
        one.config.limits.attempts = 10;
        one
    };
    for refusals in 0..5 {
        let one = patient((0..refusals).map(|_| unsettled()).collect());
        assert!(one.fetch().is_ok(), "{refusals}");
        // Each with a quote for a new challenge, soon after the previous one.
        let nonces = one.nonces();
        assert_eq!(nonces.len(), refusals + 1);
        assert!(nonces.iter().all(|nonce| nonces.iter().filter(|other| *other == nonce).count() == 1));
        let waited: Duration = one.pauses.taken().iter().sum();
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
    let error = patient((0..9).map(|_| unsettled()).collect());
    let refused = error.fetch().unwrap_err();
    let code = ReasonCode::EvidenceUnsettled;
    assert!(matches!(refused, FetchError::Refused { code: found, decision: DECISION } if found == code));
    assert_eq!(error.nonces().len(), 5);
    // Nobody else can make the guest retry more often than usual.
    let forged = Try::always(|| act(|_| Some(unsigned(ReasonCode::EvidenceUnsettled))));
    forged.gave_up();
}

#[test]
fn t06_refusal_that_is_not_ours_is_a_lost_answer() {
    fn forged(change: fn(&support::Asked<'_>) -> Response) -> AttemptError {
        Try::always(|| act(move |asked| Some(change(asked)))).gave_up()
    }
    let not_granted = Some(ReasonCode::NotGranted);
    let errors = [
        forged(|_| unsigned(ReasonCode::NotGranted)),
        forged(|asked| {
            let nonce = asked.bound.nonce();
            let key = identity(STRANGER);
            problem(&vouchsafe_protocol::problem::Problem::signed(
                &key,
                &nonce,
                &asked.digest,
                ReasonCode::NotGranted,
                DECISION,
            ))
        }),
        forged(|asked| {
            let (key, other) = (asked.identity, Nonce([7; 32]));
            problem(&vouchsafe_protocol::problem::Problem::signed(
                key,
                &other,
                &asked.digest,
                ReasonCode::NotGranted,
                DECISION,
            ))
        }),
        forged(|asked| {
            // From our broker, for this challenge, but for another request that an attacker sent.
            problem(&vouchsafe_protocol::problem::Problem::signed(
                asked.identity,
                &asked.bound.nonce(),
                &RequestDigest::of(b"another request"),
                ReasonCode::NotGranted,
                DECISION,
            ))
        }),
        forged(|asked| {
            let mut refusal = asked.refusal(ReasonCode::Unavailable);
            (refusal.code, refusal.status) = (ReasonCode::NotGranted, 403);
            problem(&refusal)
        }),
        forged(|asked| {
            let mut refusal = asked.refusal(ReasonCode::NotGranted);
            refusal.decision = Some(DecisionId([0; 16]));
            problem(&refusal)
        }),
    ];
    for error in errors {
        assert!(
            matches!(error, AttemptError::Unsigned { status: 403, code } if code == not_granted),
            "{error}"
        );
    }
}

#[test]
fn answers_that_are_no_answers_are_tried_again() {
    let garbage = |status| Response { status, retry_after: None, body: b"<html>".to_vec() };
    let one = Try::with(vec![act(move |_| Some(garbage(200))), act(move |_| Some(garbage(502)))]);
    assert!(one.fetch().is_ok());
    assert_eq!(one.broker.lock().requests().len(), 3);
    let one = Try::always(|| act(move |_| Some(Response { status: 200, retry_after: None, body: vec![] })));
    assert!(matches!(one.gave_up(), AttemptError::Malformed { status: 200 }));
}
