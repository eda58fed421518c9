//! The members of one object of the metadata. Each is taken once, and none may be left over.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::HeaderError;
use super::json::Value;

/// An object and its path.
pub(super) struct Members {
    place: String,
    members: BTreeMap<String, Value>,
}

impl Members {
    /// The whole metadata.
    pub(super) fn top(value: Value) -> Result<Self, HeaderError> {
        Self::of(String::new(), value)
    }

    fn of(place: String, value: Value) -> Result<Self, HeaderError> {
        match value {
            Value::Object(members) => Ok(Self { place, members }),
            _ => Err(HeaderError::MemberType { place }),
        }
    }

    /// The path of a member.
    pub(super) fn place(&self, name: &str) -> String {
        join(&self.place, name)
    }

    fn wrong_type(&self, name: &str) -> HeaderError {
        HeaderError::MemberType { place: self.place(name) }
    }

    /// A member that may be missing.
    fn optional(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<Value, HeaderError> {
        self.optional(name).ok_or_else(|| HeaderError::MemberMissing { place: self.place(name) })
    }

    /// Whether there is such a member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str) -> Result<Self, HeaderError> {
        let value = self.required(name)?;
        Self::of(self.place(name), value)
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<String, HeaderError> {
        match self.required(name)? {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_type(name)),
        }
    }

    /// An integer.
    pub(super) fn number(&mut self, name: &str) -> Result<u64, HeaderError> {
        match self.required(name)? {
            Value::Number(number) => Ok(number),
            _ => Err(self.wrong_type(name)),
        }
    }

    /// An integer in a text, as JSON has no 64-bit ones.
    pub(super) fn long(&mut self, name: &str) -> Result<u64, HeaderError> {
        let text = self.text(name)?;
        decimal(&text).ok_or_else(|| HeaderError::MemberNumber { place: self.place(name) })
    }

    /// A list of texts; empty if it is missing.
    pub(super) fn texts_if_any(&mut self, name: &str) -> Result<Vec<String>, HeaderError> {
        if self.has(name) { self.texts(name) } else { Ok(Vec::new()) }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, HeaderError> {
        let Value::Array(values) = self.required(name)? else { return Err(self.wrong_type(name)) };
        let text = |value| match value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_type(name)),
        };
        values.into_iter().map(text).collect()
    }

    /// Bytes in base64 with padding.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, HeaderError> {
        Ok(STANDARD.decode(self.text(name)?).ok())
    }

    /// A salt of 32 bytes, the only length that cryptsetup takes.
    pub(super) fn salt(&mut self) -> Result<(), HeaderError> {
        match self.bytes("salt")? {
            Some(salt) if salt.len() == 32 => Ok(()),
            _ => Err(HeaderError::Salt { place: self.place("salt") }),
        }
    }

    /// Objects that are named by their numbers, in the order of these.
    pub(super) fn numbered(self, limit: u8) -> Result<BTreeMap<u8, Self>, HeaderError> {
        let mut objects = BTreeMap::new();
        for (name, value) in self.members {
            let place = join(&self.place, &name);
            let number = decimal(&name).and_then(|number| u8::try_from(number).ok());
            let Some(number) = number.filter(|number| *number < limit) else {
                return Err(HeaderError::ObjectName { place });
            };
            objects.insert(number, Self::of(place, value)?);
        }
        Ok(objects)
    }

    /// Ends the reading of an object: a member that was not taken is not known.
    pub(super) fn finish(self) -> Result<(), HeaderError> {
        match self.members.keys().next() {
            Some(name) => Err(HeaderError::MemberUnknown { place: self.place(name) }),
            None => Ok(()),
        }
    }
}

/// The path of a member of an object.
fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// A number in the one form that cryptsetup writes: digits without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (digits && canonical).then(|| text.parse().ok()).flatten()
}
