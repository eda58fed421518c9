//! Key sets: which keys are read, which one verifies a token, and for how long.

use vouchsafe_protocol::encoding::to_base64url;

use super::*;
use crate::test_util::ca::FakeCa;
use crate::test_util::google_token::jwk;

fn set(keys: Value) -> Result<TokenKeys, TokenKeysError> {
    TokenKeys::extra(json!({ "keys": keys }).to_string().as_bytes(), NOW)
}

fn flaw(keys: Value) -> TokenKeysError {
    set(keys).unwrap_err()
}

/// The service's key with one member changed.
fn key(member: &str, value: Value) -> Value {
    let mut key = jwk(service().oidc(), OIDC_KEY_ID);
    key.as_object_mut().unwrap().insert(member.to_owned(), value);
    key
}

fn without(member: &str) -> Value {
    let mut key = jwk(service().oidc(), OIDC_KEY_ID);
    key.as_object_mut().unwrap().remove(member);
    key
}

#[test]
fn t40_an_unknown_key_may_be_a_new_one() {
    let kid = "a-new-key".to_owned();
    let refused = refusal(TokenKind::Oidc, |spec| spec.set_header("kid", json!(kid)));
    assert_eq!(refused, TokenError::UnknownKey { kid });
    assert!(refused.is_pending() && !refused.is_malformed());
    let none = Verifier { endorsements: keyed(Vec::new()), ..Verifier::new() };
    let refused = none.verify(&spec(TokenKind::Oidc, |_| ()).sign(service())).unwrap_err();
    assert_eq!(refused, TokenError::UnknownKey { kid: OIDC_KEY_ID.to_owned() });
}

#[test]
fn t40_the_last_good_key_set_serves_for_a_week_and_no_longer() {
    let verifier = |age: u64| {
        let fetched_at = UnixTime(NOW.0 - age);
        Verifier {
            endorsements: keyed(vec![TokenKeys::extra(&service().jwks(), fetched_at).unwrap()]),
            ..Verifier::new()
        }
    };
    let verify = |age| verifier(age).verify(&spec(TokenKind::Oidc, |_| ()).sign(service()));
    assert_eq!(verify(86_400).unwrap().revocation, Revocation::Fresh);
    assert_eq!(verify(86_401).unwrap().revocation, Revocation::Stale);
    assert_eq!(verify(7 * 86_400).unwrap().revocation, Revocation::Stale);
    let fetched_at = UnixTime(NOW.0 - 7 * 86_400 - 1);
    let refused = verify(7 * 86_400 + 1).unwrap_err();
    assert_eq!(refused, TokenError::KeysStale { fetched_at });
    assert!(refused.is_pending());
}

#[test]
fn t40_a_set_from_the_future_verifies_nothing() {
    let verify = |ahead: u64| {
        let keys = TokenKeys::extra(&service().jwks(), NOW.plus(ahead)).unwrap();
        let verifier = Verifier { endorsements: keyed(vec![keys]), ..Verifier::new() };
        verifier.verify(&spec(TokenKind::Oidc, |_| ()).sign(service()))
    };
    assert_eq!(verify(CLOCK_SKEW).unwrap().revocation, Revocation::Fresh);
    let fetched_at = NOW.plus(CLOCK_SKEW + 1);
    assert_eq!(verify(CLOCK_SKEW + 1).unwrap_err(), TokenError::KeysStale { fetched_at });
}

#[test]
fn t40_a_newer_set_takes_over() {
    let old = TokenKeys::extra(&service().jwks(), UnixTime(0)).unwrap();
    let new = TokenKeys::extra(&service().jwks(), NOW).unwrap();
    let verifier = Verifier { endorsements: keyed(vec![old, new]), ..Verifier::new() };
    assert!(verifier.verify(&spec(TokenKind::Oidc, |_| ()).sign(service())).is_ok());
}

#[test]
fn t39_a_key_set_from_a_file_never_gives_google() {
    let verify = |keys| {
        let verifier = Verifier { endorsements: keyed(vec![keys]), ..Verifier::new() };
        verifier.verify(&spec(TokenKind::Oidc, |_| ()).sign(service())).unwrap().root
    };
    assert_eq!(verify(TokenKeys::extra(&service().jwks(), NOW).unwrap()), Root::Extra);
    assert_eq!(verify(TokenKeys::from_google(&service().jwks(), NOW).unwrap()), Root::Google);
}

#[test]
fn t39_the_id_of_a_key_does_not_make_another_key_good() {
    // The leaf's key under the id of the set's key, and vice versa.
    let mut confused = spec(TokenKind::Oidc, |_| ());
    confused.kind = TokenKind::Pki;
    assert_eq!(Verifier::new().verify(&confused.sign(service())), Err(TokenError::SignatureInvalid));
    let mut confused = spec(TokenKind::Pki, |spec| spec.set_header("kid", json!(OIDC_KEY_ID)));
    confused.kind = TokenKind::Oidc;
    assert_eq!(Verifier::new().verify(&confused.sign(service())), Err(TokenError::SignatureInvalid));
}

#[test]
fn keys_for_other_things_are_passed_over() {
    let good = jwk(service().oidc(), OIDC_KEY_ID);
    let elliptic = json!({ "kty": "EC", "use": "sig", "crv": "P-256", "x": "", "y": "", "kid": OIDC_KEY_ID });
    let others =
        [elliptic, key("use", json!("enc")), key("alg", json!("RS512")), without("use"), without("kty")];
    let keys = set(json!([&others[..], &[good]].concat())).unwrap();
    assert_eq!(keys.key_ids().collect::<Vec<_>>(), [OIDC_KEY_ID]);
    assert_eq!(flaw(json!(others)), TokenKeysError::NoKeys);
    assert_eq!(flaw(json!([])), TokenKeysError::NoKeys);
    assert!(set(json!([without("alg")])).is_ok(), "an algorithm need not be named");
}

#[test]
fn a_malformed_key_set_is_refused() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":["a"]}"#, "not JSON"] {
        assert_eq!(TokenKeys::extra(text.as_bytes(), NOW).unwrap_err(), TokenKeysError::NotAKeySet, "{text}");
    }
    let twice = r#"{"keys":[],"keys":[]}"#;
    let refused = TokenKeys::extra(twice.as_bytes(), NOW).unwrap_err();
    assert_eq!(refused, TokenKeysError::DuplicateMember { name: "keys".to_owned() });
    let refused = TokenKeys::extra(&vec![b' '; MAX_JWKS + 1], NOW).unwrap_err();
    assert_eq!(refused, TokenKeysError::TooLarge { found: MAX_JWKS + 1 });
    let many = vec![json!({}); MAX_KEYS + 1];
    assert_eq!(flaw(json!(many)), TokenKeysError::TooManyKeys { found: MAX_KEYS + 1 });
}

#[test]
fn t39_each_key_has_its_own_id() {
    let good = jwk(service().oidc(), OIDC_KEY_ID);
    let kid = OIDC_KEY_ID.to_owned();
    let other = jwk(service().leaf(), OIDC_KEY_ID);
    assert_eq!(flaw(json!([good, other])), TokenKeysError::DuplicateKey { kid });
    for bad in [without("kid"), key("kid", json!("")), key("kid", json!(3))] {
        assert_eq!(flaw(json!([bad])), TokenKeysError::Member { index: 0, member: "kid" });
    }
}

#[test]
fn the_numbers_of_a_key_are_in_their_one_spelling() {
    let n = service().oidc().modulus();
    let padded = to_base64url(&[&[0], &n[..]].concat());
    for bad in [json!(padded), json!("=="), json!(""), json!(5)] {
        assert_eq!(flaw(json!([key("n", bad)])), TokenKeysError::Member { index: 0, member: "n" });
    }
    for bad in [json!("AAEAAQ"), json!("Aw"), json!(65537), json!("")] {
        assert_eq!(flaw(json!([key("e", bad)])), TokenKeysError::Member { index: 0, member: "e" });
    }
    for missing in ["n", "e"] {
        let flaw = flaw(json!([without(missing)]));
        assert_eq!(flaw, TokenKeysError::Member { index: 0, member: missing });
    }
}

#[test]
fn keys_that_are_too_short_or_too_long_are_refused() {
    for (bytes, top, bits) in [(256, 0x7f, 2047), (513, 1, 4097), (128, 0x80, 1024)] {
        let mut n = vec![0xff; bytes];
        n[0] = top;
        let flaw = flaw(json!([key("n", json!(to_base64url(&n)))]));
        assert_eq!(flaw, TokenKeysError::KeySize { index: 0, bits });
    }
    let long = FakeCa::new_4096(vec![0x30, 0], crate::test_util::ca::Scheme::Pkcs1Sha256);
    assert!(set(json!([jwk(&long, "long")])).is_ok());
}
