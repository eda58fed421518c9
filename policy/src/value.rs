//! Claims as a tree of values, used for Cedar and in explanations.

use std::collections::BTreeMap;
use std::fmt;

use cedar_policy::{EntityUid, RestrictedExpression};
use vouchsafe_protocol::UnixTime;

use super::reads::Projection;
use super::schema::{self, Kind};

/// One claim or a record of claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Long(i64),
    Text(String),
    /// A member of a closed vocabulary.
    Member(Kind, &'static str),
    /// Never empty: an empty set is an absent claim.
    Set(Vec<Self>),
    Record(Record),
    /// Seconds since 1970.
    Time(i64),
}

/// Attributes by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record(BTreeMap<&'static str, Value>);

/// A record to build: it only makes the members that are read.
#[derive(Debug)]
pub(super) struct Picked<'r> {
    projection: Projection<'r>,
    record: Record,
}

impl<'r> Picked<'r> {
    pub(super) const fn new(projection: Projection<'r>) -> Self {
        Self { projection, record: Record(BTreeMap::new()) }
    }

    /// The finished record.
    pub(super) fn done(self) -> Record {
        self.record
    }

    pub(super) fn with(self, name: &'static str, value: impl Into<Value>) -> Self {
        self.with_some(name, Some(value))
    }

    pub(super) fn with_some<V: Into<Value>>(mut self, name: &'static str, value: Option<V>) -> Self {
        if let Some(value) = value
            && self.projection.has(name)
        {
            self.record.0.insert(name, value.into());
        }
        self
    }

    /// Adds a text, from the value's `Display`.
    pub(super) fn with_text(self, name: &'static str, value: &impl fmt::Display) -> Self {
        self.with_some_text(name, Some(value))
    }

    /// Adds a text, if present.
    pub(super) fn with_some_text<V: fmt::Display>(self, name: &'static str, value: Option<V>) -> Self {
        self.with_some(name, value.map(|value| Text(value)))
    }

    /// Adds a record.
    pub(super) fn with_record(mut self, name: &'static str, fill: impl FnOnce(Self) -> Self) -> Self {
        if let Some(projection) = self.projection.member(name) {
            self.record.0.insert(name, Value::Record(fill(Self::new(projection)).record));
        }
        self
    }

    /// Adds a record made from a value, if that is present.
    pub(super) fn with_some_record<T>(
        self,
        name: &'static str,
        about: Option<T>,
        fill: impl FnOnce(Self, T) -> Self,
    ) -> Self {
        match about {
            Some(about) => self.with_record(name, |record| fill(record, about)),
            None => self,
        }
    }

    /// Adds a set, unless it is empty.
    pub(super) fn with_set(self, name: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        if !self.projection.has(name) {
            return self;
        }
        let values: Vec<Value> = values.into_iter().collect();
        let value = (!values.is_empty()).then_some(Value::Set(values));
        self.with_some(name, value)
    }
}

/// Becomes a text when it is read.
struct Text<T>(T);

impl<T: fmt::Display> From<Text<T>> for Value {
    fn from(text: Text<T>) -> Self {
        Self::Text(text.0.to_string())
    }
}

impl Record {
    /// The value at a path of attribute names.
    pub(super) fn get(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = self.0.get(first.as_str())?;
        match (value, rest) {
            (value, []) => Some(value),
            (Value::Record(record), rest) => record.get(rest),
            _ => None,
        }
    }

    /// The attributes, for an entity or a context.
    pub(super) fn expressions(&self) -> impl Iterator<Item = (String, RestrictedExpression)> {
        self.picked(&Projection::All)
    }

    /// The attributes that are read.
    pub(super) fn picked(
        &self,
        projection: &Projection<'_>,
    ) -> impl Iterator<Item = (String, RestrictedExpression)> {
        let picked = self.0.iter().filter(|(name, _)| projection.has(name));
        picked.map(|(name, value)| ((*name).to_owned(), value.expression()))
    }
}

impl Value {
    fn expression(&self) -> RestrictedExpression {
        match self {
            Self::Bool(value) => RestrictedExpression::new_bool(*value),
            Self::Long(value) => RestrictedExpression::new_long(*value),
            Self::Text(value) => RestrictedExpression::new_string(value.clone()),
            Self::Member(kind, name) => RestrictedExpression::new_entity_uid(member(*kind, name)),
            Self::Set(values) => RestrictedExpression::new_set(values.iter().map(Self::expression)),
            Self::Record(record) => RestrictedExpression::new_record(record.expressions())
                .expect("the names of a BTreeMap are unique"),
            Self::Time(seconds) => RestrictedExpression::new_datetime(schema::datetime(*seconds)),
        }
    }
}

fn member(kind: Kind, name: &str) -> EntityUid {
    schema::uid(kind, name)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Long(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Member(kind, name) => write!(f, "{}::{name:?}", kind.name()),
            Self::Set(values) => list(f, "[", values.iter().map(|value| (None, value)), "]"),
            Self::Record(record) => {
                list(f, "{", record.0.iter().map(|(name, value)| (Some(*name), value)), "}")
            }
            Self::Time(seconds) => write!(f, "datetime({:?})", schema::datetime(*seconds)),
        }
    }
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    values: impl Iterator<Item = (Option<&'static str>, &'a Value)>,
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, (name, value)) in values.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        if let Some(name) = name {
            write!(f, "{name}: ")?;
        }
        write!(f, "{value}")?;
    }
    f.write_str(close)
}

/// Times after the last one that Cedar supports become that one.
impl From<UnixTime> for Value {
    fn from(time: UnixTime) -> Self {
        Self::Time(i64::try_from(time.0).unwrap_or(i64::MAX).min(LAST_SECOND))
    }
}

/// 9999-12-31T23:59:59Z: Cedar has no form for later times.
const LAST_SECOND: i64 = 253_402_300_799;

macro_rules! from {
    ($($from:ty => $variant:ident $(, $convert:path)?;)*) => {
        $(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant($($convert)?(value))
            }
        })*
    };
}

from! {
    bool => Bool;
    i64 => Long;
    u8 => Long, i64::from;
    u16 => Long, i64::from;
    u32 => Long, i64::from;
    &str => Text, str::to_owned;
}
