//! `/v1/decisions`: one file per route, and who may read which record.

mod evidence;
mod list;
mod show;

use actix_web::web::{self, ServiceConfig};
use vouchsafe_keystore::record::LogRecord;
use vouchsafe_protocol::SecretPath;

use super::principal::{Act, Principal};
use super::resource;

pub(super) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/v1/decisions").route(web::get().to(list::get)))
        .service(resource("/v1/decisions/show").route(web::get().to(show::get)))
        .service(resource("/v1/decisions/evidence").route(web::get().to(evidence::get)));
}

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
