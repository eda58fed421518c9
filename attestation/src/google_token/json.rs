//! JSON of a token or a key set, parsed strictly: no duplicate members, at any depth.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeSeed;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Bool(bool),
    Integer(u64),
    Text(String),
    List(Vec<Self>),
    Object(Members),
    /// `null`.
    Null,
    /// Numbers that are negative or not integers: never valid here.
    Other,
}

/// Members of an object.
pub(super) type Members = BTreeMap<String, Json>;

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Not one JSON object and nothing else.
    NotAnObject,
    /// A member occurs twice in an object.
    Duplicate(String),
}

/// The members of the only object in `text`. serde_json bounds the depth.
pub(super) fn object(text: &[u8]) -> Result<Members, Flaw> {
    let duplicate = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Strict { duplicate: &duplicate }.deserialize(&mut deserializer);
    let read = read.and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(Flaw::NotAnObject),
        Err(_) => Err(duplicate.into_inner().map_or(Flaw::NotAnObject, Flaw::Duplicate)),
    }
}

/// Parses a value, and notes which member was a duplicate.
#[derive(Clone, Copy)]
struct Strict<'a> {
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Members::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                self.duplicate.replace(Some(name));
                return Err(A::Error::custom("a member occurs twice"));
            }
            let value = map.next_value_seed(self)?;
            members.insert(name, value);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_member_occurs_twice_at_any_depth() {
        let duplicate = |text: &str| object(text.as_bytes()).unwrap_err();
        assert_eq!(duplicate(r#"{"a":1,"a":1}"#), Flaw::Duplicate("a".to_owned()));
        assert_eq!(duplicate(r#"{"a":[{"b":1,"\u0062":2}]}"#), Flaw::Duplicate("b".to_owned()));
    }

    #[test]
    fn exactly_one_object_is_read() {
        for text in ["", "1", "[]", "null", "{} {}", "{}x", "{\"a\":1,}", "{'a':1}", "\u{feff}{}"] {
            assert_eq!(object(text.as_bytes()), Err(Flaw::NotAnObject), "{text}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(object(deep.as_bytes()), Err(Flaw::NotAnObject));
        let members = object(br#" {"a":18446744073709551615,"b":-1,"c":1.0,"d":null} "#).unwrap();
        assert_eq!(members["a"], Json::Integer(u64::MAX));
        assert!(["b", "c"].iter().all(|name| members[*name] == Json::Other));
        assert_eq!(members["d"], Json::Null);
    }
}
