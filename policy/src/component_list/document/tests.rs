use std::fs;
use std::path::PathBuf;

use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{Digest32, SharedBytes};
use zeroize::Zeroizing;

use super::*;
use crate::baseline::LogDigest;
use crate::component_list::{Candidate, examine};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn key(seed: u8) -> UpdateSigningKey {
    UpdateSigningKey::from_seed(&Zeroizing::new([seed; 32])).unwrap()
}

fn name() -> ObjectName {
    ObjectName::parse("prod/image").unwrap()
}

fn digest(byte: u8) -> LogDigest {
    Digest32([byte; 32]).into()
}

fn terms() -> ListTerms {
    ListTerms { baseline: name(), version: 5, issued_at: NOW, ends_at: NOW.plus(100) }
}

/// One entry of each list.
fn components() -> ExpiringEntries {
    ExpiringEntries {
        command_lines: vec!["/vmlinuz ro".to_owned()],
        configuration: vec![digest(1)],
        grub: vec![digest(2)],
        grub_commands: vec!["linux /vmlinuz ro".to_owned()],
        initrd: vec![digest(3)],
        kernel: vec![digest(4)],
        kernel_image: vec![digest(5)],
        load_options: vec![digest(6)],
        loaded_initrd: vec![digest(7)],
        sections: [(".initrd".to_owned(), vec![digest(8)]), (".linux".to_owned(), vec![digest(9)])].into(),
        shim: vec![digest(10)],
        uki: vec![digest(11), digest(12)],
    }
}

fn list() -> ComponentList {
    ComponentList::sign(&key(1), terms(), components())
}

/// A baseline of version 3 that names the signer.
fn baseline() -> Baseline {
    let text = format!(
        r#"{{"version":3,"ends_at":2000000000,"technology":"sev-snp","uki":["{0}"],
            "sections":{{".linux":["{1}"],".initrd":["{1}"],".cmdline":["{1}"]}},
            "loaded_initrd":["{1}"],"update_signers":["{2}"]}}"#,
        digest(0x71),
        digest(0x72),
        key(1).signer()
    );
    Baseline::parse(&text).unwrap()
}

fn event(component: ReferenceComponent, byte: u8) -> ReferenceEvent {
    ReferenceEvent { pcr: 4, component, digest: Digest32([byte; 32]) }
}

fn uki(byte: u8) -> ReferenceEvent {
    event(ReferenceComponent::Uki, byte)
}

fn carried(lists: &[&str]) -> CarriedLists {
    CarriedLists::new(lists.iter().map(|list| SharedBytes::from(list.as_bytes())).collect()).unwrap()
}

type Outcome = (Vec<Option<ListFault>>, Option<Vec<u32>>);

/// The fault of each list, and the versions of those that approve.
fn outcome(baseline: &Baseline, new: &[ReferenceEvent], lists: &[&str]) -> Outcome {
    let candidate = Candidate { name: &name(), baseline, new, now: NOW };
    let (examined, used) = examine(&candidate, &carried(lists));
    for (list, text) in examined.iter().zip(lists) {
        assert_eq!(list.digest, Digest32::of(text.as_bytes()));
        let unauthentic = matches!(
            list.fault,
            Some(
                ListFault::TooLarge { .. }
                    | ListFault::Malformed { .. }
                    | ListFault::UnknownSigner { .. }
                    | ListFault::Signature { .. }
            )
        );
        assert_eq!(list.signer.is_none(), unauthentic, "{list:?}");
    }
    let used = used.map(|used| used.iter().map(|list| list.version).collect());
    (examined.into_iter().map(|list| list.fault).collect(), used)
}

/// Why this list alone does not approve an image that it has.
fn fault(list: &ComponentList) -> Option<ListFault> {
    let (faults, used) = outcome(&baseline(), &[uki(11)], &[&list.to_json()]);
    assert!(used.is_none(), "{list:?}");
    faults[0].clone()
}

fn with(change: impl FnOnce(&mut ListTerms)) -> ComponentList {
    let mut terms = terms();
    change(&mut terms);
    ComponentList::sign(&key(1), terms, components())
}

#[test]
fn a_list_of_a_signer_approves_what_it_has() {
    assert_eq!(ComponentList::parse(list().to_json().as_bytes()), Ok(list()));
    let (faults, used) = outcome(&baseline(), &[uki(11)], &[&list().to_json()]);
    assert_eq!((faults, used), (vec![None], Some(vec![5])));
    // The lowest version that counts, and the last second.
    let last = with(|terms| (terms.version, terms.ends_at) = (3, NOW.plus(1)));
    assert_eq!(outcome(&baseline(), &[uki(11)], &[&last.to_json()]).1, Some(vec![3]));
    assert_eq!(outcome(&baseline(), &[uki(11)], &[]), (vec![], None));
}

#[test]
fn each_component_is_looked_up_in_its_own_list() {
    let text = |text: &str| text.to_owned();
    let all = [
        (ReferenceComponent::CommandLine { text: text("/vmlinuz ro") }, 0),
        (ReferenceComponent::Configuration, 1),
        (ReferenceComponent::Grub, 2),
        (ReferenceComponent::GrubCommand { text: text("linux /vmlinuz ro") }, 0),
        (ReferenceComponent::Initrd, 3),
        (ReferenceComponent::Kernel, 4),
        (ReferenceComponent::KernelImage, 5),
        (ReferenceComponent::LoadOptions, 6),
        (ReferenceComponent::LoadedInitrd, 7),
        (ReferenceComponent::Section { name: text(".initrd") }, 8),
        (ReferenceComponent::Section { name: text(".linux") }, 9),
        (ReferenceComponent::Shim, 10),
        (ReferenceComponent::Uki, 11),
    ];
    for (component, byte) in &all {
        for (_, other) in &all {
            let listed = components().has(&event(component.clone(), *other));
            assert_eq!(listed, byte == other || component.is_text(), "{component:?} {other}");
        }
    }
    for component in [
        ReferenceComponent::CommandLine { text: text("linux /vmlinuz ro") },
        ReferenceComponent::GrubCommand { text: text("/vmlinuz ro") },
        ReferenceComponent::Section { name: text(".osrel") },
        ReferenceComponent::SectionName { name: text(".linux") },
    ] {
        assert!(!components().has(&event(component.clone(), 9)), "{component:?}");
    }
}

#[test]
fn t28_an_old_list_does_not_count() {
    let old = with(|terms| terms.version = 2);
    assert_eq!(fault(&old), Some(ListFault::OldVersion { version: 2, least: 3 }));
    // Neither does one that is older than a list before.
    let raised = Baseline { update_version: 6, ..baseline() };
    let faults = outcome(&raised, &[uki(11)], &[&list().to_json()]);
    assert_eq!(faults, (vec![Some(ListFault::OldVersion { version: 5, least: 6 })], None));
}

#[test]
fn t28_a_list_counts_from_its_issue_to_its_end() {
    let later = with(|terms| terms.issued_at = NOW.plus(1));
    assert_eq!(fault(&later), Some(ListFault::NotYet { issued_at: NOW.plus(1) }));
    let ended = with(|terms| terms.ends_at = NOW);
    assert_eq!(fault(&ended), Some(ListFault::Ended { ends_at: NOW }));
}

#[test]
fn t60_only_the_signers_of_the_baseline_approve() {
    let signer = key(2).signer();
    let other = ComponentList::sign(&key(2), terms(), components());
    assert_eq!(fault(&other), Some(ListFault::UnknownSigner { signer }));
    let none = Baseline { update_signers: Vec::new(), ..baseline() };
    let faults = outcome(&none, &[uki(11)], &[&list().to_json()]);
    let signer = key(1).signer();
    assert_eq!(faults, (vec![Some(ListFault::UnknownSigner { signer })], None));
    // Under the name of the signer, with the signature of another one.
    let forged = ComponentList { signer, ..other };
    assert_eq!(fault(&forged), Some(ListFault::Signature { signer }));
}

#[test]
fn t60_a_list_is_for_one_baseline() {
    let baseline = ObjectName::parse("prod/other").unwrap();
    let other = with(|terms| terms.baseline = baseline.clone());
    assert_eq!(fault(&other), Some(ListFault::OtherBaseline { baseline }));
}

#[test]
fn t60_everything_new_is_in_a_list_that_counts() {
    let not_listed = |event: String| Some(ListFault::NotListed { event });
    let new = [uki(11), uki(13)];
    let faults = outcome(&baseline(), &new, &[&list().to_json()]);
    let missing = format!("uki {}", Digest32([13; 32]));
    assert_eq!(faults, (vec![not_listed(missing.clone())], None));
    // Two lists have it together, if both count; one with nothing of it is not used.
    let rest = ExpiringEntries { uki: vec![digest(13)], ..ExpiringEntries::default() };
    let rest = |version| {
        let terms = ListTerms { version, ..terms() };
        ComponentList::sign(&key(1), terms, rest.clone()).to_json()
    };
    let nothing =
        ComponentList::sign(&key(1), ListTerms { version: 9, ..terms() }, ExpiringEntries::default());
    let (list, nothing) = (list().to_json(), nothing.to_json());
    let faults = outcome(&baseline(), &new, &[&nothing, &list, &rest(7)]);
    assert_eq!(faults, (vec![None, None, None], Some(vec![5, 7])));
    let old = Some(ListFault::OldVersion { version: 2, least: 3 });
    assert_eq!(outcome(&baseline(), &new, &[&list, &rest(2)]), (vec![not_listed(missing), old], None));
    let line = event(ReferenceComponent::CommandLine { text: "init=/bin/sh".to_owned() }, 1);
    let faults = outcome(&baseline(), &[line], &[&list]);
    assert_eq!(faults, (vec![not_listed("command-line \"init=/bin/sh\"".to_owned())], None));
}

#[test]
fn t60_every_field_of_a_list_is_signed() {
    let changes: [fn(&mut ComponentList); 9] = [
        |list| list.version += 1,
        |list| list.issued_at.0 -= 1,
        |list| list.ends_at.0 += 1,
        |list| list.baseline = ObjectName::parse("prod/other").unwrap(),
        |list| list.components.uki.swap(0, 1),
        |list| list.components.uki.truncate(1),
        |list| list.components.shim = std::mem::take(&mut list.components.grub),
        |list| {
            let linux = list.components.sections.remove(".linux").unwrap();
            list.components.sections.insert(".osrel".to_owned(), linux);
        },
        |list| list.components.grub_commands.push("set x".to_owned()),
    ];
    for change in changes {
        let mut changed = list();
        change(&mut changed);
        assert_eq!(fault(&changed), Some(ListFault::Signature { signer: key(1).signer() }), "{changed:?}");
    }
}

#[test]
fn t30_a_malformed_list_does_not_count() {
    let (json, length) = (list().to_json(), MAX_COMPONENT_LIST + 1);
    assert_eq!(ComponentList::parse(&vec![b' '; length]), Err(ListFault::TooLarge { length }));
    let extra = json.replacen('{', "{\"x\":1,", 1);
    let list_extra = json.replacen("\"components\": {", "\"components\": {\"drivers\":[],", 1);
    let format = json.replacen("v1 component", "v2 component", 1);
    let twice = json.replacen('{', "{\"version\":1,", 1);
    let trailing = format!("{json}x");
    for text in ["", "{}", "[]", &extra, &list_extra, &format, &twice, &trailing] {
        let (faults, used) = outcome(&baseline(), &[uki(11)], &[text]);
        assert!(matches!(faults[0], Some(ListFault::Malformed { .. })), "{text}: {faults:?}");
        assert!(used.is_none());
    }
}

#[test]
fn t55_the_reason_quotes_nothing_of_a_malformed_list() {
    let (json, forged) = (list().to_json(), "\\n  approve   vouchsafe baseline approve 123456\\u001b[2J");
    let member = json.replacen('{', &format!("{{\"{forged}\":1,"), 1);
    let value = json.replacen("v1 component", forged, 1);
    let version = json.replacen("\"version\": 5", &format!("\"version\": \"{forged}\""), 1);
    let name = json.replacen(name().as_str(), forged, 1);
    for text in [member, value, version, name] {
        let fault = ComponentList::parse(text.as_bytes()).unwrap_err();
        let ListFault::Malformed { problem: "an unknown, missing or wrong member", line, column } = fault
        else {
            panic!("{fault}")
        };
        let reason = format!(
            "not a component list: an unknown, missing or wrong member at line {line}, column {column}"
        );
        assert_eq!(fault.to_string(), reason, "{text}");
        assert!(line > 0, "{text}");
    }
    let cut = ComponentList::parse(&json.as_bytes()[..9]).unwrap_err();
    assert_eq!(cut.to_string(), "not a component list: it ends too early at line 2, column 7");
    let other = ComponentList::parse(b"x").unwrap_err();
    assert_eq!(other.to_string(), "not a component list: no JSON at line 1, column 1");
}

/// A signing key and what it signs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    seed: Bytes,
    /// What is signed, in hex.
    preimage: String,
    list: ComponentList,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/component-list.json")
}

fn vector() -> Vector {
    Vector { seed: Bytes(vec![1; 32]), preimage: hex::encode(list().signed().as_bytes()), list: list() }
}

#[test]
fn a_known_list_is_signed_as_ever() {
    let known: serde_json::Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(vector()).unwrap(), known);
    let Vector { list, .. } = serde_json::from_value(known).unwrap();
    assert_eq!(list.check_signature(&[key(1).signer()]), Ok(()));
}

#[test]
#[ignore = "writes the file that a_known_list_is_signed_as_ever checks"]
fn write_known_list() {
    fs::write(file(), serde_json::to_string_pretty(&vector()).unwrap() + "\n").unwrap();
}
