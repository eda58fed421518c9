//! `GET /v1/decisions/evidence?id=…`: the evidence of a decision, as the guest sent it. It cannot be used
//! again: its nonce is spent.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::record::{EvidenceRef, LogRecord};
use vouchsafe_protocol::ReasonCode;

use crate::api::decisions::ShowDecision;
use crate::attested::evidence::assemble;
use crate::broker::Broker;
use crate::operators::principal::Principal;
use crate::operators::query::Query;
use crate::operators::records::may_read;
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    principal: Principal,
    Query(ShowDecision { id }): Query<ShowDecision>,
) -> Result<HttpResponse, HttpProblem> {
    // A record that the operator may not read looks like a missing one.
    let logged = broker.keystore.decision(id).await?.filter(|logged| may_read(&principal, &logged.record));
    let named = logged.map(|logged| named(logged.record)).filter(|named| !named.is_empty());
    let Some(named) = named else {
        return Err(HttpProblem::for_operator(
            ReasonCode::NotFound,
            format!("there is no decision {id} in the log that you may read and that has evidence"),
        ));
    };
    let mut pieces = Vec::with_capacity(named.len());
    for EvidenceRef { digest, kind } in named {
        if let Some(bytes) = broker.keystore.evidence(digest).await? {
            pieces.push((kind, bytes));
        }
    }
    match assemble(pieces) {
        Some(evidence) => answer(&evidence),
        None => Err(HttpProblem::for_operator(
            ReasonCode::NotFound,
            format!("the evidence of decision {id} is no longer whole"),
        )),
    }
}

fn named(record: LogRecord) -> Vec<EvidenceRef> {
    match record {
        LogRecord::Grant(grant) => grant.evidence,
        LogRecord::Refusal(refusal) => refusal.evidence,
        LogRecord::Operator(_) => Vec::new(),
    }
}
