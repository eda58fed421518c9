//! The names in a schema: record types with their attributes, and the members of closed sets.
//!
//! Used for the reference of claims, and for suggestions when a name is misspelt.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Schema, SchemaFragment};
use serde_json::{Map, Value};

use super::super::expression::ClaimPath;

/// A schema and its names.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// What policies are validated against.
    pub(crate) schema: Schema,
    records: BTreeMap<String, Attributes>,
    closed_sets: BTreeMap<String, Vec<String>>,
    entities: BTreeSet<String>,
    /// Type of `principal`, if it is the same for all actions.
    principal: Option<String>,
    /// Type of `context`, likewise.
    context: Option<AttributeType>,
}

/// Attributes of a record by name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// An attribute of a record.
#[derive(Debug)]
pub(crate) struct Attribute {
    /// Its type.
    pub(crate) of: AttributeType,
    /// Whether it is always present.
    pub(crate) required: bool,
}

/// A type in the schema.
#[derive(Debug)]
pub(crate) enum AttributeType {
    /// A primitive type, an entity type or a record type.
    Named(String),
    /// A set.
    Set(Box<Self>),
    /// A record without a name.
    Record(Attributes),
}

/// An attribute that its record does not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownAttribute {
    /// As it is written.
    pub(crate) name: String,
    /// A suggestion.
    pub(crate) meant: Option<String>,
}

impl Vocabulary {
    /// Parses a schema that is part of this crate.
    ///
    /// # Panics
    /// Never: tests read each of them.
    pub(crate) fn parse(text: &str) -> Self {
        let (fragment, _) = SchemaFragment::from_cedarschema_str(text).expect("a test reads the schema");
        let json = fragment.to_json_value().expect("a schema is JSON");
        let namespace = json.get("").cloned().unwrap_or_default();
        let members =
            |name: &str| namespace.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let (entities, actions) = (members("entityTypes"), members("actions"));
        let common = members("commonTypes").into_iter();
        let shapes =
            entities.iter().filter_map(|(name, entity)| Some((name.clone(), entity.get("shape")?.clone())));
        let records = common.chain(shapes).filter_map(|(name, of)| match attribute_type(&of) {
            AttributeType::Record(attributes) => Some((name, attributes)),
            _ => None,
        });
        let closed_sets = entities.iter().filter_map(|(name, entity)| {
            let members = entity.get("enum")?.as_array()?.iter();
            Some((name.clone(), members.filter_map(Value::as_str).map(str::to_owned).collect()))
        });
        Self {
            schema: parse(text),
            records: records.collect(),
            closed_sets: closed_sets.collect(),
            principal: common_principal(&actions),
            context: actions
                .values()
                .find_map(|action| action.pointer("/appliesTo/context"))
                .map(attribute_type),
            entities: entities.into_iter().map(|(name, _)| name).collect(),
        }
    }

    /// The attributes of a type, if it is a record or an entity that has some.
    pub(crate) fn attributes<'a>(&'a self, of: &'a AttributeType) -> Option<&'a Attributes> {
        match of {
            AttributeType::Named(name) => self.records.get(name),
            AttributeType::Record(attributes) => Some(attributes),
            AttributeType::Set(_) => None,
        }
    }

    /// The attributes of a record type by its name.
    pub(crate) fn record(&self, name: &str) -> Option<&Attributes> {
        self.records.get(name)
    }

    /// The members of a closed set by its name.
    pub(crate) fn members(&self, name: &str) -> Option<&[String]> {
        self.closed_sets.get(name).map(Vec::as_slice)
    }

    /// Names of the record types that have attributes.
    #[cfg(test)]
    pub(crate) fn record_names(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(String::as_str)
    }

    /// The first name of a path that its record does not have.
    pub(crate) fn unknown(&self, path: &ClaimPath) -> Option<UnknownAttribute> {
        let mut attributes = if path.context {
            self.attributes(self.context.as_ref()?)?
        } else {
            self.records.get(self.principal.as_ref()?)?
        };
        for name in &path.names {
            let Some(attribute) = attributes.get(name) else {
                let meant = nearest(name, attributes.keys().map(String::as_str)).map(str::to_owned);
                return Some(UnknownAttribute { name: name.clone(), meant });
            };
            attributes = self.attributes(&attribute.of)?;
        }
        None
    }

    /// A suggestion for a misspelt entity type.
    pub(crate) fn nearest_entity(&self, name: &str) -> Option<&str> {
        nearest(name, self.entities.iter().map(String::as_str))
    }
}

/// Parses a schema that is part of this crate.
fn parse(text: &str) -> Schema {
    let (schema, mut warnings) = Schema::from_cedarschema_str(text).expect("a test reads the schema");
    debug_assert!(warnings.next().is_none(), "a test reads the schema");
    schema
}

/// A suggestion for a misspelt name: up to a third of its letters may differ.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    let rated = known.map(|candidate| {
        let other = candidate.to_lowercase();
        let part = lower.len() >= 3 && (other.contains(&lower) || lower.contains(&other));
        let distance = distance(&lower, &other);
        (if distance > limit && part { limit } else { distance }, candidate)
    });
    rated
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Edit distance of two words: insertion, deletion, substitution and transposition (optimal string
/// alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (mut before, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=other.len()).collect());
    for (row, a) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, column) + usize::from(a != b);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let exchanged =
                row > 0 && column > 0 && one.get(row - 1) == Some(b) && other.get(column - 1) == Some(a);
            if exchanged {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

/// The principal type, if all actions have the same.
fn common_principal(actions: &Map<String, Value>) -> Option<String> {
    let types = actions.values().filter_map(|action| action.pointer("/appliesTo/principalTypes")?.as_array());
    let names: BTreeSet<&str> = types.flatten().filter_map(Value::as_str).collect();
    let mut names = names.into_iter();
    names.next().filter(|_| names.next().is_none()).map(str::to_owned)
}

/// Cedar's JSON form of a type.
fn attribute_type(json: &Value) -> AttributeType {
    let text = |member: &str| json.get(member).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "Set" => AttributeType::Set(Box::new(attribute_type(json.get("element").unwrap_or(&Value::Null)))),
        "Record" => AttributeType::Record(
            json.get("attributes")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, attribute)| {
                    let required = attribute.get("required").and_then(Value::as_bool).unwrap_or(true);
                    (name.clone(), Attribute { of: attribute_type(attribute), required })
                })
                .collect(),
        ),
        "EntityOrCommon" | "Entity" | "Extension" => AttributeType::Named(plain(text("name"))),
        primitive => AttributeType::Named(plain(primitive)),
    }
}

/// Cedar may mark a name as its own.
fn plain(name: &str) -> String {
    name.strip_prefix("__cedar::").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (one, other, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("phase", "phaze", 1),
            ("vptm", "vtpm", 1),
            ("initrd", "initramfs", 4),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (edits, edits), "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_word_is_found_and_no_other() {
        let known = ["technology", "vtpm", "snp", "google_token", "sev-snp", "up-to-date"];
        for (word, meant) in [
            ("tecnology", Some("technology")),
            ("vptm", Some("vtpm")),
            ("SNP", Some("snp")),
            ("token", Some("google_token")),
            ("uptodate", Some("up-to-date")),
            ("sevsnp", Some("sev-snp")),
            ("kernel", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
    }

    #[test]
    fn a_schema_has_its_words() {
        let words = super::super::vocabulary();
        assert_eq!(words.members("Signer"), Some(&["vcek".to_owned(), "vlek".to_owned()][..]));
        let vtpm = words.record("Vtpm").unwrap();
        assert!(vtpm["root"].required && !vtpm["instance"].required);
        assert!(
            matches!(&vtpm["words"].of, AttributeType::Set(of) if matches!(of.as_ref(), AttributeType::Named(name) if name == "String"))
        );
        assert!(matches!(&vtpm["root"].of, AttributeType::Named(name) if name == "Root"));
        assert!(
            matches!(&words.record("GoogleToken").unwrap()["tdx_tcb"].of, AttributeType::Record(tcb) if tcb.len() == 2)
        );
        let path =
            |text: &str, context| ClaimPath { context, names: text.split('.').map(str::to_owned).collect() };
        let unknown =
            |text, context| words.unknown(&path(text, context)).map(|found| (found.name, found.meant));
        assert_eq!(unknown("vtpm.instance.zone", false), None);
        let meant = |name: &str, meant: &str| Some((name.to_owned(), Some(meant.to_owned())));
        assert_eq!(unknown("vptm.root", false), meant("vptm", "vtpm"));
        assert_eq!(unknown("google_token.tdx_tcb.statsu", false), meant("statsu", "status"));
        assert_eq!(unknown("baseline_versoin", true), meant("baseline_versoin", "baseline_version"));
        assert_eq!(words.nearest_entity("Phaze"), Some("Phase"));
    }
}
