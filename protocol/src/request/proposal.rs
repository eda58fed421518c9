//! Proposals for a baseline: what the next boot of a VM will measure, so that the baseline can allow it before the VM
//! restarts.
//!
//! A proposal is not evidence about that boot. It allows nothing until an operator approves it, or lists that come with it
//! and that a signer of the baseline has signed.

mod lists;

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest32;
use crate::encoding::deserialize_at_most;
use crate::hashing::Preimage;
use crate::limits::{MAX_COMPONENT_LISTS, MAX_PROPOSED_EVENTS, MAX_PROPOSED_TEXT};
use crate::path::ObjectName;
use crate::reference_values::{ReferenceComponent, ReferenceEvent};
pub use lists::{CarriedLists, CarriedListsError};

/// A proposal for one baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineProposal {
    /// The baseline, of which the VM is a member now.
    pub baseline: ObjectName,
    /// What the next boot will measure.
    pub events: ProposedEvents,
    /// SHA-256 of each component list that comes with it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "deserialize_at_most::<_, _, MAX_COMPONENT_LISTS>"
    )]
    pub lists: Vec<Digest32>,
}

impl BaselineProposal {
    pub(super) fn preimage(&self) -> Preimage {
        // SHA-256(label || baseline || SHA-256(events) || SHA-256(list 1) || … || SHA-256(list n)), each length-prefixed.
        let preimage = Preimage::new(PROPOSAL_BODY_LABEL).text(self.baseline.as_str());
        let preimage = preimage.field(self.events.digest().as_bytes());
        self.lists.iter().fold(preimage, |preimage, list| preimage.field(list.as_bytes()))
    }
}

/// Events of one proposal: sorted, without duplicates, 1 to [`MAX_PROPOSED_EVENTS`]. Mixtures of old and new components
/// are the events of all boots that they allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedEvents(Vec<ReferenceEvent>);

/// Why a list of events is not in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposedEventsError {
    /// None, or too many.
    #[error("a proposal is of 1 to {MAX_PROPOSED_EVENTS} events, not {count}")]
    Count {
        /// Number of events.
        count: usize,
    },
    /// Out of order, or duplicate.
    #[error(
        "events must be sorted by PCR, component, text and digest, without duplicates: {event} is out of place"
    )]
    Order {
        /// The first that is out of place.
        event: String,
    },
    /// The texts of commands and sections are too long.
    #[error("the texts of a proposal have at most {MAX_PROPOSED_TEXT} bytes, not {length}")]
    Text {
        /// Their length.
        length: usize,
    },
}

impl ProposedEvents {
    /// Accepts a list that is already sorted and free of duplicates.
    ///
    /// # Errors
    /// [`ProposedEventsError`].
    pub fn new(events: Vec<ReferenceEvent>) -> Result<Self, ProposedEventsError> {
        if events.is_empty() || events.len() > MAX_PROPOSED_EVENTS {
            return Err(ProposedEventsError::Count { count: events.len() });
        }
        let length = events.iter().map(|event| event.component.text().len()).sum();
        if length > MAX_PROPOSED_TEXT {
            return Err(ProposedEventsError::Text { length });
        }
        for (before, event) in events.iter().zip(events.iter().skip(1)) {
            if order(before) >= order(event) {
                let event = format!("{} {}", event.component.name(), event.digest);
                return Err(ProposedEventsError::Order { event });
            }
        }
        Ok(Self(events))
    }

    /// Sorts any list and removes duplicates.
    ///
    /// # Errors
    /// When there are none, too many, or too much text.
    pub fn sort(mut events: Vec<ReferenceEvent>) -> Result<Self, ProposedEventsError> {
        events.sort_by(|one, other| order(one).cmp(&order(other)));
        events.dedup();
        Self::new(events)
    }

    /// The events in order.
    #[must_use]
    pub fn as_slice(&self) -> &[ReferenceEvent] {
        &self.0
    }

    fn digest(&self) -> Digest32 {
        // SHA-256(label || for each event: PCR || component || text or nothing || digest), each length-prefixed; the PCR
        // as one byte.
        let preimage = self.0.iter().fold(Preimage::new(EVENTS_LABEL), |preimage, event| {
            preimage
                .field(&[event.pcr])
                .text(event.component.name())
                .text(event.component.text())
                .field(event.digest.as_bytes())
        });
        Digest32::of(preimage.as_bytes())
    }
}

/// The key by which events are sorted.
fn order(event: &ReferenceEvent) -> (u8, &'static str, &str, Digest32) {
    (event.pcr, event.component.name(), event.component.text(), event.digest)
}

impl Serialize for ProposedEvents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(EventForm::of))
    }
}

impl<'de> Deserialize<'de> for ProposedEvents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let events: Vec<EventForm> = deserialize_at_most::<_, _, MAX_PROPOSED_EVENTS>(deserializer)?;
        let events = events.into_iter().map(EventForm::event).collect::<Option<_>>();
        let events = events
            .ok_or_else(|| D::Error::custom("an event has no such component, or other members than it"))?;
        Self::new(events).map_err(D::Error::custom)
    }
}

/// An event as written, without unknown members: the derived form of [`ReferenceEvent`] ignores them. Records of the broker's
/// log have it: members are in the order of their names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventForm {
    component: String,
    digest: Digest32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    pcr: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl EventForm {
    fn of(event: &ReferenceEvent) -> Self {
        let (text, name) = match &event.component {
            ReferenceComponent::GrubCommand { text } | ReferenceComponent::CommandLine { text } => {
                (Some(text), None)
            }
            ReferenceComponent::Section { name } | ReferenceComponent::SectionName { name } => {
                (None, Some(name))
            }
            _ => (None, None),
        };
        Self {
            pcr: event.pcr,
            component: event.component.name().to_owned(),
            text: text.cloned(),
            name: name.cloned(),
            digest: event.digest,
        }
    }

    fn event(self) -> Option<ReferenceEvent> {
        let component = ReferenceComponent::of(&self.component, self.text, self.name)?;
        Some(ReferenceEvent { pcr: self.pcr, component, digest: self.digest })
    }
}

/// Identifies a proposal by what it would add to which baseline, so that all VMs with the same update propose the same:
/// 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId(pub Digest32);

/// The text is not the id of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a proposal is 64 lower-case hex digits")]
pub struct ProposalIdError;

impl ProposalId {
    /// The id of a proposal that adds these events to `baseline`, in any order. Where a text is listed, its digest does
    /// not count.
    #[must_use]
    pub fn of<'a>(baseline: &ObjectName, new: impl IntoIterator<Item = &'a ReferenceEvent>) -> Self {
        let entry = |event: &'a ReferenceEvent| {
            let component = &event.component;
            let digest: &'a [u8] = if component.is_text() { &[] } else { event.digest.as_bytes() };
            (component.name(), component.text(), digest)
        };
        let mut entries: Vec<_> = new.into_iter().map(entry).collect();
        entries.sort_unstable();
        entries.dedup();
        // SHA-256(label || baseline || for each new entry, sorted: component || text or nothing || digest, or nothing where
        // the text is listed), each length-prefixed.
        let preimage = Preimage::new(PROPOSAL_ID_LABEL).text(baseline.as_str());
        let preimage = entries.into_iter().fold(preimage, |preimage, (component, text, digest)| {
            preimage.text(component).text(text).field(digest)
        });
        Self(Digest32::of(preimage.as_bytes()))
    }
}

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ProposalId {
    type Err = ProposalIdError;

    fn from_str(text: &str) -> Result<Self, ProposalIdError> {
        text.parse().map(Self).map_err(|_| ProposalIdError)
    }
}

impl Serialize for ProposalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProposalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

const PROPOSAL_BODY_LABEL: &[u8] = b"vouchsafe/v1 propose-baseline body";
const EVENTS_LABEL: &[u8] = b"vouchsafe/v1 proposed events";
const PROPOSAL_ID_LABEL: &[u8] = b"vouchsafe/v1 proposal id";

#[cfg(test)]
mod tests;
