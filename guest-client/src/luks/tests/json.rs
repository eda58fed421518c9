//! The text of the metadata, and its members in general.

use serde_json::{Value, json};

use super::super::{Header, HeaderError, fake};
use super::{edited, refused, with_text};

/// The fake's text with one part replaced, where an edit of parsed JSON could not do it.
fn replaced(part: &str, by: &str) -> Result<Header, HeaderError> {
    assert!(fake::JSON.contains(part), "{part}");
    Header::parse(&fake::metadata(fake::JSON.replacen(part, by, 1).as_bytes()))
}

#[test]
fn t32_an_area_that_is_not_one_object_is_refused() {
    for text in [&b""[..], b"[]", b" {}", b"{} ", b"{}\0{}", b"null"] {
        assert_eq!(Header::parse(&with_text(text)), Err(HeaderError::JsonArea), "{text:?}");
    }
    let full = [&b"{"[..], &[b' '; 12286], b"}"].concat();
    assert_eq!(Header::parse(&with_text(&full)), Err(HeaderError::JsonArea));
}

#[test]
fn t32_lenient_json_is_refused() {
    for (text, column) in [
        ("{'a':1}", 2),
        ("{\"a\":1,}", 8),
        ("{\"a\":/**/1}", 6),
        ("{}{}", 3),
        ("{\"a\":NaN}", 6),
        ("{\"a\":01}", 7),
    ] {
        let error = HeaderError::JsonSyntax { line: 1, column };
        assert_eq!(Header::parse(&with_text(text.as_bytes())), Err(error), "{text}");
    }
}

#[test]
fn t32_a_member_that_is_there_twice_is_refused() {
    for (part, by, name) in [
        (r#""sector_size""#, r#""encryption":"cipher_null-ecb","sector_size""#, "encryption"),
        (r#""config""#, r#""segments":{},"config""#, "segments"),
        (r#""iv_tweak""#, r#""type":"x","iv_tweak""#, "type"),
        (r#""1":{"#, r#""0":{},"1":{"#, "0"),
    ] {
        assert_eq!(replaced(part, by), Err(HeaderError::JsonDuplicate { name: name.to_owned() }));
    }
    // An escape does not make another name.
    let duplicate = HeaderError::JsonDuplicate { name: "type".to_owned() };
    assert_eq!(replaced(r#""iv_tweak""#, r#""typ\u0065":"linear","iv_tweak""#), Err(duplicate));
}

#[test]
fn t32_a_nul_in_a_name_or_text_is_refused() {
    // json-c ends names there: this would be a second "type".
    assert_eq!(replaced(r#""iv_tweak""#, r#""type\u0000x":"linear","iv_tweak""#), Err(HeaderError::JsonNul));
    assert_eq!(replaced("dynamic", r"dyn\u0000amic"), Err(HeaderError::JsonNul));
}

#[test]
fn t32_deep_and_large_metadata_is_refused() {
    let nested = |depth: usize| {
        edited(|json| {
            json["tokens"]["0"] =
                json!({"type": "deep", "deep": (0..depth).fold(Value::Null, |inner, _| json!([inner]))})
        })
    };
    let token = |found: &str| Err(HeaderError::Token { found: found.to_owned() });
    assert_eq!(Header::parse(&nested(13)), token("deep"));
    assert_eq!(Header::parse(&nested(14)), Err(HeaderError::JsonDepth));
    let long =
        |count: usize| edited(|json| json["tokens"]["0"] = json!({"type": "long", "long": vec![0; count]}));
    assert_eq!(Header::parse(&long(3900)), token("long"));
    assert_eq!(Header::parse(&long(4096)), Err(HeaderError::JsonValues));
}

#[test]
fn t32_a_missing_member_is_refused() {
    for place in [
        "config",
        "config.json_size",
        "config.keyslots_size",
        "digests",
        "digests.0.digest",
        "digests.0.hash",
        "digests.0.iterations",
        "digests.0.keyslots",
        "digests.0.salt",
        "digests.0.segments",
        "digests.0.type",
        "keyslots",
        "keyslots.1.af",
        "keyslots.1.af.hash",
        "keyslots.1.af.stripes",
        "keyslots.1.af.type",
        "keyslots.1.area",
        "keyslots.1.area.encryption",
        "keyslots.1.area.key_size",
        "keyslots.1.area.offset",
        "keyslots.1.area.size",
        "keyslots.1.area.type",
        "keyslots.1.kdf",
        "keyslots.1.kdf.cpus",
        "keyslots.1.kdf.memory",
        "keyslots.1.kdf.salt",
        "keyslots.1.kdf.time",
        "keyslots.1.kdf.type",
        "keyslots.1.key_size",
        "keyslots.1.type",
        "keyslots.0.kdf.hash",
        "keyslots.0.kdf.iterations",
        "segments",
        "segments.0.encryption",
        "segments.0.iv_tweak",
        "segments.0.offset",
        "segments.0.sector_size",
        "segments.0.size",
        "segments.0.type",
        "tokens",
    ] {
        let (parent, name) = place.rsplit_once('.').unwrap_or(("", place));
        let parent: String =
            parent.split('.').filter(|name| !name.is_empty()).flat_map(|name| ["/", name]).collect();
        refused(
            |json| {
                json.pointer_mut(&parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            },
            &HeaderError::MemberMissing { place: place.to_owned() },
        );
    }
}

#[test]
fn t32_an_unknown_member_is_refused() {
    for parent in [
        "",
        "/config",
        "/config/requirements",
        "/digests/0",
        "/keyslots/0",
        "/keyslots/0/af",
        "/keyslots/0/area",
        "/keyslots/0/kdf",
        "/keyslots/1/kdf",
        "/segments/0",
    ] {
        let place = format!("{parent}/new").trim_start_matches('/').replace('/', ".");
        refused(
            |json| {
                json["config"]["requirements"] = json!({ "mandatory": [] });
                json.pointer_mut(parent).unwrap()["new"] = 1.into();
            },
            &HeaderError::MemberUnknown { place },
        );
    }
}

#[test]
fn t32_a_value_of_another_kind_is_refused() {
    for (pointer, value, place) in [
        ("/segments", json!([]), "segments"),
        ("/segments/0", json!("crypt"), "segments.0"),
        ("/segments/0/encryption", json!(1), "segments.0.encryption"),
        ("/segments/0/offset", json!(1_048_576), "segments.0.offset"),
        ("/segments/0/sector_size", json!("4096"), "segments.0.sector_size"),
        ("/segments/0/sector_size", json!(-512), "segments.0.sector_size"),
        ("/segments/0/sector_size", json!(512.0), "segments.0.sector_size"),
        ("/keyslots/0", json!([]), "keyslots.0"),
        ("/keyslots/0/key_size", json!(true), "keyslots.0.key_size"),
        ("/digests/0/keyslots", json!("0"), "digests.0.keyslots"),
        ("/digests/0/segments/0", json!(0), "digests.0.segments"),
        ("/config/json_size", json!(null), "config.json_size"),
    ] {
        let error = HeaderError::MemberType { place: place.to_owned() };
        refused(|json| *json.pointer_mut(pointer).unwrap() = value, &error);
    }
}

#[test]
fn t32_a_number_in_another_form_is_refused() {
    for text in ["", "+1048576", " 1048576", "01048576", "0x100000", "1048576 ", "18446744073709551616", "-1"]
    {
        let place = "segments.0.offset".to_owned();
        refused(|json| json["segments"]["0"]["offset"] = text.into(), &HeaderError::MemberNumber { place });
    }
}

#[test]
fn t32_objects_are_named_by_their_numbers() {
    for (table, name) in
        [("keyslots", "32"), ("keyslots", "00"), ("keyslots", ""), ("segments", "a"), ("digests", "8")]
    {
        let place = format!("{table}.{name}");
        refused(
            |json| {
                let object = json[table].as_object_mut().unwrap().remove("0").unwrap();
                json[table][name] = object;
            },
            &HeaderError::ObjectName { place },
        );
    }
}
