//! Replays a log to PCR values, and compares them with quoted ones.

use std::collections::BTreeMap;

use serde::Serialize;
use vouchsafe_protocol::Digest32;

use super::error::EventLogError;
use super::event::EventLog;
use super::event_type::EventType;
use super::phase;
use super::phase::PHASE_PCR;
use super::phase::Phase;
use super::userspace::Explained;
use super::userspace::UserspaceWords;
use super::userspace_grammar::extend;
use super::userspace_log::UserspaceLog;

/// SHA-256 values of the PCRs for which the log has events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Replayed {
    values: BTreeMap<u8, Digest32>,
}

/// Which PCRs must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcrRule {
    /// PCR 0 to 9 and 11 to 15. Others are ignored.
    Release,
    /// The given ones among the PCRs of a release; others are ignored. A PCR that is not given may not
    /// contribute claims.
    Quoted,
    /// Every PCR with events. All given PCRs are compared, except PCR 10, which belongs to IMA and has its
    /// own log.
    Given,
}

/// What the given PCRs prove beyond the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PcrState {
    /// The boot phase; `None` if PCR 15 was not given.
    pub phase: Option<Phase>,
    /// What user space extended after the firmware's log.
    pub userspace: UserspaceWords,
}

/// Extends every event into its PCR: `new = H(old || digest)` (TPM 2.0 Part 3 §22.2).
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

    /// The value of a PCR at the end of the firmware's log: its reset value if the log has no event for it.
    #[must_use]
    pub fn value(&self, pcr: u8) -> Digest32 {
        self.values.get(&pcr).copied().unwrap_or_else(|| reset_value(pcr))
    }

    /// Compares given PCR values of the SHA-256 bank with the replay. Each must be the log's value, extended
    /// only by known words of user space; `log` has those words that are specific to the machine. PCR 15 is
    /// read as the phase.
    ///
    /// # Errors
    /// The first PCR that does not match.
    pub fn check_against(
        &self,
        given: &BTreeMap<u8, Digest32>,
        rule: PcrRule,
        log: Option<&UserspaceLog>,
    ) -> Result<PcrState, EventLogError> {
        let mut explained = Explained::default();
        for pcr in self.compared(given, rule)? {
            if let Some(value) = given.get(&pcr) {
                let logged = self.values.contains_key(&pcr);
                explained.explain(pcr, value, self.value(pcr), logged, log)?;
            }
        }
        let phase = given.get(&PHASE_PCR).map(|value| phase::phase(value, log));
        let mut userspace = explained.finish()?;
        if let Some((_, words)) = phase.as_ref().filter(|(_, words)| !words.is_empty()) {
            userspace.insert(PHASE_PCR, words.clone());
        }
        Ok(PcrState { phase: phase.map(|(phase, _)| phase), userspace })
    }

    /// The PCRs that are compared, without PCR 15.
    fn compared(&self, given: &BTreeMap<u8, Digest32>, rule: PcrRule) -> Result<Vec<u8>, EventLogError> {
        if rule == PcrRule::Release {
            let needed: Vec<u8> = (0..=9).chain(11..=PHASE_PCR).collect();
            if let Some(pcr) = needed.iter().copied().find(|pcr| !given.contains_key(pcr)) {
                return Err(EventLogError::PcrNotGiven { pcr });
            }
            return Ok(needed.into_iter().filter(|pcr| *pcr != PHASE_PCR).collect());
        }
        if rule == PcrRule::Quoted {
            return Ok(given.keys().copied().filter(|pcr| *pcr < PHASE_PCR && *pcr != IMA_PCR).collect());
        }
        if let Some(pcr) = self.values.keys().copied().find(|pcr| !given.contains_key(pcr)) {
            return Err(EventLogError::EventsForPcrNotGiven { pcr });
        }
        match given.keys().copied().find(|pcr| *pcr > LAST_PCR) {
            Some(pcr) => Err(EventLogError::GivenPcrIndex { pcr }),
            None => Ok(given.keys().copied().filter(|pcr| !matches!(*pcr, IMA_PCR | PHASE_PCR)).collect()),
        }
    }
}

/// PCR 17 to 22 start as all ones (PTP 1.05 §4.6.2).
const fn reset_value(pcr: u8) -> Digest32 {
    if matches!(pcr, 17..=22) { Digest32([0xff; 32]) } else { Digest32([0; 32]) }
}

const LAST_PCR: u8 = 23;
const IMA_PCR: u8 = 10;
