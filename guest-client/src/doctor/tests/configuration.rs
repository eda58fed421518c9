//! The configuration's file.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::ConfigError;

#[test]
fn a_configuration_that_is_wrong_or_absent_is_a_finding() {
    let mut diagnosis = examine(healthy().path());
    diagnosis.add_configuration(None);
    assert_eq!(diagnosis.finding("configuration").unwrap().status, Status::Warning);
    assert!(diagnosis.is_ready());
    let mut diagnosis = examine(healthy().path());
    diagnosis.add_configuration(Some(&ConfigError::NoBroker));
    assert_eq!(diagnosis.finding("configuration").unwrap().status, Status::Missing);
    assert!(!diagnosis.is_ready());
}

#[test]
fn a_configuration_that_others_may_change_is_named() {
    let root = healthy();
    let file = root.path().join("guest.toml");
    for (mode, expected) in [(0o644, Status::Ok), (0o664, Status::Warning), (0o646, Status::Warning)] {
        write(&root, "guest.toml", "");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let mut diagnosis = examine(root.path());
        diagnosis.check_configuration(&file);
        let finding = diagnosis.finding("configuration").unwrap();
        assert_eq!(finding.status, expected, "{finding:?}");
        assert!(diagnosis.is_ready());
    }
}
