//! Signed component lists, as a VM brings them along.

use vouchsafe_policy::ComponentList;
use vouchsafe_protocol::limits::MAX_COMPONENT_LIST;
use vouchsafe_protocol::request::CarriedLists;

/// A component list, and lists as a request carries them.
pub fn component_list(data: &[u8]) {
    if let Ok(list) = ComponentList::parse(data) {
        assert!(data.len() <= MAX_COMPONENT_LIST);
        let again = serde_json::to_vec(&list).expect("serialises");
        // Without the blanks of the pretty form it is at most as long as what was read, but for numbers and escapes.
        if again.len() <= MAX_COMPONENT_LIST {
            assert_eq!(ComponentList::parse(&again), Ok(list));
        }
    }
    if let Ok(lists) = serde_json::from_slice::<CarriedLists>(data) {
        assert!(lists.iter().all(|list| list.len() <= MAX_COMPONENT_LIST));
        assert_eq!(lists.digests().len(), lists.len());
    }
}
