//! The configuration's file.

use super::*;
use crate::config::ConfigError;

#[test]
fn a_configuration_that_is_wrong_or_absent_is_a_finding() {
    let found = |read| {
        let mut diagnosis = examine(healthy().path());
        diagnosis.add_configuration(Path::new("/etc/guest.toml"), read);
        let finding = diagnosis.finding("configuration").unwrap();
        (finding.status, finding.what.clone(), diagnosis.is_ready())
    };
    assert_eq!(found(Some(Ok(()))), (Status::Ok, "/etc/guest.toml".to_owned(), true));
    let (status, what, ready) = found(None);
    assert!(status == Status::Warning && what.contains("there is no") && ready, "{what}");
    let wrong = found(Some(Err(&ConfigError::NoBroker)));
    assert_eq!(wrong, (Status::Missing, "`brokers` names none".to_owned(), false));
}
