//! Bodies of requests: which are read at all, and how long and in how much room.

use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::registry::TokenLifetime;
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::ReasonCode;

use super::*;
use crate::problem::HttpProblem;

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_dripped_body_ends() {
    let fixture = Fixture::with(|limits| limits.body = Duration::from_secs(1)).await;
    let (guests, _, stop) = start(&fixture).await;
    let mut stream = connect(&fixture, guests);
    let dripped = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        stream
            .write_all(b"POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
            .expect("sent");
        for _ in 0..3 {
            stream.write_all(b" ").expect("sent");
            std::thread::sleep(Duration::from_millis(200));
        }
        (read(&mut stream), started.elapsed())
    });
    let (answer, elapsed) = dripped.await.expect("runs");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("request-timeout"), "{answer}");
    assert!((1..5).contains(&elapsed.as_secs()), "{elapsed:?}");
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_body_held_back_until_its_operator_is_removed_changes_nothing() {
    let fixture = Fixture::new().await;
    let (_, operators, stop) = start(&fixture).await;
    let by = crate::testing::by(crate::testing::Act::ManageOperators);
    for (route, body) in [
        ("operators/add", r#"{"name":"eve","role":"administrator"}"#),
        ("collateral/remove", r#"{"item":"nothing"}"#),
        ("policies/check", r#"{"name":"prod/app","text":""}"#),
    ] {
        let role = OperatorRole::Administrator;
        let kim = fixture
            .keystore()
            .add_operator(by, "kim", role, &[], TokenLifetime::default())
            .await
            .expect("added");
        let (token, length) = (kim.expose(), body.len());
        let head = format!(
            "POST /v1/{route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut stream = connect(&fixture, operators);
        tokio::task::block_in_place(|| stream.write_all(head.as_bytes()).expect("sent"));
        // Until the token has been checked.
        sleep(Duration::from_millis(500)).await;
        fixture.keystore().remove_operator(by, "kim").await.expect("removed");
        let before = database(&fixture);
        let answer = tokio::task::block_in_place(|| {
            stream.write_all(body.as_bytes()).expect("sent");
            read(&mut stream)
        });
        assert!(answer.starts_with("HTTP/1.1 401"), "{route}: {answer}");
        assert!(answer.contains("invalid or revoked operator token"), "{route}: {answer}");
        assert_eq!(database(&fixture), before, "{route}");
    }
    // The same answer when the keystore finds it, in the transaction.
    let gone = HttpProblem::from(StoreError::AccountGone { operator: "kim".to_owned() });
    assert_eq!(gone.code(), ReasonCode::Unauthorized);
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_a_body_is_not_read_without_a_live_challenge() {
    let fixture = Fixture::new().await;
    let (guests, _, stop) = start(&fixture).await;
    let foreign = vouchsafe_protocol::challenge::ChallengeKey::new(&[9; 32]).issue(
        &fixture.broker.identity(),
        vouchsafe_protocol::challenge::Nonce([1; 32]),
        crate::clock::now(),
        60,
    );
    let body = format!("{{\"challenge\":{},", serde_json::to_string(&foreign).expect("JSON"));
    // The answer arrives before the rest of the body is sent.
    let head = "POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    let (answer, took) = exchange(connect(&fixture, guests), format!("{head}{body}").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("challenge-invalid"), "{answer}");
    assert!(took < fixture.broker.config().limits.body, "{took:?}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    // Neither is a body that starts differently, however long it is.
    for body in ["{\"suite\":".to_owned(), " ".repeat(2000)] {
        let (answer, _) = exchange(connect(&fixture, guests), format!("{head}{body}").into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("malformed-request"), "{answer}");
    }
    let metrics = String::from_utf8(fixture.broker.metrics.text().expect("text")).expect("text");
    assert!(
        !metrics.contains("vouchsafe_body_bytes{listener=\"guests\"}"),
        "no room was ever taken: {metrics}"
    );
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_held_bodies_have_their_room_and_no_more() {
    let fixture = Fixture::with(|limits| {
        (limits.bodies, limits.bodies_per_address, limits.body) = (32, 2, Duration::from_secs(2));
    })
    .await;
    let (guests, _, stop) = start(&fixture).await;
    // A challenge carries one request at a time.
    let head = || {
        let challenge = serde_json::to_string(&fixture.challenge()).expect("JSON");
        let opening = format!("{{\"challenge\":{challenge},");
        format!("POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{opening}", 1024 * 1024)
    };
    let held = || exchange(connect(&fixture, guests), head().into_bytes());
    let (one, two) = tokio::join!(held(), held());
    for (answer, took) in [one, two] {
        assert!(answer.starts_with("HTTP/1.1 408"), "two have room and run into the deadline: {answer}");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    let mut streams: Vec<_> = (0..2).map(|_| connect(&fixture, guests)).collect();
    for stream in &mut streams {
        stream.write_all(head().as_bytes()).expect("sent");
    }
    let taken = 2 * i64::from(1024 * 1024);
    while body_bytes(&fixture.broker) < taken {
        sleep(Duration::from_millis(10)).await;
    }
    let (answer, took) = held().await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("overloaded"), "{answer}");
    assert!(took < Duration::from_secs(2), "at once: {took:?}");
    assert!(answer.contains("retry-after: 3"), "as long as room was held before: {answer}");
    drop(streams);
    while body_bytes(&fixture.broker) > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    stop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_an_operators_body_is_read_under_a_valid_token_only() {
    let fixture = Fixture::new().await;
    let (_, operators, stop) = start(&fixture).await;
    let head = "POST /v1/collateral/import HTTP/1.1\r\nhost: x\r\ncontent-length: 30000000\r\n";
    let (answer, took) = exchange(connect(&fixture, operators), format!("{head}\r\n").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(took < fixture.broker.config().limits.body, "{took:?}");
    let metrics = String::from_utf8(fixture.broker.metrics.text().expect("text")).expect("text");
    assert!(!metrics.contains("vouchsafe_body_bytes{listener=\"operators\"}"), "{metrics}");
    stop.stop().await;
}
