//! What the log gives as PCR values, and how quoted values are held against it.

use std::collections::BTreeMap;

use serde::Serialize;
use vouchsafe_protocol::Digest32;

use super::EventLog;
use super::error::EventLogError;
use super::event_type::EventType;

/// The words that systemd-pcrphase extends into PCR 11 from user space, in this order.
pub const BOOT_PHASE_WORDS: [&str; 6] =
    ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];

/// SHA-256 values of the PCRs that the log has events for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Replayed {
    values: BTreeMap<u8, Digest32>,
}

/// How given PCRs are held against a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcrRule {
    /// PCR 0 to 9 and 12 to 14 equal the replay, a PCR without events holds its reset value, PCR 11 may go on with
    /// systemd's boot phases, PCR 15 is the latch. All of these have to be given; others are not looked at.
    Release,
    /// Each given PCR equals the replay or, without events, its reset value; PCR 11 may go on with
    /// systemd's boot phases; every PCR with events is given.
    Given,
}

/// What given PCRs say beyond the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PcrState {
    /// Whether PCR 15, the latch, has been extended; `None` when it was not given.
    pub latched: Option<bool>,
    /// The boot phases of systemd that PCR 11 has gone through.
    pub boot_phase_words: Vec<&'static str>,
}

/// Extends every event into its PCR.
pub(super) fn replay(log: &EventLog<'_>) -> Replayed {
    let mut values = BTreeMap::new();
    for event in log.events.iter().filter(|event| event.event_type != EventType::NO_ACTION) {
        let value = values.entry(event.pcr).or_insert_with(|| {
            let mut initial = reset_value(event.pcr);
            if let (0, [.., last]) = (event.pcr, &mut initial.0) {
                *last = log.startup_locality;
            }
            initial
        });
        *value = extend(value, event.digest.as_bytes());
    }
    Replayed { values }
}

impl Replayed {
    /// The replayed values by PCR.
    #[must_use]
    pub const fn values(&self) -> &BTreeMap<u8, Digest32> {
        &self.values
    }

    /// Holds given PCR values of the SHA-256 bank against the replay.
    ///
    /// # Errors
    /// The first PCR that does not fit.
    pub fn check_against(
        &self,
        given: &BTreeMap<u8, Digest32>,
        rule: PcrRule,
    ) -> Result<PcrState, EventLogError> {
        match rule {
            PcrRule::Release => self.check_release(given),
            PcrRule::Given => self.check_given(given),
        }
    }

    fn check_release(&self, given: &BTreeMap<u8, Digest32>) -> Result<PcrState, EventLogError> {
        let get = |pcr| given.get(&pcr).ok_or(EventLogError::PcrNotGiven { pcr });
        for pcr in (0..=9).chain(12..=14) {
            self.check_pcr(pcr, get(pcr)?)?;
        }
        let boot_phase_words = self.check_boot_phase(get(11)?)?;
        if self.values.contains_key(&LATCH) {
            return Err(EventLogError::PcrMismatch {
                pcr: LATCH,
                given: *get(LATCH)?,
                replayed: self.value(LATCH),
            });
        }
        let latched = *get(LATCH)? != reset_value(LATCH);
        Ok(PcrState { latched: Some(latched), boot_phase_words })
    }

    fn check_given(&self, given: &BTreeMap<u8, Digest32>) -> Result<PcrState, EventLogError> {
        if let Some(pcr) = self.values.keys().find(|pcr| !given.contains_key(pcr)) {
            return Err(EventLogError::EventsForPcrNotGiven { pcr: *pcr });
        }
        let mut boot_phase_words = Vec::new();
        for (&pcr, value) in given {
            match pcr {
                24.. => return Err(EventLogError::GivenPcrIndex { pcr }),
                11 => boot_phase_words = self.check_boot_phase(value)?,
                _ => self.check_pcr(pcr, value)?,
            }
        }
        let latched = given.get(&LATCH).map(|value| *value != reset_value(LATCH));
        Ok(PcrState { latched, boot_phase_words })
    }

    /// One PCR: the replay of its events, or its reset value when it has none.
    fn check_pcr(&self, pcr: u8, given: &Digest32) -> Result<(), EventLogError> {
        let replayed = self.value(pcr);
        if *given == replayed {
            return Ok(());
        }
        if self.values.contains_key(&pcr) {
            return Err(EventLogError::PcrMismatch { pcr, given: *given, replayed });
        }
        Err(EventLogError::PcrWithoutEvents { pcr })
    }

    /// PCR 11: the log, then a prefix of systemd's words. Without a stub in the log there are no words either.
    fn check_boot_phase(&self, given: &Digest32) -> Result<Vec<&'static str>, EventLogError> {
        let Some(mut value) = self.values.get(&11).copied() else {
            return self.check_pcr(11, given).map(|()| Vec::new());
        };
        let mut words = Vec::new();
        let mut following = BOOT_PHASE_WORDS.into_iter();
        while value != *given {
            let word = following.next().ok_or(EventLogError::BootPhase { given: *given })?;
            value = extend(&value, &Digest32::of(word.as_bytes()).0);
            words.push(word);
        }
        Ok(words)
    }

    fn value(&self, pcr: u8) -> Digest32 {
        self.values.get(&pcr).copied().unwrap_or_else(|| reset_value(pcr))
    }
}

fn extend(value: &Digest32, digest: &[u8]) -> Digest32 {
    Digest32::of_parts(&[value.as_bytes(), digest])
}

/// PCR 17 to 22 start as all ones (PC Client Platform TPM Profile 1.05 section 4.6.2).
const fn reset_value(pcr: u8) -> Digest32 {
    if matches!(pcr, 17..=22) { Digest32([0xff; 32]) } else { Digest32([0; 32]) }
}

/// The boot-phase latch.
const LATCH: u8 = 15;
