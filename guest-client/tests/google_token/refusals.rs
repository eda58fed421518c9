//! The messages when no token was issued.

use super::*;

/// Requests a token with an empty statement.
#[expect(clippy::panic, reason = "shows what came instead")]
fn ask(google: &Google, change: fn(&mut GoogleTokenConfig)) -> Result<String, TokenError> {
    let mut config = google.config();
    change(&mut config);
    let shown = |_: &[u8]| {
        let (event_log, ak_certificate) = (b"log".to_vec(), b"0certificate".to_vec());
        Ok(Statement::Vtpm { quotes: vec![], event_log, ak_certificate, issuers: vec![] })
    };
    let request = TokenRequest { audience: AUDIENCE, nonce: "a nonce" };
    match GoogleAttestation::new(config)?.token(&request, shown) {
        Ok(issued) => Ok(issued.token),
        Err(CollectError::Token(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn fails(route: &'static str, answer: Answer) -> TokenError {
    let error = ask(&Google::start().with(route, answer), |_| ()).expect_err("no token");
    assert!(!error.to_string().contains(ACCESS), "{error}");
    error
}

#[test]
fn a_refusal_says_which_call_and_what_google_said() {
    for (route, call) in [(CREATE, Call::CreateChallenge), (VERIFY, Call::VerifyAttestation)] {
        let refused = fails(route, error(403, "Permission 'challenges.create' denied"));
        assert!(
            matches!(&refused, TokenError::Refused { call: found, status: 403, message }
            if *found == call && message == "Permission 'challenges.create' denied"),
            "{refused}"
        );
        assert!(refused.to_string().contains("roles/confidentialcomputing.workloadUser"), "{refused}");
        assert!(!refused.may_pass());
        let busy = fails(route, error(503, "try later"));
        assert!(matches!(&busy, TokenError::Refused { status: 503, .. }) && busy.may_pass(), "{busy}");
        let page = fails(route, Answer::With(502, "<html>a proxy</html>".to_owned()));
        assert!(
            matches!(&page, TokenError::Refused { status: 502, message, .. } if message.contains("a proxy")),
            "{page}"
        );
    }
}

#[test]
fn a_malformed_answer_is_named_and_not_shown() {
    for (route, call) in [(CREATE, Call::CreateChallenge), (VERIFY, Call::VerifyAttestation)] {
        let error = fails(route, Answer::With(200, "{\"oidcClaimsToken\": [\"secret-token\"".to_owned()));
        assert!(matches!(&error, TokenError::Malformed { call: found, .. } if *found == call), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret-token"), "{error:?}");
    }
    for token in ["two.parts", "a.b.c.d", "a..c", "a.b.c\\n", "a b.c.d"] {
        let body = format!("{{\"oidcClaimsToken\": \"{token}\"}}");
        let error = fails(VERIFY, Answer::With(200, body));
        assert!(matches!(&error, TokenError::Malformed { call: Call::VerifyAttestation, .. }), "{error}");
        assert!(!error.to_string().contains(token), "{error}");
    }
    for name in [
        "",
        "x",
        "projects/a/locations/b/challenges/",
        "projects/a/locations/b/challenges/../c",
        "/challenges/c",
    ] {
        let error = fails(CREATE, challenge(name, &NONCE));
        assert!(
            matches!(&error, TokenError::Malformed { call: Call::CreateChallenge, .. }),
            "{name}: {error}"
        );
    }
    // A longer one could be the report data of a release (T01).
    for nonce in [&[][..], &[0; 49]] {
        assert!(matches!(fails(CREATE, challenge(CHALLENGE, nonce)), TokenError::ChallengeNonce));
    }
    let body = json!({"name": CHALLENGE, "tpmNonce": "not base64!"}).to_string();
    assert!(matches!(fails(CREATE, Answer::With(200, body)), TokenError::ChallengeNonce));
}

#[test]
fn partial_errors_are_reported_with_and_without_a_token() {
    let remark = json!({"code": 3, "message": "id token\nis not for this challenge"});
    let body = json!({"partialErrors": [remark]}).to_string();
    let error = fails(VERIFY, Answer::With(200, body));
    assert!(
        matches!(&error, TokenError::NotIssued { remarks } if remarks == &["id token is not for this challenge"])
    );
    let error = fails(VERIFY, Answer::With(200, "{}".to_owned()));
    assert!(matches!(&error, TokenError::NotIssued { remarks } if remarks.is_empty()), "{error}");

    let (machine, _) = Machine::provisioned(AkAlgorithm::Ecc);
    let body = json!({"oidcClaimsToken": TOKEN, "partialErrors": [remark]}).to_string();
    let google = Google::start().with(VERIFY, Answer::With(200, body));
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let source = LocalEvidence::new(None, None).with_token(&config(&machine, &google)).unwrap();
    let mut source = source.on_remark(move |remark| teller.lock().unwrap().push(remark.to_owned()));
    assert_eq!(token_of(&collect(&mut source, &transcript()).unwrap()), TOKEN);
    assert_eq!(*told.lock().unwrap(), ["id token is not for this challenge"]);
}

#[test]
fn silence_ends_with_the_time_limit_and_names_the_call() {
    let second = |config: &mut GoogleTokenConfig| config.timeout = Duration::from_secs(1);
    for (route, call) in [(CREATE, Call::CreateChallenge), (VERIFY, Call::VerifyAttestation)] {
        let started = Instant::now();
        let error = ask(&Google::start().with(route, Answer::Silence), second).unwrap_err();
        assert!(matches!(&error, TokenError::TimedOut { call: found, .. } if *found == call), "{error}");
        assert!(error.may_pass() && started.elapsed() < Duration::from_secs(4), "{error}");
    }
    let error = ask(&Google::start().with(ZONE, Answer::Silence), second).unwrap_err();
    assert!(matches!(&error, TokenError::TimedOut { call: Call::Metadata("instance/zone"), .. }), "{error}");
    // A refused connection is retried for as long: the network may be coming up.
    let nobody = |config: &mut GoogleTokenConfig| {
        config.endpoint = "http://127.0.0.1:1".parse().expect("an endpoint");
        config.timeout = Duration::from_secs(1);
    };
    let error = ask(&Google::start(), nobody).unwrap_err();
    assert!(matches!(&error, TokenError::TimedOut { call: Call::CreateChallenge, .. }), "{error}");
}

#[test]
fn missing_metadata_is_named() {
    let error = fails(PROJECT, Answer::With(404, "no project".to_owned()));
    let TokenError::Refused { call: Call::Metadata("project/project-id"), status: 404, .. } = error else {
        panic!("{error}");
    };
    let error = fails(ZONE, Answer::Plain(200, "projects/1/zones/a-b-c".to_owned()));
    assert!(error.to_string().contains("no metadata server answers here"), "{error}");
    for text in ["europe-west4-a", "projects/1/zones/a b", ""] {
        let error = fails(ZONE, Answer::With(200, text.to_owned()));
        assert!(
            matches!(&error, TokenError::Malformed { call: Call::Metadata("instance/zone"), .. }),
            "{error}"
        );
    }
    let error = fails(ACCESS_TOKEN, Answer::With(404, "no service account".to_owned()));
    assert!(matches!(&error, TokenError::Credentials { call: Call::CreateChallenge, .. }), "{error}");
    let google = Google::start().with(ID_TOKEN, Answer::With(404, "no service account".to_owned()));
    let error = ask(&google, |config| config.service_account = true).unwrap_err();
    assert!(matches!(&error, TokenError::Credentials { call: Call::IdToken, .. }), "{error}");
    assert_eq!(google.received().iter().filter(|one| one.path.ends_with(INSTANCE)).count(), 0);
}
