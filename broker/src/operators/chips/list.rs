//! `GET /v1/chips`: chips, most recently first seen first. An operator sees those whose grant it may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::chips::Subject;
use vouchsafe_keystore::registry::ChipFilter;
use vouchsafe_protocol::ReasonCode;

use crate::api::chips::{ChipPage, ListChips, SeenChip};
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ListChips>,
) -> Result<HttpResponse, HttpProblem> {
    let list = query;
    let limit = list.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let filter = ChipFilter { before: list.before, limit: Some(limit), subject: subject(list)? };
    let readable = principal.permits(Act::ReadRecords);
    let page = broker.keystore.permitted_lists(&readable).chips(filter).await?;
    let chips = page.chips.into_iter().map(SeenChip::from).collect();
    answer(&ChipPage { chips, next: page.next })
}

fn subject(list: ListChips) -> Result<Option<Subject>, HttpProblem> {
    match (list.instance, list.policy) {
        (Some(_), Some(_)) => Err(HttpProblem::for_operator(
            ReasonCode::MalformedRequest,
            "chips are those of an instance or those of a policy",
        )),
        (instance, policy) => Ok(instance.map(Subject::Instance).or(policy.map(Subject::Policy))),
    }
}

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1000;
