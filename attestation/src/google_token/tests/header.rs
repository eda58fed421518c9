//! The form of a token, and which headers are allowed.

use super::*;
use crate::test_util::google_token::sign;

fn verify(token: &str) -> TokenError {
    Verifier::new().verify(token).unwrap_err()
}

#[test]
fn t39_the_algorithm_none_is_refused() {
    for kind in KINDS {
        let refused = refusal(kind, |spec| spec.set_header("alg", json!("none")));
        assert_eq!(refused, TokenError::Algorithm { found: "none".to_owned() });
        let unsigned = spec(kind, |spec| spec.set_header("alg", json!("none"))).sign(service());
        let (signed, _) = unsigned.rsplit_once('.').unwrap();
        assert_eq!(verify(&format!("{signed}.")), TokenError::Algorithm { found: "none".to_owned() });
    }
}

#[test]
fn t39_a_mac_under_the_public_key_is_refused() {
    use aws_lc_rs::hmac;
    use vouchsafe_protocol::encoding::to_base64url;
    let token = spec(TokenKind::Oidc, |spec| spec.set_header("alg", json!("HS256"))).sign(service());
    let (signed, _) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &service().oidc().spki());
    let mac = hmac::sign(&key, signed.as_bytes());
    let forged = format!("{signed}.{}", to_base64url(mac.as_ref()));
    assert_eq!(verify(&forged), TokenError::Algorithm { found: "HS256".to_owned() });
    // A MAC with the required header is not a signature.
    let token = spec(TokenKind::Oidc, |_| ()).sign(service());
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mac = hmac::sign(&key, signed.as_bytes());
    let forged = format!("{signed}.{}", to_base64url(mac.as_ref()));
    assert_eq!(verify(&forged), TokenError::SignatureInvalid);
}

#[test]
fn t39_other_algorithms_are_refused() {
    for algorithm in ["RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", ""] {
        let refused = refusal(TokenKind::Oidc, |spec| spec.set_header("alg", json!(algorithm)));
        assert_eq!(refused, TokenError::Algorithm { found: algorithm.to_owned() });
    }
    let name = "alg";
    for value in [Value::Null, json!(["RS256"])] {
        let refused = refusal(TokenKind::Oidc, |spec| spec.set_header(name, value));
        assert_eq!(refused, TokenError::HeaderMalformed { name });
    }
}

#[test]
fn t39_header_parameters_that_point_to_keys_or_change_the_meaning_are_refused() {
    let jwk = crate::test_util::google_token::jwk(service().oidc(), OIDC_KEY_ID);
    for (name, value) in [
        ("jku", json!("https://attacker.example/jwks")),
        ("x5u", json!("https://attacker.example/chain.pem")),
        ("jwk", jwk),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
        ("x5t", json!("abc")),
        ("x5t#S256", json!("abc")),
        ("cty", json!("JWT")),
        ("ALG", json!("none")),
    ] {
        for kind in KINDS {
            let refused = refusal(kind, |spec| spec.set_header(name, value.clone()));
            assert_eq!(refused, TokenError::HeaderParameter { name: name.to_owned() });
        }
    }
}

#[test]
fn t39_no_member_is_there_twice() {
    let duplicate = |part, name: &str| TokenError::DuplicateMember { part, name: name.to_owned() };
    let claims = spec(TokenKind::Oidc, |_| ()).claims.to_string();
    let header = r#"{"alg":"none","typ":"JWT","kid":"fake-oidc-key-1","alg":"RS256"}"#;
    let token = sign(header, &claims, service().oidc());
    assert_eq!(verify(&token), duplicate(TokenPart::Header, "alg"));
    let header = spec(TokenKind::Oidc, |_| ()).header.to_string();
    let twice = claims.replacen('{', r#"{"aud":"https://other.example","#, 1);
    assert_eq!(verify(&sign(&header, &twice, service().oidc())), duplicate(TokenPart::Payload, "aud"));
    let inner = claims.replacen(r#""gce":{"#, r#""gce":{"instance_id":"1","#, 1);
    assert_eq!(
        verify(&sign(&header, &inner, service().oidc())),
        duplicate(TokenPart::Payload, "instance_id")
    );
}

#[test]
fn t39_another_type_of_object_is_refused() {
    let refused = refusal(TokenKind::Pki, |spec| spec.set_header("typ", json!("at+jwt")));
    assert_eq!(refused, TokenError::ObjectType { found: "at+jwt".to_owned() });
    let refused = refusal(TokenKind::Pki, |spec| spec.set_header("typ", Value::Null));
    assert_eq!(refused, TokenError::HeaderMalformed { name: "typ" });
}

#[test]
fn t39_a_token_names_its_key() {
    assert_eq!(refusal(TokenKind::Oidc, |spec| spec.set_header("kid", Value::Null)), TokenError::NoKeyId);
    let malformed = TokenError::HeaderMalformed { name: "kid" };
    assert_eq!(refusal(TokenKind::Oidc, |spec| spec.set_header("kid", json!(1))), malformed);
    assert_eq!(refusal(TokenKind::Oidc, |spec| spec.set_header("kid", json!("k".repeat(257)))), malformed);
    assert_eq!(refusal(TokenKind::Pki, |spec| spec.set_header("kid", json!({}))), malformed);
}

#[test]
fn a_token_has_three_parts() {
    for (token, found) in [("", 1), ("a", 1), ("a.b", 2), ("a.b.c.d", 4), ("a.b.c.d.e.f", 4)] {
        assert_eq!(verify(token), TokenError::PartCount { found });
    }
}

#[test]
fn parts_are_base64url_in_its_one_spelling() {
    let token = spec(TokenKind::Oidc, |_| ()).sign(service());
    let parts: Vec<&str> = token.split('.').collect();
    let names = [TokenPart::Header, TokenPart::Payload, TokenPart::Signature];
    for (index, part) in names.into_iter().enumerate() {
        for bad in ["=", " ", "+", "\n", "é"] {
            let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            changed[index] += bad;
            let refused = verify(&changed.join("."));
            // A payload is parsed after its signature has been verified.
            let expected = if part == TokenPart::Payload {
                TokenError::SignatureInvalid
            } else {
                TokenError::Encoding { part }
            };
            assert_eq!(refused, expected, "{bad:?}");
        }
    }
}

#[test]
fn t30_parts_are_bounded_before_they_are_read() {
    let long = |length| "A".repeat(length);
    let too_large = |part, found, limit| TokenError::TooLarge { part, found, limit };
    assert_eq!(verify(&format!("{}.a.a", long(16385))), too_large(TokenPart::Header, 16385, 16384));
    assert_eq!(verify(&format!("a.{}.a", long(16385))), too_large(TokenPart::Payload, 16385, 16384));
    assert_eq!(verify(&format!("a.a.{}", long(684))), too_large(TokenPart::Signature, 684, 683));
}

#[test]
fn header_and_claims_are_json_objects() {
    let (key, claims) = (service().oidc(), spec(TokenKind::Oidc, |_| ()).claims.to_string());
    for header in ["", "[]", "{", "\"RS256\"", "{} {}"] {
        let part = TokenPart::Header;
        assert_eq!(verify(&sign(header, &claims, key)), TokenError::NotAnObject { part });
    }
    let header = spec(TokenKind::Oidc, |_| ()).header.to_string();
    let part = TokenPart::Payload;
    assert_eq!(verify(&sign(&header, "[]", key)), TokenError::NotAnObject { part });
}

#[test]
fn foreign_text_in_errors_is_short() {
    let name = "n".repeat(4000);
    let TokenError::HeaderParameter { name } =
        refusal(TokenKind::Oidc, |spec| spec.set_header(&name, json!(1)))
    else {
        panic!("another refusal");
    };
    assert_eq!(name.len(), 128);
}

#[test]
fn the_name_of_a_kind_of_token_is_the_one_in_claims() {
    for (kind, name) in [(TokenKind::Oidc, "oidc"), (TokenKind::Pki, "pki")] {
        assert_eq!((kind.name(), serde_json::to_value(kind).unwrap()), (name, name.into()));
    }
}
