//! The reference of all claims: what a policy can read, where it comes from, and when it is absent.
//!
//! Types are from the schema, descriptions from `claims.txt`. `vouchsafe policy schema` and `docs/claims.md`
//! are made from both, and a test compares the two.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::Serialize;

use super::{Attribute, AttributeType, Vocabulary, vocabulary};

/// A claim as policies name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimReference {
    /// `principal.vtpm.phase`, `context.now`.
    pub path: String,
    /// Its type: `Bool`, `Long`, `String`, `datetime`, a closed set, a record or a set of one of these.
    #[serde(rename = "type")]
    pub of: String,
    /// The members of its type, if that is a closed set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The evidence that it comes from.
    pub from: &'static str,
    /// A description.
    pub about: &'static str,
    /// When it is absent although its record is present; `None` for a claim that is always present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<&'static str>,
}

/// All claims and the context, in the order of the documentation; with a `prefix`, those at or below it.
#[must_use]
pub fn claim_references(prefix: Option<&str>) -> Vec<ClaimReference> {
    let words = vocabulary();
    let mut all = Vec::new();
    for (root, record) in ROOTS {
        expand(words, root, record, &mut all);
    }
    let prefix = prefix.map(|prefix| match prefix.split('.').next() {
        Some("principal" | "context") => prefix.to_owned(),
        _ => format!("principal.{prefix}"),
    });
    let fits = |path: &str| {
        prefix.as_ref().is_none_or(|prefix| {
            path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    all.retain(|claim| fits(&claim.path));
    all
}

/// The reference as Markdown: `docs/claims.md`.
#[must_use]
pub fn claims_markdown() -> String {
    let mut text = String::from(HEAD);
    let all = claim_references(None);
    for record in RECORDS.iter() {
        let places = places(record, &all);
        let _ =
            writeln!(text, "\n## {}\n\n{} ({})\n", heading(record, &places), record.about, places.join(", "));
        text.push_str("| claim | type | from | meaning | absent |\n|---|---|---|---|---|\n");
        for claim in &record.claims {
            let path = places
                .first()
                .map_or_else(String::new, |place| format!("{}.{}", place.trim_matches('`'), claim.name));
            let of = all.iter().find(|other| other.path == path).map_or_else(String::new, type_cell);
            let absent = claim.absent.map_or_else(|| "never".to_owned(), |when| format!("if {when}"));
            let ClaimText { name, from, about, .. } = claim;
            let _ = writeln!(text, "| `{name}` | {of} | {from} | {about} | {absent} |");
        }
    }
    text
}

/// The text of `claims.txt` about one claim.
#[derive(Clone, Copy, Debug)]
struct ClaimText {
    name: &'static str,
    from: &'static str,
    about: &'static str,
    absent: Option<&'static str>,
}

/// The text of `claims.txt` about a record type.
#[derive(Debug)]
struct RecordText {
    name: &'static str,
    about: &'static str,
    claims: Vec<ClaimText>,
}

impl ClaimText {
    fn read(line: &'static str) -> Self {
        let mut columns = line.splitn(4, " | ");
        let [name, from, about] = [(); 3].map(|()| columns.next().unwrap_or_default());
        Self { name, from, about, absent: columns.next() }
    }
}

impl RecordText {
    fn read(section: &'static str) -> Self {
        let mut lines = section.lines();
        let [name, about] = [(); 2].map(|()| lines.next().unwrap_or_default());
        let claims = lines.filter(|line| !line.is_empty()).flat_map(|line| match line.strip_prefix("..") {
            Some(other) => section_of(other).map(Self::read).map(|other| other.claims).unwrap_or_default(),
            None => vec![ClaimText::read(line)],
        });
        Self { name, about, claims: claims.collect() }
    }
}

fn sections() -> impl Iterator<Item = &'static str> {
    include_str!("../claims.txt").split("\n## ").skip(1)
}

fn section_of(record: &str) -> Option<&'static str> {
    sections().find(|section| section.lines().next() == Some(record))
}

/// When the claim at a path is absent, by `claims.txt`.
pub(crate) fn absent_when(path: &str) -> Option<&'static str> {
    ABSENT.get(path).copied()
}

static ABSENT: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let all = claim_references(None).into_iter();
    all.filter_map(|claim| Some((claim.path, claim.absent?))).collect()
});

fn expand(words: &Vocabulary, at: &str, record: &str, all: &mut Vec<ClaimReference>) {
    let Some(text) = RECORDS.iter().find(|text| text.name == record) else { return };
    for claim in &text.claims {
        let path = format!("{at}.{}", claim.name);
        let Some(attribute) = attribute(words, record, claim.name) else { continue };
        let values = match &attribute.of {
            AttributeType::Named(name) => words.members(name).unwrap_or_default().to_vec(),
            AttributeType::Set(of) => match of.as_ref() {
                AttributeType::Named(name) => words.members(name).unwrap_or_default().to_vec(),
                _ => Vec::new(),
            },
            AttributeType::Record(_) => Vec::new(),
        };
        let of = type_name(&attribute.of);
        all.push(ClaimReference {
            path: path.clone(),
            of,
            values,
            from: claim.from,
            about: claim.about,
            absent: claim.absent.filter(|_| !attribute.required),
        });
        match &attribute.of {
            AttributeType::Named(name) => expand(words, &path, name, all),
            AttributeType::Record(_) => expand(words, &path, &format!("{record}.{}", claim.name), all),
            AttributeType::Set(_) => {}
        }
    }
}

/// The attribute of a record of `claims.txt`; `Record.member` is a record without a name.
fn attribute<'v>(words: &'v Vocabulary, record: &str, name: &str) -> Option<&'v Attribute> {
    match record.split_once('.') {
        None => words.record(record)?.get(name),
        Some((outer, member)) => words.attributes(&words.record(outer)?.get(member)?.of)?.get(name),
    }
}

fn type_name(of: &AttributeType) -> String {
    match of {
        AttributeType::Named(name) => name.clone(),
        AttributeType::Set(of) => format!("Set<{}>", type_name(of)),
        AttributeType::Record(_) => "record".to_owned(),
    }
}

fn type_cell(claim: &ClaimReference) -> String {
    let ClaimReference { of, values, .. } = claim;
    match values.as_slice() {
        [] => format!("`{of}`"),
        values => format!("`{of}`: `{}`", values.join("`, `")),
    }
}

/// The paths of records of this type.
fn places(record: &RecordText, all: &[ClaimReference]) -> Vec<String> {
    let roots = ROOTS.iter().filter(|(_, name)| *name == record.name).map(|(root, _)| format!("`{root}`"));
    let inside = all.iter().filter(|claim| claim.of == record.name || is_unnamed(record, claim));
    roots.chain(inside.map(|claim| format!("`{}`", claim.path))).collect()
}

fn is_unnamed(record: &RecordText, claim: &ClaimReference) -> bool {
    let member = record.name.split_once('.').map(|(_, member)| member);
    claim.of == "record" && member.is_some_and(|member| claim.path.ends_with(&format!(".{member}")))
}

/// A type that occurs at one path is named by it.
fn heading(record: &RecordText, places: &[String]) -> String {
    match places {
        [place] => place.clone(),
        _ => record.name.to_owned(),
    }
}

const ROOTS: [(&str, &str); 2] = [("principal", "Vm"), ("context", "ReleaseContext")];
static RECORDS: LazyLock<Vec<RecordText>> = LazyLock::new(|| sections().map(RecordText::read).collect());
const HEAD: &str = "\
# Claims

The claims that release policies and guardrails can read, with their Cedar types. `vouchsafe policy schema` prints the same reference;
this page is the output of `vouchsafe policy schema --markdown`.

A claim that the evidence does not prove is absent, never empty. A policy must test it with `has` before it reads it, and a condition on an
absent claim is not satisfied. `vouchsafe explain` and `vouchsafe policy test` give the reason for an absent claim. 64-bit ids and masks are
strings (ids decimal, masks 16 hex digits), digests are lower-case hex, times are `datetime`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_of_the_schema_is_in_the_tables_and_no_other() {
        let words = vocabulary();
        let documented = |record: &str| {
            let text = RECORDS.iter().find(|text| text.name == record);
            let text = text.unwrap_or_else(|| panic!("no table for {record}"));
            let mut names: Vec<&str> = text.claims.iter().map(|claim| claim.name).collect();
            names.sort_unstable();
            names
        };
        for record in words.record_names() {
            let attributes = words.record(record).unwrap();
            assert_eq!(
                documented(record),
                attributes.keys().map(String::as_str).collect::<Vec<_>>(),
                "{record}"
            );
        }
        for record in RECORDS.iter() {
            for claim in &record.claims {
                let attribute = attribute(words, record.name, claim.name);
                let attribute = attribute.unwrap_or_else(|| panic!("{}.{}", record.name, claim.name));
                assert_eq!(claim.absent.is_none(), attribute.required, "{}.{}", record.name, claim.name);
                for text in [claim.from, claim.about, claim.absent.unwrap_or("-")] {
                    assert!(!text.is_empty() && !text.contains(['|', '\n']), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_prefix_picks_claims() {
        let paths =
            |prefix| claim_references(Some(prefix)).into_iter().map(|claim| claim.path).collect::<Vec<_>>();
        assert_eq!(paths("vtpm.phase"), ["principal.vtpm.phase"]);
        assert_eq!(paths("context.now"), ["context.now"]);
        assert!(paths("snp.reported_tcb").contains(&"principal.snp.reported_tcb.tee".to_owned()));
        assert!(paths("vtpm.pha").is_empty());
        assert!(paths("google_token.tdx_tcb").contains(&"principal.google_token.tdx_tcb.date".to_owned()));
        assert_eq!(absent_when("principal.vtpm.root"), None);
        assert_eq!(absent_when("principal.snp"), Some("the evidence has no SEV-SNP report"));
    }

    #[test]
    fn the_page_is_current() {
        let page = include_str!("../../../docs/claims.md");
        assert!(
            page == claims_markdown(),
            "write it again: vouchsafe policy schema --markdown > docs/claims.md"
        );
    }
}
