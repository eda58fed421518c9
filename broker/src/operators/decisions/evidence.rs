//! `GET /v1/decisions/evidence?id=…`: the evidence of a decision, as the guest sent it. It cannot be used
//! again: its nonce is spent.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::ReasonCode;

use crate::api::decisions::ShowDecision;
use crate::attested::evidence::assemble;
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ShowDecision>,
) -> Result<HttpResponse, HttpProblem> {
    let ShowDecision { id } = query;
    let readable = principal.permits(Act::ReadRecords);
    let records = broker.keystore.permitted_lists(&readable);
    // A record that the operator may not read looks like a missing one.
    let logged = records.decision(id).await?;
    if logged.is_none_or(|logged| logged.record.evidence().is_empty()) {
        return Err(HttpProblem::for_operator(
            ReasonCode::NotFound,
            format!("there is no decision {id} in the log that you may read and that has evidence"),
        ));
    }
    match records.evidence_of(id).await?.and_then(assemble) {
        Some(evidence) => answer(&evidence),
        None => Err(HttpProblem::for_operator(
            ReasonCode::NotFound,
            format!("the evidence of decision {id} is no longer whole"),
        )),
    }
}
