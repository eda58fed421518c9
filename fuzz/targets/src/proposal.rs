//! Proposals for baselines.

use vouchsafe_protocol::limits::{MAX_PROPOSED_EVENTS, MAX_PROPOSED_TEXT};
use vouchsafe_protocol::messages::{ProposalAnswer, ProposalRequest};
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{BaselineProposal, ProposalId};

/// A proposal, a whole request around it, and the answer to one.
pub fn proposal(data: &[u8]) {
    if let Ok(proposal) = serde_json::from_slice::<BaselineProposal>(data) {
        let events = proposal.events.as_slice();
        assert!((1..=MAX_PROPOSED_EVENTS).contains(&events.len()));
        assert!(events.iter().map(|event| event.component.text().len()).sum::<usize>() <= MAX_PROPOSED_TEXT);
        let mut reversed = events.to_vec();
        reversed.reverse();
        let id = ProposalId::of(&proposal.baseline, events);
        assert_eq!(ProposalId::of(&proposal.baseline, &reversed), id);
        assert_eq!(ProposedEvents::sort(reversed).expect("the same events"), proposal.events);
        let again = serde_json::to_vec(&proposal).expect("serialises");
        let again: BaselineProposal = serde_json::from_slice(&again).expect("reads its own output");
        assert_eq!(again, proposal);
    }
    let _ = serde_json::from_slice::<ProposalRequest>(data);
    let _ = serde_json::from_slice::<ProposalAnswer>(data);
}
