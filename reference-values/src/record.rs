//! How predictions are added to [`ReferenceValues`], and the encodings that several kinds of boot share.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{
    ReferenceComponent, ReferenceEvent, ReferenceValue, ReferenceValues, Unknown, UnknownEvent,
};

/// Adds predictions, and what cannot be predicted.
pub(crate) trait Record {
    /// Adds an event.
    fn add(&mut self, pcr: u8, component: ReferenceComponent, digest: Digest32);

    /// Adds the value of a PCR that was extended by these digests.
    fn value(&mut self, pcr: u8, when: &str, digests: impl IntoIterator<Item = Digest32>);

    /// Adds something that is unknown.
    fn cannot_say(&mut self, text: impl Into<String>);

    /// Adds an event whose digest is unknown.
    fn cannot_say_event(&mut self, pcr: u8, component: ReferenceComponent, text: &str);

    /// The digests of the events of `pcr`.
    fn digests(&self, pcr: u8) -> Vec<Digest32>;
}

impl Record for ReferenceValues {
    fn add(&mut self, pcr: u8, component: ReferenceComponent, digest: Digest32) {
        self.events.push(ReferenceEvent { pcr, component, digest });
    }

    fn value(&mut self, pcr: u8, when: &str, digests: impl IntoIterator<Item = Digest32>) {
        self.values.push(ReferenceValue { pcr, value: extended(digests), when: when.to_owned() });
    }

    fn cannot_say(&mut self, text: impl Into<String>) {
        self.unknown.push(Unknown { text: text.into(), event: None });
    }

    fn cannot_say_event(&mut self, pcr: u8, component: ReferenceComponent, text: &str) {
        let event = Some(UnknownEvent { pcr, component });
        self.unknown.push(Unknown { text: text.to_owned(), event });
    }

    fn digests(&self, pcr: u8) -> Vec<Digest32> {
        self.of_pcr(pcr).map(|event| event.digest).collect()
    }
}

/// The value of a PCR after extending these digests from its reset value.
fn extended(digests: impl IntoIterator<Item = Digest32>) -> Digest32 {
    digests
        .into_iter()
        .fold(Digest32([0; 32]), |value, digest| Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()]))
}

/// What firmware measures into PCR 4 before the first application (PFP 1.06 §3.3.4.5): the boot attempt, then
/// the separator.
pub(crate) fn before_applications() -> [Digest32; 2] {
    [Digest32::of(b"Calling EFI Application from Boot Option"), Digest32::of(&[0; 4])]
}

/// UTF-16 as in UEFI, without a NUL.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
