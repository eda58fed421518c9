//! JSON without the freedom that readers of JSON have: no member twice, no NUL in a text, bounded nesting and number of values.
//!
//! cryptsetup reads the metadata with json-c, which takes the last of two members of one name and ends names at a NUL. What both readers
//! could read differently is refused here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::error::HeaderError;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Object(BTreeMap<String, Self>),
    Array(Vec<Self>),
    Text(String),
    /// An integer that is not negative.
    Number(u64),
    /// Null, a flag, another number.
    Other,
}

/// Reads a text that is one value.
pub(super) fn parse(text: &[u8]) -> Result<Value, HeaderError> {
    let reader = Reader { values: Cell::new(0), fault: RefCell::new(None) };
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = Nested { reader: &reader, depth: 0 }
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value));
    value.map_err(|error| {
        let place = HeaderError::JsonSyntax { line: error.line(), column: error.column() };
        reader.fault.take().unwrap_or(place)
    })
}

/// What is counted over the whole text.
struct Reader {
    values: Cell<usize>,
    fault: RefCell<Option<HeaderError>>,
}

impl Reader {
    /// The error that ends the reading.
    fn fail<E: Error>(&self, fault: HeaderError) -> E {
        *self.fault.borrow_mut() = Some(fault);
        E::custom("refused")
    }

    fn text<E: Error>(&self, text: &str) -> Result<String, E> {
        if text.contains('\0') {
            return Err(self.fail(HeaderError::JsonNul));
        }
        Ok(text.to_owned())
    }
}

/// A value at a depth.
#[derive(Clone, Copy)]
struct Nested<'r> {
    reader: &'r Reader,
    depth: usize,
}

impl Nested<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.reader.fail(HeaderError::JsonDepth));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let count = self.reader.values.get() + 1;
        self.reader.values.set(count);
        if count > MAX_VALUES {
            return Err(self.reader.fail(HeaderError::JsonValues));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let name = self.reader.text(&name)?;
            let value = map.next_value_seed(inner)?;
            if members.contains_key(&name) {
                return Err(self.reader.fail(HeaderError::JsonDuplicate { name }));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = array.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.reader.text(text).map(Value::Text)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }
}

/// json-c stops at 32. Metadata has five levels, tokens of other programs a few more.
const MAX_DEPTH: usize = 16;
/// 32 key slots have about 700 values.
const MAX_VALUES: usize = 4096;
