//! `GET /v1/decisions/show?id=…`: one decision, from the log or from memory.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::record::LogRecord;
use vouchsafe_protocol::ReasonCode;

use crate::api::decisions::{Decision, ShowDecision};
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
    let logged = broker.keystore.permitted_lists(&readable).decision(id).await?;
    let shown = logged.map(|logged| Decision { index: Some(logged.index), record: logged.record });
    let remembered = || {
        let record = LogRecord::Refusal(broker.refusals.get(id)?);
        record.is_readable(&readable).then_some(Decision { index: None, record })
    };
    // A record that the operator may not read looks like a missing one.
    match shown.or_else(remembered) {
        Some(shown) => answer(&shown),
        None => Err(HttpProblem::for_operator(
            ReasonCode::NotFound,
            format!("there is no decision {id} in the log or in this broker's memory that you may read"),
        )),
    }
}
