//! A boot log of either kind, in the form that baselines use.

use std::collections::BTreeMap;

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::{BootLog, EventKind, LoggedEvent};

use super::digest::{BaselineLog, LogDigest};
use super::mismatch::{BaselineMismatch, EventName};

/// The events that baselines compare: registers by PCR, or by CCEL's number of a measurement register.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) log: BaselineLog,
    pub(super) firmware_version: Option<String>,
    pub(super) sections: Vec<(String, LogDigest)>,
    registers: BTreeMap<u8, Vec<Seen>>,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Position in the log; only the order within a register is measured.
    pub(super) number: usize,
    pub(super) kind: EventKind,
    pub(super) digest: LogDigest,
    /// A text or name covered by the digest.
    pub(super) text: Option<String>,
    /// A name that no digest covers.
    pub(super) untrusted_name: Option<String>,
}

impl Log {
    /// The log of this kind in the claims; `None` if there is none.
    pub(super) fn of(claims: &Claims, log: BaselineLog) -> Option<Self> {
        let boot = match log {
            BaselineLog::Vtpm => Some(&claims.vtpm.as_ref()?.boot),
            BaselineLog::Ccel => claims.tdx.as_ref()?.unconfirmed_boot.as_ref(),
        };
        Self::read(log, boot?)
    }

    pub(super) fn read(log: BaselineLog, boot: &BootLog) -> Option<Self> {
        let registers = boot.events.iter().map(|(register, events)| {
            let seen: Option<Vec<Seen>> = events.iter().map(Seen::read).collect();
            Some((*register, seen?))
        });
        let registers: BTreeMap<u8, Vec<Seen>> = registers.collect::<Option<_>>()?;
        let contents = registers.values().flatten().filter(|event| event.kind == EventKind::StubSection);
        let sections = contents.filter_map(|event| Some((event.text.clone()?, event.digest))).collect();
        Some(Self { log, firmware_version: boot.firmware_version.clone(), sections, registers })
    }

    pub(super) fn events(&self, register: u8) -> &[Seen] {
        self.registers.get(&register).map_or(&[], Vec::as_slice)
    }

    /// The events of several registers in the order of the log; only the order within each of them is
    /// measured.
    pub(super) fn in_log_order(&self, registers: &[u8]) -> Vec<&Seen> {
        let mut events: Vec<&Seen> = registers.iter().flat_map(|register| self.events(*register)).collect();
        events.sort_by_key(|event| event.number);
        events
    }

    /// The mismatch for an event that is not listed.
    pub(super) fn unlisted(&self, register: u8, event: &Seen) -> BaselineMismatch {
        let (digest, what) = (event.digest, event.what());
        match self.log {
            BaselineLog::Vtpm => BaselineMismatch::Unlisted { pcr: register, digest, what },
            BaselineLog::Ccel => BaselineMismatch::UnlistedRegister { register, digest, what },
        }
    }

    /// Checks that every event of the register is in the list.
    pub(super) fn check_listed(&self, register: u8, allowed: &[LogDigest]) -> Result<(), BaselineMismatch> {
        match self.events(register).iter().find(|event| !allowed.contains(&event.digest)) {
            Some(event) => Err(self.unlisted(register, event)),
            None => Ok(()),
        }
    }

    /// Whether the event is one of the firmware's actions, according to its digest.
    pub(super) fn is_firmware_action(&self, event: &Seen) -> bool {
        ACTIONS.iter().any(|text| LogDigest::of_parts(self.log, &[text]) == event.digest)
    }

    /// Whether the event says that a boot option returned.
    pub(super) fn is_return(&self, event: &Seen) -> bool {
        LogDigest::of_parts(self.log, &[RETURNING]) == event.digest
    }

    /// Digests of texts in GRUB's form; old versions include the NUL.
    pub(super) fn text_digests(&self, texts: &[String]) -> Vec<LogDigest> {
        let digest =
            |end: &'static [u8]| move |text: &String| LogDigest::of_parts(self.log, &[text.as_bytes(), end]);
        texts.iter().map(digest(b"")).chain(texts.iter().map(digest(b"\0"))).collect()
    }

    /// Digests of texts in systemd-boot's form: UTF-16, with or without a NUL.
    pub(super) fn option_digests(&self, texts: &[String]) -> Vec<LogDigest> {
        let units = |text: &String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let digest =
            |end: &'static [u8]| move |text: &String| LogDigest::of_parts(self.log, &[&units(text), end]);
        texts.iter().map(digest(b"")).chain(texts.iter().map(digest(b"\0\0"))).collect()
    }

    #[cfg(test)]
    pub(super) fn edit(&mut self, register: u8) -> &mut Vec<Seen> {
        self.registers.entry(register).or_default()
    }

    /// The CCEL log of the same boot: PCR 2 to 6 become register 2, PCR 8 to 15 become register 3.
    #[cfg(test)]
    pub(super) fn as_ccel(&self, sha384: impl Fn(&LogDigest) -> LogDigest) -> Self {
        let mut registers: BTreeMap<u8, Vec<Seen>> = BTreeMap::new();
        for (pcr, events) in &self.registers {
            let register = match pcr {
                1 | 7 => 1,
                2..=6 => 2,
                8..=15 => 3,
                _ => continue,
            };
            let seen = events.iter().map(|event| Seen { digest: sha384(&event.digest), ..event.clone() });
            registers.entry(register).or_default().extend(seen);
        }
        let sections = self.sections.iter().map(|(name, digest)| (name.clone(), sha384(digest)));
        Self { log: BaselineLog::Ccel, sections: sections.collect(), registers, ..self.clone() }
    }
}

impl Seen {
    fn read(event: &LoggedEvent) -> Option<Self> {
        let digest = event.digest.to_string().parse().ok()?;
        let (text, untrusted_name) = (event.name.clone(), event.untrusted_name.clone());
        Some(Self { number: event.number, kind: event.kind, digest, text, untrusted_name })
    }

    /// A name for people: the measured text, or the log's description.
    pub(super) fn what(&self) -> EventName {
        match (&self.text, &self.untrusted_name) {
            (Some(text), _) => EventName::Measured { text: shortened(text) },
            (None, Some(name)) => EventName::Named { name: shortened(name) },
            (None, None) => EventName::Unnamed {},
        }
    }
}

/// Shortens a text to a line of a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Upper limit of characters of a text in a message; menu entries have thousands.
const MAX_SHOWN: usize = 300;

const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";
/// PFP 1.06 section 10.4.4 and the data of separators.
const ACTIONS: [&[u8]; 7] = [
    b"Calling EFI Application from Boot Option",
    RETURNING,
    b"Exit Boot Services Invocation",
    b"Exit Boot Services Returned with Failure",
    b"Exit Boot Services Returned with Success",
    &[0; 4],
    &[0xff; 4],
];
