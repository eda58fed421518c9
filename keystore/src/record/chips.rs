//! Chips first seen, in the transaction of the grants that saw them (T20).
//!
//! Chips that this process has seen before cost a lookup in memory. Others are looked up in the database,
//! under the log's lock, so that no two brokers both record a chip as new.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use vouchsafe_policy::chip::Chip;

use super::pending::Pending;
use super::sighting::Sighting;
use crate::chips::{ChipEvent, ChipWatch, FirstSeen, MAX_CHIPS, Subject};
use crate::db::columns::tampered;
use crate::db::{Connection, StoreError};
use crate::keyring::Keyring;
use crate::registry::chips::{self, NewChip};

/// Cache of the recorded chips.
pub(super) struct Chips {
    known: HashSet<Sighting>,
    /// Number of rows known to this process.
    seen: u64,
    watch: Arc<ChipWatch>,
}

/// A batch's effect on chips. Empty if all of its chips are known.
#[derive(Default)]
pub(super) struct Round {
    /// Number of rows.
    size: u64,
    /// The chips of every subject with an unknown chip; `None` if they cannot be read.
    chips: HashMap<Subject, Option<Vec<Chip>>>,
    new: Vec<NewChip>,
    events: Vec<Event>,
}

/// An event to report once the batch is committed.
struct Event {
    event: ChipEvent,
    seen: FirstSeen,
    decision: vouchsafe_protocol::DecisionId,
}

impl Chips {
    pub(super) fn new(watch: Arc<ChipWatch>) -> Self {
        Self { known: HashSet::new(), seen: 0, watch }
    }

    /// Whether all chips of these grants are known.
    pub(super) fn know(&self, batch: &[Pending]) -> bool {
        batch.iter().flat_map(|pending| &pending.sightings).all(|shown| self.known.contains(shown))
    }

    /// Reads what is needed to decide whether chips are new: nothing if all of them are known.
    pub(super) async fn look_up(
        &self,
        connection: &mut Connection,
        keyring: &Keyring,
        batch: &[&Pending],
    ) -> Result<Round, StoreError> {
        let shown = batch.iter().flat_map(|pending| &pending.sightings);
        let unknown: BTreeSet<_> =
            shown.filter(|shown| !self.known.contains(*shown)).map(|shown| &shown.subject).collect();
        if unknown.is_empty() {
            return Ok(Round::default());
        }
        let size = chips::head(connection, keyring).await?;
        if size < self.seen {
            return Err(tampered("chips_head", "1"));
        }
        let subjects = unknown.into_iter().cloned().collect();
        let chips = chips::of_subjects(connection, keyring, subjects).await?;
        Ok(Round { size, chips, ..Round::default() })
    }

    /// Whether it can be decided if the chips of this grant are new.
    pub(super) fn can_judge(round: &Round, pending: &Pending) -> bool {
        let unreadable = |shown: &Sighting| matches!(round.chips.get(&shown.subject), Some(None));
        !pending.sightings.iter().any(unreadable)
    }

    /// The chips first seen with this grant, leaf `index` of the log.
    pub(super) fn first_seen(&self, round: &mut Round, pending: &Pending, index: u64) -> Vec<FirstSeen> {
        let mut first = Vec::new();
        for shown in &pending.sightings {
            let Sighting { subject, chip } = shown;
            let Some(Some(chips)) = round.chips.get_mut(subject) else { continue };
            if chips.contains(chip) || self.known.contains(shown) {
                continue;
            }
            let record = &pending.grant.record;
            let seen =
                FirstSeen { chip: chip.clone(), earlier: chips.last().cloned(), subject: subject.clone() };
            let event = match chips.len() {
                0 => ChipEvent::First,
                1..MAX_CHIPS => ChipEvent::Moved,
                _ => ChipEvent::NotKept,
            };
            if event != ChipEvent::NotKept {
                round.new.push(NewChip {
                    subject: subject.clone(),
                    chip: chip.clone(),
                    first_seen_at: record.at,
                    decision: record.decision,
                    leaf: index,
                });
                first.push(seen.clone());
            }
            chips.push(chip.clone());
            round.events.push(Event { event, seen, decision: record.decision });
        }
        first
    }

    /// Writes the rows of a round, before its commit.
    pub(super) async fn write(
        connection: &mut Connection,
        keyring: &Keyring,
        round: &Round,
    ) -> Result<(), StoreError> {
        if round.new.is_empty() {
            return Ok(());
        }
        chips::append(connection, keyring, round.size, &round.new).await
    }

    /// Adds committed chips to the cache, and reports the new ones.
    pub(super) fn committed(&mut self, round: Round) {
        if round.chips.is_empty() {
            return;
        }
        self.seen = self.seen.max(round.size.saturating_add(round.new.len() as u64));
        if self.known.len() > MAX_KNOWN {
            self.known.clear();
        }
        for (subject, chips) in round.chips {
            let sighting = |chip| Sighting { subject: subject.clone(), chip };
            self.known.extend(chips.into_iter().flatten().map(sighting));
        }
        for Event { event, seen: FirstSeen { chip, earlier, subject }, decision } in round.events {
            let earlier = earlier.as_ref().map(Chip::as_str);
            match event {
                ChipEvent::First => tracing::info!(event = "chip.first", %subject, %chip, %decision),
                ChipEvent::Moved => {
                    tracing::warn!(event = "chip.moved", %subject, %chip, earlier, %decision);
                }
                ChipEvent::NotKept => {
                    tracing::warn!(event = "chip.not_kept", %subject, %chip, earlier, %decision);
                }
            }
            self.watch.tell(&subject, event);
        }
    }
}

/// Some 250 bytes each.
const MAX_KNOWN: usize = 65_536;
