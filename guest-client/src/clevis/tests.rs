use super::*;

const KEY: &[u8] = &[7; 32];
const KNOWN: &str = "eyJhbGciOiJkaXIiLCJjbGV2aXMiOnsicGluIjoidm91Y2hzYWZlIiwidm91Y2hzYWZlIjp7InZvbHVtZSI6InJvb3QifX0sImVuYyI6IkEyNTZHQ00ifQ\
                     ..IEJ2z47BnB16kbp1.YMqW9xd09VZkfSwt.j2eOFM3AOA7HFgOmZsdTJQ";

fn sealed() -> String {
    seal("root", KEY, b"a passphrase of Clevis").unwrap()
}

fn refusal(text: &str) -> JweError {
    UnverifiedJwe::parse(text.as_bytes()).err().expect("refused")
}

/// A sealed JWE with one part replaced.
fn with(part: usize, new: &str) -> String {
    let text = sealed();
    let mut parts: Vec<&str> = text.split('.').collect();
    parts[part] = new;
    parts.join(".")
}

fn with_header(json: &str) -> String {
    with(0, &to_base64url(json.as_ref()))
}

#[test]
fn what_was_sealed_is_opened() {
    let text = sealed();
    let jwe = UnverifiedJwe::parse(text.as_bytes()).unwrap();
    assert_eq!(jwe.volume(), "root");
    assert_eq!(jwe.open(KEY).unwrap().as_slice(), b"a passphrase of Clevis");
    // `clevis decrypt` hands it on with the newline that its caller added.
    let padded = format!("{text}\n");
    UnverifiedJwe::parse(padded.as_bytes()).unwrap().open(KEY).unwrap();
    assert_ne!(sealed(), text, "each has a random initialisation vector");
}

/// Made with `jose jwe enc` (José 11) and the derived key. JWEs stay in LUKS headers for years.
#[test]
fn a_jwe_of_jose_is_opened() {
    let jwe = UnverifiedJwe::parse(KNOWN.as_bytes()).unwrap();
    assert_eq!(jwe.volume(), "root");
    assert_eq!(jwe.open(KEY).unwrap().as_slice(), b"known answer");
}

#[test]
fn t32_another_key_or_a_changed_part_opens_nothing() {
    let text = sealed();
    let jwe = UnverifiedJwe::parse(text.as_bytes()).unwrap();
    assert_eq!(jwe.open(&[8; 32]).unwrap_err(), JweError::Unauthentic);
    let other = with_header(&header("data").unwrap());
    let renamed = UnverifiedJwe::parse(other.as_bytes()).unwrap();
    assert_eq!(renamed.volume(), "data");
    assert_eq!(renamed.open(KEY).unwrap_err(), JweError::Unauthentic);
    let cut = with(3, "AAAA");
    let cut = UnverifiedJwe::parse(cut.as_bytes()).unwrap();
    assert_eq!(cut.open(KEY).unwrap_err(), JweError::Unauthentic);
}

#[test]
fn t32_a_header_with_anything_else_is_refused() {
    let known = header("root").unwrap();
    UnverifiedJwe::parse(with_header(&known).as_bytes()).unwrap();
    for (from, to) in [
        ("\"dir\"", "\"A256KW\""),
        ("\"A256GCM\"", "\"A128GCM\""),
        ("\"A256GCM\"}", "\"A256GCM\",\"zip\":\"DEF\"}"),
        ("\"pin\":\"vouchsafe\"", "\"pin\":\"tang\""),
        ("{\"volume\"", "{\"url\":\"https://elsewhere.example\",\"volume\""),
        ("{\"volume\"", "{\"secret\":\"prod/other\",\"volume\""),
        ("{\"alg\"", "{ \"alg\""),
        ("\"root\"", "\"r\\u006fot\""),
    ] {
        assert!(known.contains(from), "{from}");
        assert_eq!(refusal(&with_header(&known.replacen(from, to, 1))), JweError::Header, "{to}");
    }
}

#[test]
fn malformed_jwes_are_refused() {
    assert_eq!(refusal("a.b.c"), JweError::Parts);
    assert_eq!(refusal(&format!("{}.x", sealed())), JweError::Parts);
    assert_eq!(UnverifiedJwe::parse(b"\xff....").err(), Some(JweError::Parts));
    assert_eq!(refusal(&with(0, "*")), JweError::Encoding { part: "header" });
    assert_eq!(refusal(&with(1, "AAAA")), JweError::EncryptedKey);
    assert_eq!(refusal(&with(2, "AAAA")), JweError::Length { part: "initialisation vector" });
    assert_eq!(refusal(&with(3, "=")), JweError::Encoding { part: "ciphertext" });
    assert_eq!(refusal(&with(4, "AAAA")), JweError::Length { part: "tag" });
    assert_eq!(refusal(&"x".repeat(MAX_JWE + 1)), JweError::TooLong { limit: MAX_JWE });
    let long = vec![0; MAX_PLAINTEXT + 1];
    assert_eq!(seal("root", KEY, &long), Err(JweError::TooLong { limit: MAX_PLAINTEXT }));
}

#[test]
fn the_longest_plaintext_makes_a_jwe_that_is_accepted() {
    let text = seal("root", KEY, &vec![0; MAX_PLAINTEXT]).unwrap();
    UnverifiedJwe::parse(text.as_bytes()).unwrap().open(KEY).unwrap();
}
