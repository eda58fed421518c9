use super::*;
use crate::encoding::SharedBytes;
use crate::limits::MAX_COMPONENT_LIST;
use crate::request::Body;

fn event(pcr: u8, component: ReferenceComponent, byte: u8) -> ReferenceEvent {
    ReferenceEvent { pcr, component, digest: Digest32([byte; 32]) }
}

fn command(text: &str) -> ReferenceComponent {
    ReferenceComponent::GrubCommand { text: text.to_owned() }
}

fn name() -> ObjectName {
    ObjectName::parse("prod/web").unwrap()
}

fn kernel(byte: u8) -> ReferenceEvent {
    event(9, ReferenceComponent::Kernel, byte)
}

fn proposal(events: Vec<ReferenceEvent>) -> BaselineProposal {
    BaselineProposal { baseline: name(), events: ProposedEvents::sort(events).unwrap(), lists: Vec::new() }
}

#[test]
fn events_are_canonical_or_refused() {
    let sorted = vec![event(8, command("a"), 3), event(8, command("b"), 2), kernel(1), kernel(2)];
    let mixed = vec![kernel(2), sorted[1].clone(), sorted[0].clone(), kernel(1), kernel(2)];
    assert_eq!(ProposedEvents::sort(mixed).unwrap().as_slice(), sorted);
    assert_eq!(ProposedEvents::new(vec![]), Err(ProposedEventsError::Count { count: 0 }));
    let many = vec![kernel(1); MAX_PROPOSED_EVENTS + 1];
    let count = ProposedEventsError::Count { count: MAX_PROPOSED_EVENTS + 1 };
    assert_eq!(ProposedEvents::new(many), Err(count));
    for pair in [[kernel(1), kernel(1)], [kernel(2), kernel(1)]] {
        let event = format!("kernel {}", pair[1].digest);
        assert_eq!(ProposedEvents::new(pair.into()), Err(ProposedEventsError::Order { event }));
    }
    let text = "x".repeat(MAX_PROPOSED_TEXT);
    assert!(ProposedEvents::new(vec![event(8, command(&text), 1)]).is_ok());
    let length = MAX_PROPOSED_TEXT + 1;
    let long = ProposedEvents::new(vec![event(8, command("x"), 1), event(8, command(&text), 1)]);
    assert_eq!(long, Err(ProposedEventsError::Text { length }));
}

#[test]
fn events_have_one_spelling() {
    let section = |name: &str| ReferenceComponent::Section { name: name.to_owned() };
    let named = |name: &str| ReferenceComponent::SectionName { name: name.to_owned() };
    let line = ReferenceComponent::CommandLine { text: "/vmlinuz ro".to_owned() };
    let mut events = vec![event(8, command("set x"), 1), event(8, line, 2), event(11, section(".linux"), 3)];
    events.push(event(11, named(".linux"), 4));
    for component in
        ["shim", "grub", "uki", "kernel-image", "configuration", "kernel", "initrd", "load-options"]
    {
        events.push(event(4, ReferenceComponent::of(component, None, None).unwrap(), 5));
    }
    events.push(event(9, ReferenceComponent::LoadedInitrd, 6));
    let events = ProposedEvents::sort(events).unwrap();
    let json = serde_json::to_string(&events).unwrap();
    assert_eq!(serde_json::from_str::<ProposedEvents>(&json).unwrap(), events);
    // The derived types have the same form, as `baseline predict --json` prints it.
    let derived = serde_json::to_value(events.as_slice()).unwrap();
    assert_eq!(serde_json::to_value(&events).unwrap(), derived);
}

#[test]
fn t30_other_members_and_components_are_refused() {
    let digest = "01".repeat(32);
    let parsed = |event: &str| {
        let json = format!("[{{{event},\"digest\":\"{digest}\"}}]");
        serde_json::from_str::<ProposedEvents>(&json).map_err(|error| error.to_string())
    };
    assert!(parsed("\"pcr\":9,\"component\":\"kernel\"").is_ok());
    assert!(
        parsed("\"pcr\":9,\"component\":\"kernel\",\"version\":1").unwrap_err().contains("unknown field")
    );
    for event in [
        "\"pcr\":9,\"component\":\"kernels\"",
        "\"pcr\":9,\"component\":\"kernel\",\"text\":\"x\"",
        "\"pcr\":9,\"component\":\"kernel\",\"name\":\"x\"",
        "\"pcr\":8,\"component\":\"grub-command\"",
        "\"pcr\":8,\"component\":\"grub-command\",\"text\":\"x\",\"name\":\"x\"",
        "\"pcr\":11,\"component\":\"section\",\"text\":\".linux\"",
    ] {
        assert!(parsed(event).unwrap_err().contains("no such component"), "{event}");
    }
    let body = |extra: &str| {
        let events = format!("[{{\"pcr\":9,\"component\":\"kernel\",\"digest\":\"{digest}\"}}]");
        let json = format!("{{\"baseline\":\"prod/web\",\"events\":{events}{extra}}}");
        serde_json::from_str::<BaselineProposal>(&json)
    };
    assert_eq!(body("").unwrap(), proposal(vec![kernel(1)]));
    assert!(body(",\"approve\":true").is_err());
}

#[test]
fn every_part_of_a_proposal_changes_the_body() {
    let one = proposal(vec![kernel(1)]);
    let other = ObjectName::parse("prod/db").unwrap();
    let pcr = event(4, ReferenceComponent::Kernel, 1);
    let all = [
        one.clone(),
        BaselineProposal { baseline: other, ..one },
        proposal(vec![kernel(2)]),
        proposal(vec![kernel(1), kernel(2)]),
        proposal(vec![pcr]),
        proposal(vec![event(9, ReferenceComponent::Initrd, 1)]),
        proposal(vec![event(9, command("x"), 1)]),
        proposal(vec![event(9, command("y"), 1)]),
        listed(&[1]),
        listed(&[2]),
        listed(&[1, 2]),
        listed(&[2, 1]),
    ];
    let digests = all.map(|proposal| Body::Proposal(proposal).digest());
    for (i, digest) in digests.iter().enumerate() {
        assert!(!digests[i + 1..].contains(digest), "{i}");
    }
}

fn listed(lists: &[u8]) -> BaselineProposal {
    let lists = lists.iter().map(|byte| Digest32([*byte; 32])).collect();
    BaselineProposal { lists, ..proposal(vec![kernel(1)]) }
}

#[test]
fn t30_the_lists_of_a_proposal_are_bounded() {
    let list = |length: usize| SharedBytes::from(vec![b'x'; length]);
    let all = CarriedLists::new(vec![list(MAX_COMPONENT_LIST); MAX_COMPONENT_LISTS]).unwrap();
    assert_eq!(all.digests(), vec![list(MAX_COMPONENT_LIST).digest(); MAX_COMPONENT_LISTS]);
    let count = MAX_COMPONENT_LISTS + 1;
    assert_eq!(CarriedLists::new(vec![list(1); count]), Err(CarriedListsError::Count { count }));
    let length = MAX_COMPONENT_LIST + 1;
    assert_eq!(CarriedLists::new(vec![list(length)]), Err(CarriedListsError::TooLarge { length }));
    let read = |lists: &[SharedBytes]| {
        serde_json::from_str::<CarriedLists>(&serde_json::to_string(lists).unwrap())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(&all), Ok(all));
    assert!(read(&vec![list(1); count]).unwrap_err().contains("a list of more than 4 items"));
    assert!(read(&[list(length)]).unwrap_err().contains("at most 65536 bytes"));
    let json = serde_json::to_string(&listed(&[1; 5])).unwrap();
    assert!(serde_json::from_str::<BaselineProposal>(&json).is_err());
}

#[test]
fn the_same_update_has_one_id() {
    let id = |events: &[ReferenceEvent]| ProposalId::of(&name(), events);
    let (one, two) = (kernel(1), event(8, command("x"), 7));
    assert_eq!(id(&[one.clone(), two.clone()]), id(&[two.clone(), one.clone(), two.clone()]));
    // Neither the PCR nor the digest of a listed text is in a baseline.
    assert_eq!(id(&[event(2, ReferenceComponent::Uki, 1)]), id(&[event(4, ReferenceComponent::Uki, 1)]));
    assert_eq!(id(std::slice::from_ref(&two)), id(&[event(8, command("x"), 8)]));
    let all = [
        id(std::slice::from_ref(&one)),
        id(&[kernel(2)]),
        id(&[event(9, ReferenceComponent::Initrd, 1)]),
        id(&[two]),
        id(&[event(8, command("y"), 7)]),
        ProposalId::of(&ObjectName::parse("prod/db").unwrap(), &[one]),
    ];
    for (i, one) in all.iter().enumerate() {
        assert!(!all[i + 1..].contains(one), "{i}");
    }
    assert_eq!(all[0].to_string().parse(), Ok(all[0]));
    assert_eq!("xyz".parse::<ProposalId>(), Err(ProposalIdError));
}
