//! JSON whose objects have names for their members.
//!
//! A type with a derived `Deserialize` also accepts an array of its members' values, at any depth, and then no member is
//! unknown or missing by name. No document describes that form, and a program that reads the same bytes may see something
//! else in it, so it is refused here.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

/// Parses JSON; whatever is a struct of the type is an object of the text.
///
/// # Errors
/// The parser's.
pub fn from_slice<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> serde_json::Result<T> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Named(&mut parser))?;
    parser.end()?;
    Ok(value)
}

/// A part of the parser, in which structs have names for their members.
struct Named<P>(P);

/// A visitor of a type, and whether that is a struct.
struct Reading<V> {
    visitor: V,
    is_struct: bool,
}

const fn reading<V>(visitor: V) -> Reading<V> {
    Reading { visitor, is_struct: false }
}

macro_rules! deserialize {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'b>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* reading(visitor))
        })*
    };
}

impl<'b, D: Deserializer<'b>> Deserializer<'b> for Named<D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_struct<V: Visitor<'b>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Reading { visitor, is_struct: true })
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($($value:ident: $type:ty)?);)*) => {
        $(fn $method<E: Error>(self, $($value: $type)?) -> Result<V::Value, E> {
            self.visitor.$method($($value)?)
        })*
    };
}

impl<'b, V: Visitor<'b>> Visitor<'b> for Reading<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(formatter)
    }

    visit! {
        visit_bool(value: bool);
        visit_i64(value: i64);
        visit_i128(value: i128);
        visit_u64(value: u64);
        visit_u128(value: u128);
        visit_f64(value: f64);
        visit_char(value: char);
        visit_str(value: &str);
        visit_borrowed_str(value: &'b str);
        visit_string(value: String);
        visit_bytes(value: &[u8]);
        visit_borrowed_bytes(value: &'b [u8]);
        visit_byte_buf(value: Vec<u8>);
        visit_none();
        visit_unit();
    }

    fn visit_some<D: Deserializer<'b>>(self, value: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Named(value))
    }

    fn visit_newtype_struct<D: Deserializer<'b>>(self, value: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Named(value))
    }

    fn visit_seq<A: SeqAccess<'b>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.is_struct {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.visitor.visit_seq(Named(items))
    }

    fn visit_map<A: MapAccess<'b>>(self, members: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Named(members))
    }

    fn visit_enum<A: EnumAccess<'b>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Named(variant))
    }
}

impl<'b, S: DeserializeSeed<'b>> DeserializeSeed<'b> for Named<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'b>>(self, value: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Named(value))
    }
}

impl<'b, A: SeqAccess<'b>> SeqAccess<'b> for Named<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'b>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Named(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'b, A: MapAccess<'b>> MapAccess<'b> for Named<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'b>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'b>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Named(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'b, A: EnumAccess<'b>> EnumAccess<'b> for Named<A> {
    type Error = A::Error;
    type Variant = Named<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'b>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(value, variant)| (value, Named(variant)))
    }
}

impl<'b, A: VariantAccess<'b>> VariantAccess<'b> for Named<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'b>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Named(seed))
    }

    fn tuple_variant<V: Visitor<'b>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, reading(visitor))
    }

    fn struct_variant<V: Visitor<'b>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Reading { visitor, is_struct: true })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        number: u64,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Wrapper(Inner);

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Choice {
        Unit,
        Newtype(Inner),
        Pair(u8, Inner),
        Members { inner: Inner },
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Outer {
        text: String,
        inner: Option<Inner>,
        list: Vec<Inner>,
        map: BTreeMap<String, Inner>,
        pair: (i8, Inner),
        wrapper: Wrapper,
        choice: Choice,
    }

    fn outer() -> serde_json::Value {
        let inner = json!({ "number": 1 });
        json!({
            "text": "a\"b", "inner": inner, "list": [inner], "map": { "x": inner }, "pair": [-1, inner],
            "wrapper": inner, "choice": { "members": { "inner": inner } },
        })
    }

    fn parse<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, String> {
        from_slice(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_has_names_is_parsed_as_without_this_module() {
        for choice in [
            json!("unit"),
            json!({ "newtype": { "number": 1 } }),
            json!({ "pair": [1, { "number": 1 }] }),
            json!({ "members": { "inner": { "number": 1 } } }),
        ] {
            let mut value = outer();
            value["choice"] = choice;
            let text = value.to_string();
            let found: Outer = parse(&text).expect("well formed");
            assert_eq!(found, serde_json::from_str(&text).expect("well formed"));
        }
    }

    #[test]
    fn t41_an_array_is_no_object_at_any_depth() {
        let array = json!([1]);
        for pointer in
            ["/inner", "/list/0", "/map/x", "/pair/1", "/wrapper", "/choice/members", "/choice/members/inner"]
        {
            let mut value = outer();
            *value.pointer_mut(pointer).expect("it is there") =
                if pointer == "/choice/members" { json!([{ "number": 1 }]) } else { array.clone() };
            let text = value.to_string();
            assert!(serde_json::from_str::<Outer>(&text).is_ok(), "{pointer}: derived code accepts it");
            let error = parse::<Outer>(&text).expect_err(pointer);
            assert!(error.starts_with("invalid type: sequence, expected struct"), "{pointer}: {error}");
        }
        let error = parse::<Inner>("[1]").expect_err("an array");
        assert_eq!(error, "invalid type: sequence, expected struct Inner at line 1 column 1");
    }

    #[test]
    fn other_errors_are_the_parsers_own() {
        for text in [
            "",
            "{",
            "{\"number\":1}x",
            "{\"number\":1,\"number\":1}",
            "{\"x\":1}",
            "{\"number\":\"1\"}",
            "{}",
        ] {
            let expected = serde_json::from_str::<Inner>(text).expect_err(text).to_string();
            assert_eq!(parse::<Inner>(text), Err(expected));
        }
        let deep = "[".repeat(1000);
        assert!(parse::<Vec<Inner>>(&deep).is_err());
        assert_eq!(parse::<&str>("\"borrowed\""), Ok("borrowed"));
    }
}
