//! `GET /v1/chips`: chips, most recently first seen first. An operator sees those whose grant it may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::chips::Subject;
use vouchsafe_keystore::registry::ChipFilter;
use vouchsafe_protocol::ReasonCode;

use crate::api::chips::{ChipPage, ListChips, SeenChip};
use crate::broker::Broker;
use crate::operators::principal::Principal;
use crate::operators::query::Query;
use crate::operators::records::may_read;
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    principal: Principal,
    Query(list): Query<ListChips>,
) -> Result<HttpResponse, HttpProblem> {
    let limit = list.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (before, subject) = (list.before, subject(list)?);
    let mut filter = ChipFilter { subject, before, limit: Some(limit) };
    let mut chips = Vec::new();
    // Reads pages until it has the requested number of entries that the operator may read, or there are no
    // more.
    loop {
        let found = broker.keystore.chips(&filter).await?;
        let is_last = u32::try_from(found.len()).is_ok_and(|count| Some(count) < filter.limit);
        for chip in found {
            filter.before = Some(chip.index);
            if may_read(&principal, &chip.grant.record) {
                chips.push(SeenChip::from(chip));
            }
            if chips.len() == wanted {
                return answer(&ChipPage { chips, next: filter.before.filter(|index| *index > 0) });
            }
        }
        if is_last || filter.before == Some(0) {
            return answer(&ChipPage { chips, next: None });
        }
        filter.limit = Some(MAX_PAGE);
    }
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
