//! Who may read which record of the decision log.

use vouchsafe_keystore::record::LogRecord;
use vouchsafe_protocol::SecretPath;

use super::principal::{Act, Principal};

/// A record may be read by those who may read the records of every namespace that it concerns; one that
/// concerns none, by administrators and auditors of everything.
pub(super) fn may_read(principal: &Principal, record: &LogRecord) -> bool {
    let namespaces: Vec<&str> = match record {
        LogRecord::Grant(grant) => grant.secrets.iter().map(|secret| secret.path.namespace()).collect(),
        LogRecord::Refusal(refusal) => refusal.paths.iter().map(SecretPath::namespace).collect(),
        LogRecord::Operator(change) => {
            change.target.split_once('/').map(|(namespace, _)| namespace).into_iter().collect()
        }
    };
    if namespaces.is_empty() {
        return principal.may_everywhere(Act::ReadRecords);
    }
    namespaces.into_iter().all(|namespace| principal.may(Act::ReadRecords, namespace))
}
