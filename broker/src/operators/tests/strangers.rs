//! A client without a valid token learns nothing but that.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn t41_nothing_is_parsed_for_an_unknown_token() {
    let fixture = Fixture::new().await;
    let broker = fixture.broker.clone();
    let app = App::new()
        .app_data(Data::from(broker.clone()))
        .configure(|app| crate::operators::configure(&broker, app));
    let service = test::init_service(app).await;
    let ask = async |token: &str, method: &str, uri: &str, length: Option<&str>, body: &[u8]| {
        let mut request = test::TestRequest::default()
            .method(method.parse::<Method>().expect("a method"))
            .uri(uri)
            .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
            .set_payload(body.to_vec());
        if let Some(length) = length {
            request = request.insert_header((header::CONTENT_LENGTH, length));
        }
        let response = test::call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        (status, to_bytes(response.into_body()).await.expect("a body"))
    };
    let unknown = "vouchsafe-operator-unknown";
    let (_, expected) = ask(unknown, "GET", "/v1/secrets", None, b"").await;
    for (method, uri) in ROUTES {
        let path = uri.split('?').next().expect("a path");
        for (query, length, body) in [
            ("", None, &b"{"[..]),
            ("?", Some("x"), b"{}"),
            ("?limit=-1&colour=red", None, b"\xff\xff"),
            ("?version=99999999999999999999", Some("99999999999999999999"), b"[]"),
            ("?name=..&path=..&id=..&volume=..&signed_by=..&baseline=..", Some("99999999"), b""),
            ("?%ff=%zz", Some("-1"), b""),
        ] {
            let (status, body) = ask(unknown, method, &format!("{path}{query}"), length, body).await;
            assert_eq!((status, &body), (401, &expected), "{method} {path}{query} {length:?}");
        }
        // With a valid token the same is examined.
        let bad = if *method == "GET" { "?colour=red" } else { "" };
        let (status, _) = ask(&fixture.token, method, &format!("{path}{bad}"), Some("x"), b"{").await;
        assert_ne!(status, 401, "{method} {path}");
    }
}
