//! The state machine's record of an event.

use super::boot::EventKind;
use super::image_path::image_path;
use super::variable::untrusted_text;

/// The classification of one event.
pub(super) struct Classified {
    pub(super) kind: EventKind,
    pub(super) name: Option<String>,
    pub(super) untrusted_name: Option<String>,
}

impl Classified {
    pub(super) const fn named(kind: EventKind, name: String) -> Self {
        Self { kind, name: Some(name), untrusted_name: None }
    }

    pub(super) fn image(kind: EventKind, data: &[u8]) -> Self {
        Self { kind, name: None, untrusted_name: image_path(data) }
    }

    pub(super) fn untrusted(kind: EventKind, data: &[u8]) -> Self {
        let text = data.strip_suffix(b"\0").unwrap_or(data);
        Self { kind, name: None, untrusted_name: untrusted_text(text) }
    }
}

impl From<EventKind> for Classified {
    fn from(kind: EventKind) -> Self {
        Self { kind, name: None, untrusted_name: None }
    }
}
