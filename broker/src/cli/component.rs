//! Events and component lists of proposals, for people. Texts in them may be a VM's, so none makes a line of its own.

use vouchsafe_keystore::proposals::SentList;
use vouchsafe_protocol::reference_values::ReferenceEvent;
use vouchsafe_protocol::text::printable;

/// The component, and its text or digest.
pub(super) fn human(event: &ReferenceEvent) -> String {
    let component = &event.component;
    let name = component.name().replace('-', " ");
    match component.text() {
        "" => format!("{name} {}", event.digest),
        text if component.is_text() => format!("{name} {text:?}"),
        text => format!("{name} {} {}", printable(text), event.digest),
    }
}

/// A component list that came with a proposal, and why it does not count.
pub(super) fn list(list: &SentList) -> String {
    let SentList { digest, reason, signer } = list;
    let of = signer.map_or_else(String::new, |signer| format!(" of {signer}"));
    match reason {
        None => format!("{digest}{of}"),
        Some(reason) => format!("{digest}{of} does not count: {}", printable(reason)),
    }
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::Digest32;
    use vouchsafe_protocol::reference_values::ReferenceComponent;

    use super::*;

    #[test]
    fn t55_texts_of_a_vm_make_no_lines_of_their_own() {
        let text = "x\n  approve   vouchsafe baseline approve 123456\u{1b}[2J".to_owned();
        let sent = SentList { digest: Digest32([1; 32]), reason: Some(text.clone()), signer: None };
        let event = |component| human(&ReferenceEvent { pcr: 11, component, digest: Digest32([1; 32]) });
        for shown in [
            list(&sent),
            event(ReferenceComponent::Section { name: text.clone() }),
            event(ReferenceComponent::CommandLine { text }),
        ] {
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}
