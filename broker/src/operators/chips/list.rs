//! `GET /v1/chips`: chips first seen, the newest first. An operator sees those whose grant it may read.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use vouchsafe_keystore::chips::{FirstSeen, Subject};
use vouchsafe_keystore::store::{ChipFilter, SeenChip};
use vouchsafe_protocol::{DecisionId, ObjectName, ReasonCode, UnixTime};

use crate::broker::Broker;
use crate::operators::decisions::may_read;
use crate::operators::{Operator, Query, answer};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    instance: Option<String>,
    policy: Option<ObjectName>,
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Page {
    chips: Vec<Shown>,
    /// `before` of the next page; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

#[derive(Serialize)]
struct Shown {
    index: u64,
    #[serde(flatten)]
    seen: FirstSeen,
    first_seen_at: UnixTime,
    /// The grant that first saw it.
    decision: DecisionId,
}

pub(super) async fn get(
    broker: Data<Broker>,
    operator: Operator,
    Query(list): Query<List>,
) -> Result<HttpResponse, HttpProblem> {
    let limit = list.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (before, subject) = (list.before, list.subject()?);
    let mut filter = ChipFilter { subject, before, limit: Some(limit) };
    let mut chips = Vec::new();
    // Reads on until there are as many as asked for that the operator may read, or no more.
    loop {
        let found = broker.keystore.chips(&filter).await?;
        let is_last = u32::try_from(found.len()).is_ok_and(|count| Some(count) < filter.limit);
        for chip in found {
            filter.before = Some(chip.index);
            if may_read(&operator, &chip.grant.record) {
                chips.push(Shown::from(chip));
            }
            if chips.len() == wanted {
                return answer(&Page { chips, next: filter.before.filter(|index| *index > 0) });
            }
        }
        if is_last || filter.before == Some(0) {
            return answer(&Page { chips, next: None });
        }
        filter.limit = Some(MAX_PAGE);
    }
}

impl List {
    fn subject(self) -> Result<Option<Subject>, HttpProblem> {
        match (self.instance, self.policy) {
            (Some(_), Some(_)) => Err(HttpProblem::for_operator(
                ReasonCode::MalformedRequest,
                "chips are those of an instance or those of a policy",
            )),
            (instance, policy) => Ok(instance.map(Subject::Instance).or(policy.map(Subject::Policy))),
        }
    }
}

impl From<SeenChip> for Shown {
    fn from(chip: SeenChip) -> Self {
        let SeenChip { index, seen, first_seen_at, grant } = chip;
        Self { index, seen, first_seen_at, decision: grant.record.id() }
    }
}

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1000;
