//! The commands of an earlier boot, which say what a configuration does where that depends on the machine: values of
//! variables that no file sets, and which branch was taken.
//!
//! The configuration is followed beside the earlier commands, and has to run them in the same order, except those
//! that an update changes.

use std::collections::BTreeMap;

use super::parse::{Command, Part, Word};

/// Values of variables.
pub(super) type Variables = BTreeMap<String, String>;

/// The commands of an earlier boot, from the place up to which the configuration has been followed.
#[derive(Default)]
pub(super) struct Guide<'a> {
    commands: &'a [&'a str],
}

impl<'a> Guide<'a> {
    pub(super) const fn new(commands: &'a [&'a str]) -> Self {
        Self { commands }
    }

    /// Goes on behind a command with this text. What is skipped is what an update may leave out. Returns whether
    /// there is one.
    pub(super) fn follow(&mut self, text: &str) -> bool {
        let ahead = self.commands.iter().position(|command| *command == text || !is_changeable(command));
        let Some(rest) = ahead.and_then(|at| self.commands.get(at..)) else { return false };
        let Some((found, rest)) = rest.split_first() else { return false };
        let same = *found == text;
        if same {
            self.commands = rest;
        }
        same
    }

    /// The values that variables without one have in the next command that fits; `None` if none does.
    pub(super) fn values(&self, command: &Command, variables: &Variables) -> Option<Variables> {
        for logged in self.commands {
            let found = forms(command).into_iter().find_map(|words| fitting(&words, variables, logged));
            let found = found.map(|found| with_empty(command, variables, found));
            if found.is_some() || !is_changeable(logged) {
                return found;
            }
        }
        None
    }

    /// Whether the earlier boot went on with this command.
    pub(super) fn goes_on_with(&self, command: &Command, variables: &Variables) -> bool {
        let Some(logged) = self.commands.first() else { return false };
        let name = command.words.first().and_then(Word::plain).unwrap_or_default();
        if name == "set" {
            let variable = |text: &str| text.split('=').next().map(str::to_owned);
            let Some([Part::Text(first), ..]) = command.words.get(1).map(|word| word.parts.as_slice()) else {
                return false;
            };
            return first.contains('=') && variable(logged) == variable(&format!("set {first}"));
        }
        if is_changeable(name) {
            return logged.split(' ').next() == Some(name);
        }
        forms(command).iter().any(|words| fitting(words, variables, logged).is_some())
    }
}

/// The words; and, since a word of unquoted variables is none if they are empty, those without them.
fn forms(command: &Command) -> [Vec<&Word>; 2] {
    let all = || command.words.iter();
    let kept = |word: &&Word| word.quoted || word.parts.iter().any(|part| matches!(part, Part::Text(_)));
    [all().collect(), all().filter(kept).collect()]
}

/// Adds that the variables without a place in the command are empty.
fn with_empty(command: &Command, variables: &Variables, mut found: Variables) -> Variables {
    for part in command.words.iter().flat_map(|word| &word.parts) {
        if let Part::Variable { name, .. } = part
            && !variables.contains_key(name)
        {
            found.entry(name.clone()).or_default();
        }
    }
    found
}

/// The values with which these words, separated by spaces, are this text.
fn fitting(words: &[&Word], variables: &Variables, text: &str) -> Option<Variables> {
    let mut parts = Vec::new();
    for (number, word) in words.iter().enumerate() {
        if number > 0 {
            parts.push(Piece::Text(" "));
        }
        for part in &word.parts {
            parts.push(match part {
                Part::Text(text) => Piece::Text(text),
                Part::Variable { name, .. } => match variables.get(name) {
                    Some(value) => Piece::Text(value),
                    None => Piece::Unknown(name),
                },
            });
        }
    }
    let unknown = parts.iter().filter(|part| matches!(part, Piece::Unknown(_))).count();
    if unknown > MAX_UNKNOWN || (unknown > 0 && text.len() > MAX_TEXT) {
        return None;
    }
    let mut found = Variables::new();
    fit(&parts, text, &mut found).then_some(found)
}

enum Piece<'a> {
    Text(&'a str),
    Unknown(&'a str),
}

fn fit(parts: &[Piece<'_>], text: &str, found: &mut Variables) -> bool {
    let Some((part, others)) = parts.split_first() else { return text.is_empty() };
    match part {
        Piece::Text(expected) => text.strip_prefix(expected).is_some_and(|rest| fit(others, rest, found)),
        Piece::Unknown(name) => {
            if let Some(value) = found.get(*name).cloned() {
                return text.strip_prefix(value.as_str()).is_some_and(|rest| fit(others, rest, found));
            }
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            for (value, rest) in ends.filter_map(|at| text.split_at_checked(at)) {
                found.insert((*name).to_owned(), value.to_owned());
                if fit(others, rest, found) {
                    return true;
                }
            }
            found.remove(*name);
            false
        }
    }
}

/// Whether an update may add, change or leave out this command, which decides nothing about those after it.
pub(super) fn is_changeable(text: &str) -> bool {
    let name = text.split(' ').next().unwrap_or_default();
    CHANGEABLE.contains(&name)
}

/// Commands that define or start an entry, and those without an effect on others.
const CHANGEABLE: [&str; 17] = [
    "boot",
    "clear",
    "echo",
    "export",
    "initrd",
    "initrdefi",
    "linux",
    "linuxefi",
    "menuentry",
    "serial",
    "set",
    "setparams",
    "submenu",
    "terminal_input",
    "terminal_output",
    "true",
    "unset",
];
/// Variables without a value in one command.
const MAX_UNKNOWN: usize = 3;
/// Bytes of a command with such variables.
const MAX_TEXT: usize = 512;
