//! Events of proposals, for people.

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
