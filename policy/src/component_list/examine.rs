//! Whether the lists that come with a proposal approve it.

use vouchsafe_protocol::reference_values::ReferenceEvent;
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{Digest32, ObjectName, SharedBytes, UnixTime, UpdateSigner};

use super::document::{ComponentList, ListFault};
use crate::baseline::Baseline;

/// What became of a list that came with a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExaminedList {
    /// SHA-256 of the list as sent.
    pub digest: Digest32,
    /// Who signed it, once that is verified.
    pub signer: Option<UpdateSigner>,
    /// Why it does not count.
    pub fault: Option<ListFault>,
}

/// A list by which an update is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedList {
    /// SHA-256 of the list as sent.
    pub digest: Digest32,
    /// Who signed it.
    pub signer: UpdateSigner,
    /// Its version.
    pub version: u32,
}

/// An update that lists could approve.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a ObjectName,
    pub(crate) baseline: &'a Baseline,
    /// What the baseline would have to allow, at least one event.
    pub(crate) new: &'a [ReferenceEvent],
    pub(crate) now: UnixTime,
}

/// Examines each list. If those that count have everything that is new, also returns the ones that have any of it.
pub(crate) fn examine(
    candidate: &Candidate<'_>,
    lists: &CarriedLists,
) -> (Vec<ExaminedList>, Option<Vec<UsedList>>) {
    let read: Vec<Read> = lists.iter().map(|list| Read::new(list, candidate)).collect();
    let counting = || read.iter().filter_map(Read::counting);
    let is_listed = |event: &ReferenceEvent| counting().any(|(_, list)| list.components.has(event));
    let missing = candidate.new.iter().find(|event| !is_listed(event));
    let used = missing.is_none().then(|| {
        let has_any = |list: &ComponentList| candidate.new.iter().any(|event| list.components.has(event));
        let used = counting().filter(|(_, list)| has_any(list));
        used.map(|(digest, list)| UsedList { digest, signer: list.signer, version: list.version }).collect()
    });
    let not_listed = missing.map(|event| ListFault::NotListed { event: describe(event) });
    let examined = read.into_iter().map(|Read { digest, authentic, fault }| ExaminedList {
        digest,
        signer: authentic.map(|list| list.signer),
        fault: fault.or_else(|| not_listed.clone()),
    });
    (examined.collect(), used)
}

/// A list that was read.
struct Read {
    digest: Digest32,
    /// The list, if one of the baseline's signers has signed it.
    authentic: Option<ComponentList>,
    fault: Option<ListFault>,
}

impl Read {
    fn new(bytes: &SharedBytes, candidate: &Candidate<'_>) -> Self {
        let digest = bytes.digest();
        let Candidate { name, baseline, now, .. } = *candidate;
        let authentic = ComponentList::parse(bytes)
            .and_then(|list| list.check_signature(&baseline.update_signers).map(|()| list));
        match authentic {
            Ok(list) => {
                let fault = list.check_terms(name, baseline, now).err();
                Self { digest, authentic: Some(list), fault }
            }
            Err(fault) => Self { digest, authentic: None, fault: Some(fault) },
        }
    }

    /// The list, if it counts.
    fn counting(&self) -> Option<(Digest32, &ComponentList)> {
        let list = self.authentic.as_ref().filter(|_| self.fault.is_none())?;
        Some((self.digest, list))
    }
}

/// An event as messages name it.
fn describe(event: &ReferenceEvent) -> String {
    let component = &event.component;
    let text: String = component.text().chars().take(LONGEST_TEXT).collect();
    match component.is_text() {
        true => format!("{} {text:?}", component.name()),
        false if text.is_empty() => format!("{} {}", component.name(), event.digest),
        false => format!("{} {text:?} {}", component.name(), event.digest),
    }
}

/// Characters of a text in a message.
const LONGEST_TEXT: usize = 100;
