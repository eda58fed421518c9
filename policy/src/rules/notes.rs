//! Errors in a policy text, with positions and suggestions.
//!
//! Cedar's messages with its positions; suggestions come from the words of our schema.

use std::fmt;

use cedar_policy::ffi::DetailedError;
use cedar_policy::pst::{Expr, Template};

use super::super::expression::{self, clause_expr};
use super::super::schema::{Vocabulary, nearest};
use super::super::source;

/// An error in a policy text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceNote {
    /// The position; absent if it concerns the whole text.
    pub at: Option<SourcePosition>,
    /// The message.
    pub message: String,
    /// What may have been meant, or what to do.
    pub suggestion: Option<String>,
}

/// A position in a policy text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePosition {
    /// From 1.
    pub line: usize,
    /// Characters, from 1.
    pub column: usize,
    /// The line, shortened to 120 characters around the column; without control characters.
    pub text: String,
    /// Characters of `text` before the position.
    pub offset: usize,
}

impl SourceNote {
    /// A note on the whole text.
    pub(super) fn general(error: impl fmt::Display) -> Self {
        Self { at: None, message: error.to_string(), suggestion: None }
    }

    fn new(source: &str, at: Option<usize>, message: String, suggestion: Option<String>) -> Self {
        Self { at: at.map(|at| SourcePosition::of(source, at)), message, suggestion }
    }
}

impl SourcePosition {
    /// The position of a byte of the text.
    fn of(source: &str, at: usize) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(start..).unwrap_or_default().chars().count();
        let line = source.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let skipped = column.saturating_sub(MAX_SHOWN / 2);
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let skipped = skipped.max(indent.min(column));
        let text = line.chars().skip(skipped).take(MAX_SHOWN);
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            text: text
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
                .trim_end()
                .to_owned(),
            offset: column - skipped,
        }
    }
}

impl fmt::Display for SourceNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "line {}, column {}: ", at.line, at.column)?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, " ({suggestion})")?;
        }
        match &self.at {
            Some(at) => write!(f, "\n    {}\n    {}^", at.text, " ".repeat(at.offset)),
            None => Ok(()),
        }
    }
}

/// The parser's messages.
pub(super) fn of_parser(source: &str, errors: &cedar_policy::ParseErrors) -> Vec<SourceNote> {
    let notes = errors.iter().map(|error| {
        let error = DetailedError::from(error);
        let label = error.source_locations.first().and_then(|label| label.label.clone());
        SourceNote::new(source, start(&error), error.message, error.help.or(label))
    });
    notes.collect()
}

/// The validator's messages. A warning that a policy can never hold is omitted if the reason is a claim that
/// does not exist.
pub(super) fn of_validator<'a>(
    source: &str,
    vocabulary: &Vocabulary,
    found: impl Iterator<Item = DetailedError>,
    templates: impl Iterator<Item = &'a Template>,
) -> Vec<SourceNote> {
    let untested = untested(source, vocabulary, templates);
    let said = found.filter(|error| untested.is_empty() || !error.message.contains("policy is impossible"));
    let mut notes: Vec<SourceNote> = said.map(|error| of_error(source, vocabulary, error)).collect();
    notes.extend(untested);
    notes.sort_by_key(|note| note.at.as_ref().map(|at| (at.line, at.column)));
    notes.dedup();
    notes
}

fn of_error(source: &str, vocabulary: &Vocabulary, error: DetailedError) -> SourceNote {
    let at = start(&error);
    let message = without_policy(&error.message).to_owned();
    let span = error.source_locations.first().and_then(|label| source.get(label.loc.start..label.loc.end));
    if let Some((kind, value, members)) = closed_set(vocabulary, &message) {
        let place =
            at.map(|at| at + span.and_then(|span| span.find(&format!("{kind}::"))).unwrap_or_default());
        return SourceNote::new(source, place, message, Some(member(&kind, &value, members)));
    }
    if message.starts_with("unrecognized entity type") {
        let meant = quoted(&message).and_then(|name| vocabulary.nearest_entity(name));
        let suggestion = meant.map(|meant| format!("did you mean {meant}?"));
        return SourceNote::new(source, at, message, suggestion);
    }
    if let Some(path) = span.and_then(path_of).filter(|_| message.contains("optional attribute")) {
        let root = if path.context { "context" } else { "principal" };
        let suggestion = format!("test for it first: {root} has {} && …", path.dotted());
        return SourceNote::new(source, at, message, Some(suggestion));
    }
    // `principal.vtpm.phaze`: the position of the unknown name.
    let unknown = span.and_then(path_of).and_then(|path| vocabulary.unknown(&path));
    if let Some(unknown) = unknown {
        let inside = span.and_then(|span| span.rfind(&unknown.name)).unwrap_or_default();
        return SourceNote::new(source, at.map(|at| at + inside), message, meant(unknown.meant));
    }
    SourceNote::new(source, at, message, error.help)
}

/// Cedar's message starts with the policy's id, which the position shows better.
fn without_policy(message: &str) -> &str {
    let rest = message.strip_prefix("for policy `").and_then(|rest| rest.split_once('`'));
    rest.map_or(message, |(_, rest)| rest.trim_start_matches([',', ':', ' ']))
}

/// Claims in `has` tests that no VM can have.
fn untested<'a>(
    source: &str,
    vocabulary: &Vocabulary,
    templates: impl Iterator<Item = &'a Template>,
) -> Vec<SourceNote> {
    let clauses = templates.flat_map(|template| template.clauses().iter());
    let tests = clauses.flat_map(|clause| expression::walk(clause_expr(clause)));
    let tests = tests.filter(|expr| matches!(expr, Expr::HasAttr { .. }));
    let paths = tests.filter_map(|expr| expression::tested_path(expr)?.pop());
    let unknown = paths.filter_map(|path| vocabulary.unknown(&path));
    let notes = unknown.map(|unknown| {
        let message = format!("no claim is named `{}` here", unknown.name);
        SourceNote::new(source, after_has(source, &unknown.name), message, meant(unknown.meant))
    });
    notes.collect()
}

/// The position of the attribute in a `has` test.
fn after_has(source: &str, name: &str) -> Option<usize> {
    let code = source::tokens(source)
        .filter(|(_, token)| !token.trim().is_empty() && !token.starts_with("//"))
        .map(|(at, token)| (at, token.trim_matches('"')));
    let mut tested = false;
    for (at, token) in code {
        if tested && token == name {
            return Some(at);
        }
        // `has a.b.c`
        let continues = token == "." || token.chars().all(|c| c.is_alphanumeric() || c == '_');
        tested = token == "has" || (tested && continues);
    }
    None
}

fn meant(meant: Option<String>) -> Option<String> {
    meant.map(|meant| format!("did you mean `{meant}`?"))
}

/// A literal `Kind::"value"` quoted in a message, if the kind is a closed set without that value.
fn closed_set<'v>(vocabulary: &'v Vocabulary, message: &str) -> Option<(String, String, &'v [String])> {
    let (before, after) = message.split_once("::\"")?;
    let kind = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    let (value, _) = after.split_once('"')?;
    let members = vocabulary.members(kind)?;
    (!members.iter().any(|member| member == value)).then(|| (kind.to_owned(), value.to_owned(), members))
}

fn member(kind: &str, value: &str, members: &[String]) -> String {
    match nearest(value, members.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {kind}::\"{meant}\"?"),
        None => format!("one of \"{}\"", members.join("\", \"")),
    }
}

/// The first text in backticks.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

fn path_of(span: &str) -> Option<expression::ClaimPath> {
    let span = span.trim_matches(|c: char| c == '(' || c == ')' || c.is_whitespace());
    let mut names = span.split('.').map(|name| name.trim().to_owned());
    let context = match names.next()?.as_str() {
        "principal" => false,
        "context" => true,
        _ => return None,
    };
    Some(expression::ClaimPath { context, names: names.collect() })
}

fn start(error: &DetailedError) -> Option<usize> {
    error.source_locations.first().map(|label| label.loc.start)
}

/// Characters of a line that are shown.
const MAX_SHOWN: usize = 120;
