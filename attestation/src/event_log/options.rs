//! What systemd-boot and systemd-stub measure into PCR 12 (`TPM2_PCR_MEASUREMENTS`): command lines that are
//! not part of an image, and files from outside it.
//!
//! A text is measured as UTF-16, with the terminating NUL or, according to systemd's documentation, without;
//! the event contains it. It is the whole command line only if nothing else is in the register. Both boot
//! loaders may measure the same text one after the other, but a different text adds options, and the content
//! of other events is not in the log.

use super::command_line::Ambiguity;
use super::command_line::CommandLine;
use super::command_line::Source;
use super::digest::EventDigest;
use super::event::Event;
use super::event_type::EventType;
use super::variable::utf16;

/// State machine of PCR 12.
#[derive(Default)]
pub(super) struct Options {
    line: Option<(usize, String)>,
    /// The first event that may add to the command line or the initrd.
    added: Option<usize>,
}

impl Options {
    /// Processes the next event of PCR 12; returns the text if the digest covers it.
    pub(super) fn step(&mut self, event: &Event<'_>) -> Option<String> {
        let text = if event.event_type == EventType::IPL { covered_text(event) } else { None };
        match (&text, &self.line) {
            (Some(text), None) => self.line = Some((event.number, text.clone())),
            (Some(text), Some((_, first))) if text == first => {}
            _ => self.added = self.added.or(Some(event.number)),
        }
        text
    }

    /// The command line, if the register has no other events.
    pub(super) fn command_line(&self) -> Source {
        match (&self.line, self.added) {
            (None, None) => Source::Nothing,
            (_, Some(event)) => Source::Ambiguous(Ambiguity::OptionsAdded { event }),
            (Some((event, text)), None) => CommandLine::new(text, *event).into(),
        }
    }
}

/// UTF-16 text that the digest covers, with or without its NUL.
fn covered_text(event: &Event<'_>) -> Option<String> {
    let bare = event.data.strip_suffix(&[0, 0]).unwrap_or(event.data);
    let covered = event.digest.covers(&[event.data]) || event.digest.covers(&[bare]);
    utf16(bare).filter(|text| covered && !text.is_empty() && !text.contains('\0'))
}

/// Whether the load options that Linux measured are this text, as UTF-16 with or without its NUL.
pub(super) fn is_options(digest: EventDigest, text: &str) -> bool {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    digest.covers(&[&units]) || digest.covers(&[&units, &[0, 0]])
}
