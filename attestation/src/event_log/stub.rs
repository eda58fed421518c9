//! What systemd-stub measures into PCR 11 (UAPI.7; `TPM2_PCR_MEASUREMENTS`): for each PE section its name, then its content.
//!
//! The name is measured (as ASCII with a NUL). The content's event usually contains the name again instead of
//! the content; data that hashes to the digest is the content, and for `.cmdline` it gives the command line.

use std::collections::BTreeSet;

use super::boot::EventKind;
use super::boot::StubSection;
use super::command_line::Ambiguity;
use super::command_line::CommandLine;
use super::command_line::Source;
use super::error::EventLogError;
use super::event::Event;
use super::variable::utf16_text;

/// State machine of PCR 11.
#[derive(Default)]
pub(super) struct Stub {
    /// Sections in order.
    pub(super) sections: Vec<StubSection>,
    /// The content of `.cmdline`, if the log contains it; `None` without such a section.
    line: Option<Source>,
    name: Option<String>,
    names: BTreeSet<String>,
    /// The first event that repeats a section's name.
    repeated: Option<usize>,
}

impl Stub {
    /// Processes the next event of PCR 11; returns its kind and the section's name.
    pub(super) fn step(&mut self, event: &Event<'_>) -> Result<(EventKind, String), EventLogError> {
        let Some(name) = self.name.take() else {
            let name = section_name(event).ok_or(EventLogError::StubSectionName { event: event.number })?;
            if !self.names.insert(name.clone()) {
                self.repeated.get_or_insert(event.number);
            }
            self.name = Some(name.clone());
            return Ok((EventKind::StubSectionName, name));
        };
        if name == COMMAND_LINE {
            self.line = Some(command_line(event));
        }
        self.sections.push(StubSection { name: name.clone(), digest: event.digest });
        Ok((EventKind::StubSection, name))
    }

    /// The content of `.cmdline`.
    pub(super) fn command_line(&self) -> Source {
        match &self.line {
            Some(line) => line.clone(),
            None if self.names.is_empty() => Source::Nothing,
            None => Source::NoLine,
        }
    }

    /// Whether the previous event was a section's name, so that its content comes next.
    pub(super) const fn awaits_content(&self) -> bool {
        self.name.is_some()
    }

    /// After the last event: every name must have content, and none may be repeated unless an earlier boot
    /// option may have run a UKI as well.
    pub(super) fn finish(&self, earlier_option: bool) -> Result<(), EventLogError> {
        match self.repeated {
            Some(event) if !earlier_option => Err(EventLogError::SecondStubSection { event }),
            _ if self.name.is_some() => Err(EventLogError::StubSectionWithoutContent),
            _ => Ok(()),
        }
    }
}

/// `.linux` and the like: UTF-16 in the data, ASCII with a NUL in the digest.
fn section_name(event: &Event<'_>) -> Option<String> {
    written_name(event.data).filter(|name| event.digest.covers(&[name.as_bytes(), b"\0"]))
}

/// The name in an event's data.
fn written_name(data: &[u8]) -> Option<String> {
    utf16_text(data).filter(|name| {
        name.starts_with('.') && name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

/// Whether an event's data looks like a section's name.
pub(super) fn claims_name(data: &[u8]) -> bool {
    written_name(data).is_some()
}

fn command_line(event: &Event<'_>) -> Source {
    if !event.digest.covers(&[event.data]) {
        return Source::Ambiguous(Ambiguity::DigestOnly);
    }
    let number = event.number;
    let Ok(text) = std::str::from_utf8(event.data) else {
        return Source::Ambiguous(Ambiguity::NotPlain { event: number });
    };
    // Like the stub, which strips trailing blanks from the section.
    let text = text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    CommandLine::new(text, number).into()
}

const COMMAND_LINE: &str = ".cmdline";
const MAX_NAME: usize = 32;
