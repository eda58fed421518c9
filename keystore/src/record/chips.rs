//! Chips first seen, in the transaction of the grants that saw them (T20).
//!
//! What this process has seen before costs a lookup in memory. What it has not is looked up in the database, under
//! the log's lock, so that no two brokers take the same chip for new.

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

/// Remembers what is on record.
pub(super) struct Chips {
    known: HashSet<Sighting>,
    /// Rows that this process knows of.
    seen: u64,
    watch: Arc<ChipWatch>,
}

/// What a batch has to do with chips. Empty where everything is known.
#[derive(Default)]
pub(super) struct Round {
    /// Rows that there are.
    size: u64,
    /// The chips of every subject that shows one which is not known; `None` where they cannot be read.
    chips: HashMap<Subject, Option<Vec<Chip>>>,
    new: Vec<NewChip>,
    events: Vec<Event>,
}

/// An event to tell of once the batch is committed.
struct Event {
    event: ChipEvent,
    seen: FirstSeen,
    decision: vouchsafe_protocol::DecisionId,
}

impl Chips {
    pub(super) fn new(watch: Arc<ChipWatch>) -> Self {
        Self { known: HashSet::new(), seen: 0, watch }
    }

    /// Whether there is nothing new in these grants.
    pub(super) fn know(&self, batch: &[Pending]) -> bool {
        batch.iter().flat_map(|pending| &pending.sightings).all(|shown| self.known.contains(shown))
    }

    /// Reads what is needed to judge these grants: nothing where all of their chips are known.
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

    /// Whether the chips that this grant shows are known or can be judged.
    pub(super) fn can_judge(round: &Round, pending: &Pending) -> bool {
        let unreadable = |shown: &Sighting| matches!(round.chips.get(&shown.subject), Some(None));
        !pending.sightings.iter().any(unreadable)
    }

    /// The chips that this grant, leaf `index` of the log, is the first to see.
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

    /// Remembers what is committed, and says what was new.
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
