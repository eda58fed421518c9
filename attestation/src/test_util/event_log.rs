//! A builder of firmware event logs, byte for byte as Linux exports them, in which a test can change one
//! event at a time.
//!
//! The presets have the events of real boots on GCE, in their order. Contents of which only the digest
//! matters are made up. The builder returns the log, the resulting PCR values, and what a software TPM has to
//! be extended with to have those values.

pub mod ccel;
pub mod chains;
pub mod presets;
mod texts;
pub mod userspace;

use std::collections::BTreeMap;

use aws_lc_rs::digest as hash;
use vouchsafe_protocol::Digest32;

use crate::event_log::EventType;

/// A bank of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bank {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Bank {
    /// TCG algorithm number.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x04,
            Self::Sha256 => 0x0b,
            Self::Sha384 => 0x0c,
        }
    }

    /// Digest of `data` in this bank.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        hash::digest(self.algorithm(), data).as_ref().to_vec()
    }

    const fn algorithm(self) -> &'static hash::Algorithm {
        match self {
            Self::Sha1 => &hash::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &hash::SHA256,
            Self::Sha384 => &hash::SHA384,
        }
    }

    fn size(self) -> usize {
        self.algorithm().output_len()
    }
}

/// One event: the measured data, and what the log says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltEvent {
    /// PCR index as written.
    pub pcr: u32,
    /// Type as written.
    pub event_type: EventType,
    /// The data that the digests are computed from. `None`: all digests zero, nothing extended.
    pub measured: Option<Vec<u8>>,
    /// Event data as written.
    pub data: Vec<u8>,
    /// Banks to write digests for instead of those of the log.
    pub banks: Option<Vec<Bank>>,
}

impl BuiltEvent {
    /// An event whose digest is that of its data.
    #[must_use]
    pub fn covered(pcr: u32, event_type: EventType, data: impl Into<Vec<u8>>) -> Self {
        let data = data.into();
        Self::measuring(pcr, event_type, data.clone(), data)
    }

    /// An event whose digest is not that of its data.
    #[must_use]
    pub fn measuring(
        pcr: u32,
        event_type: EventType,
        measured: impl Into<Vec<u8>>,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        Self { pcr, event_type, measured: Some(measured.into()), data: data.into(), banks: None }
    }

    /// An event that extends nothing.
    #[must_use]
    pub fn no_action(pcr: u32, data: impl Into<Vec<u8>>) -> Self {
        Self { pcr, event_type: EventType::NO_ACTION, measured: None, data: data.into(), banks: None }
    }

    /// A separator.
    #[must_use]
    pub fn separator(pcr: u32) -> Self {
        Self::covered(pcr, EventType::SEPARATOR, [0; 4])
    }

    /// An EV_EFI_ACTION text.
    #[must_use]
    pub fn action(pcr: u32, text: &str) -> Self {
        Self::covered(pcr, EventType::EFI_ACTION, text)
    }

    /// A UEFI variable, digest over the whole structure.
    #[must_use]
    pub fn variable(pcr: u32, event_type: EventType, vendor: [u8; 16], name: &str, value: &[u8]) -> Self {
        Self::covered(pcr, event_type, variable_data(vendor, name, value))
    }

    /// A text of GRUB in PCR 8; the label is not measured.
    #[must_use]
    pub fn grub(label: &str, text: &str) -> Self {
        Self::measuring(8, EventType::IPL, text, format!("{label}{text}\0"))
    }

    /// A file that GRUB read; the name is not measured.
    #[must_use]
    pub fn file(name: &str, content: &[u8]) -> Self {
        Self::measuring(9, EventType::IPL, content, format!("{name}\0"))
    }

    /// The two events of systemd-stub for a PE section.
    #[must_use]
    pub fn stub_section(name: &str, content: &[u8]) -> [Self; 2] {
        let text = utf16(name);
        [
            Self::measuring(11, EventType::IPL, format!("{name}\0"), text.clone()),
            Self::measuring(11, EventType::IPL, content, text),
        ]
    }

    /// Linux's own tagged events in PCR 9.
    #[must_use]
    pub fn tagged(tag: u32, text: &str, measured: &[u8]) -> Self {
        let mut data = tag.to_le_bytes().to_vec();
        data.extend(length(text.len() + 1).to_le_bytes());
        data.extend(text.as_bytes());
        data.push(0);
        Self::measuring(9, EventType::EVENT_TAG, measured, data)
    }

    /// Changes the data and the measured data together.
    pub fn set(&mut self, data: impl Into<Vec<u8>>) {
        self.data = data.into();
        self.measured = Some(self.data.clone());
    }

    /// Digest in `bank`; zero if nothing is extended.
    #[must_use]
    pub fn digest(&self, bank: Bank) -> Vec<u8> {
        self.measured.as_ref().map_or_else(|| vec![0; bank.size()], |measured| bank.digest(measured))
    }

    fn write(&self, banks: &[Bank], out: &mut Vec<u8>) {
        let banks = self.banks.as_deref().unwrap_or(banks);
        out.extend(self.pcr.to_le_bytes());
        out.extend(self.event_type.0.to_le_bytes());
        out.extend(length(banks.len()).to_le_bytes());
        for bank in banks {
            out.extend(bank.id().to_le_bytes());
            out.extend(self.digest(*bank));
        }
        out.extend(length(self.data.len()).to_le_bytes());
        out.extend(&self.data);
    }
}

/// A log to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLogBuilder {
    /// Banks that the header declares and events have digests for.
    pub banks: Vec<Bank>,
    /// Initial locality in PCR 0, for the PCR values; a test must add the StartupLocality event itself.
    pub startup_locality: u8,
    /// Index in the header event: PCR 0, or register 1 in CCEL.
    pub header_index: u32,
    /// Bytes of 0xFF after the log, as in the area of a CCEL log.
    pub padding: usize,
    /// Data of the header event, instead of the one made from `banks`.
    pub spec_id: Option<Vec<u8>>,
    /// The events.
    pub events: Vec<BuiltEvent>,
}

impl EventLogBuilder {
    /// A log with no events and the banks of GCE.
    #[must_use]
    pub const fn new(banks: Vec<Bank>) -> Self {
        Self { banks, startup_locality: 0, header_index: 0, padding: 0, spec_id: None, events: Vec::new() }
    }

    /// Position of the first event that `matches`.
    ///
    /// # Panics
    /// If there is none: a test that changes nothing would test nothing.
    #[must_use]
    pub fn position(&self, matches: impl Fn(&BuiltEvent) -> bool) -> usize {
        self.events.iter().position(matches).expect("the preset has such an event")
    }

    /// Position of the first event of `pcr` and `event_type`.
    #[must_use]
    pub fn position_of(&self, pcr: u32, event_type: EventType) -> usize {
        self.position(|event| event.pcr == pcr && event.event_type == event_type)
    }

    /// The first event of `pcr` and `event_type`, to change.
    pub fn event_mut(&mut self, pcr: u32, event_type: EventType) -> &mut BuiltEvent {
        let position = self.position_of(pcr, event_type);
        self.events.get_mut(position).expect("position() found it")
    }

    /// The first event whose data begins with `prefix`, to change.
    pub fn event_with(&mut self, prefix: &str) -> &mut BuiltEvent {
        let position = self.position(|event| event.data.starts_with(prefix.as_bytes()));
        self.events.get_mut(position).expect("position() found it")
    }

    /// The event of the UEFI variable `name` in PCR 7, or register 1, to change.
    pub fn variable_mut(&mut self, name: &str) -> &mut BuiltEvent {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let matches = |event: &BuiltEvent| {
            let length = u64::try_from(name.len() / 2).unwrap_or_default().to_le_bytes();
            matches!(event.pcr, 1 | 7)
                && event.data.get(16..24) == Some(&length)
                && event.data.get(32..).is_some_and(|rest| rest.starts_with(&name))
        };
        let position = self.position(matches);
        self.events.get_mut(position).expect("position() found it")
    }

    /// Puts `event` before the first event that `matches`.
    pub fn insert_before(&mut self, matches: impl Fn(&BuiltEvent) -> bool, event: BuiltEvent) {
        self.events.insert(self.position(matches), event);
    }

    /// Inserts `event` before ExitBootServices, while boot loaders still run.
    pub fn insert_before_exit(&mut self, event: BuiltEvent) {
        self.insert_before(|event| event.data == b"Exit Boot Services Invocation", event);
    }

    /// The log.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let spec_id = self.spec_id.clone().unwrap_or_else(|| spec_id(&self.banks));
        let mut out = vec![0; 32];
        out.splice(..4, self.header_index.to_le_bytes());
        out.splice(4..8, EventType::NO_ACTION.0.to_le_bytes());
        out.splice(28..32, length(spec_id.len()).to_le_bytes());
        out.extend(spec_id);
        for event in &self.events {
            event.write(&self.banks, &mut out);
        }
        out.resize(out.len() + self.padding, 0xff);
        out
    }

    /// The extends, in order, that bring a TPM's SHA-256 bank to the state of the log.
    #[must_use]
    pub fn extends(&self) -> Vec<(u8, Digest32)> {
        let digest = |measured: &Vec<u8>| Digest32::of(measured);
        self.measured().map(|(pcr, measured)| (pcr, digest(measured))).collect()
    }

    /// The extends for any bank.
    #[must_use]
    pub fn extends_of(&self, bank: Bank) -> Vec<(u8, Vec<u8>)> {
        self.measured().map(|(pcr, measured)| (pcr, bank.digest(measured))).collect()
    }

    /// The SHA-256 values of PCR 0 to 15 after the boot.
    #[must_use]
    pub fn pcrs(&self) -> BTreeMap<u8, Digest32> {
        let mut pcrs: BTreeMap<u8, Digest32> = (0..16).map(|pcr| (pcr, Digest32([0; 32]))).collect();
        let mut locality = [0; 32];
        locality[31] = self.startup_locality;
        pcrs.insert(0, Digest32(locality));
        for (pcr, digest) in self.extends() {
            let value = pcrs.entry(pcr).or_insert(Digest32([0; 32]));
            *value = extend(value, &digest);
        }
        pcrs
    }

    fn measured(&self) -> impl Iterator<Item = (u8, &Vec<u8>)> {
        self.events.iter().filter_map(|event| Some((u8::try_from(event.pcr).ok()?, event.measured.as_ref()?)))
    }
}

/// A TPM's extend operation in the SHA-256 bank.
#[must_use]
pub fn extend(value: &Digest32, digest: &Digest32) -> Digest32 {
    Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()])
}

/// `UEFI_VARIABLE_DATA`.
#[must_use]
pub fn variable_data(vendor: [u8; 16], name: &str, value: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut data = vendor.to_vec();
    data.extend(u64::from(length(name.len() / 2)).to_le_bytes());
    data.extend(u64::from(length(value.len())).to_le_bytes());
    data.extend(name);
    data.extend(value);
    data
}

/// UTF-16 with a NUL at its end.
#[must_use]
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// Data of the header event for these banks.
#[must_use]
pub fn spec_id(banks: &[Bank]) -> Vec<u8> {
    let mut data = b"Spec ID Event03\0".to_vec();
    data.extend([0, 0, 0, 0]); // platform class: client
    data.extend([0, 2, 0, 2]); // version 2.0, errata 0, 64-bit
    data.extend(length(banks.len()).to_le_bytes());
    for bank in banks {
        data.extend(bank.id().to_le_bytes());
        data.extend(u16::try_from(bank.size()).unwrap_or_default().to_le_bytes());
    }
    data.push(0); // no vendor information
    data
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("events of a test are small")
}
