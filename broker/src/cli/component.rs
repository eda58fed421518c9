//! Events and component lists of proposals, for people.

use vouchsafe_keystore::proposals::SentList;
use vouchsafe_protocol::reference_values::ReferenceEvent;

/// The component, and its text or digest.
pub(super) fn human(event: &ReferenceEvent) -> String {
    let component = &event.component;
    let name = component.name().replace('-', " ");
    match component.text() {
        "" => format!("{name} {}", event.digest),
        text if component.is_text() => format!("{name} {text:?}"),
        text => format!("{name} {text} {}", event.digest),
    }
}

/// A component list that came with a proposal, and why it does not count.
pub(super) fn list(list: &SentList) -> String {
    let SentList { digest, reason, signer } = list;
    let of = signer.map_or_else(String::new, |signer| format!(" of {signer}"));
    match reason {
        None => format!("{digest}{of}"),
        Some(reason) => format!("{digest}{of} does not count: {reason}"),
    }
}
