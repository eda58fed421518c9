//! The position of a fault in a configuration file.

use std::fmt;

/// A line and a key of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1; `None` for a fault of the whole file, such as a missing key.
    pub line: Option<usize>,
    /// The key with its tables, such as `limits.deadline`.
    pub key: Option<String>,
}

impl Place {
    /// The position of `error` in `text`.
    pub(super) fn of(error: &toml::de::Error, text: &str) -> Self {
        let whole = error.message().starts_with("missing field");
        match error.span().filter(|_| !whole) {
            Some(span) => Self::at(text, span.start),
            None => Self { line: None, key: None },
        }
    }

    fn at(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let rest = text.get(before.len()..).unwrap_or_default();
        let end = rest.find('\n').map_or(text.len(), |length| before.len() + length);
        // A value may extend over several lines: the last key before the position is its key.
        let above = text.get(..end).unwrap_or(text).lines().rev();
        let mut name: Option<&str> = None;
        let mut table = None;
        for line in above.map(str::trim_start) {
            if let Some(header) = line.strip_prefix('[').filter(|rest| is_header(rest)) {
                table = header.split(']').next();
                break;
            }
            let key = line.split_once('=').map(|(key, _)| key.trim());
            name = name.or(key.filter(|key| is_key(key)));
        }
        let parts: Vec<_> = [table, name].into_iter().flatten().collect();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { line: Some(line), key: Some(parts.join(".")).filter(|key| !key.is_empty()) }
    }
}

/// Whether `[` begins a table here, and not an element of an array.
fn is_header(rest: &str) -> bool {
    rest.contains(']') && !rest.contains(',') && rest.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether this is a bare, dotted or quoted key.
fn is_key(text: &str) -> bool {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = quoted.unwrap_or(text);
    !name.is_empty() && name.chars().all(is_bare)
}

/// Characters of bare and dotted keys in TOML.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_. ".contains(c)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.key) {
            (Some(line), Some(key)) => write!(f, "line {line}, `{key}`"),
            (Some(line), None) => write!(f, "line {line}"),
            (None, _) => f.write_str("the file"),
        }
    }
}
