//! `GET /v1/decisions`: records of the log, the newest first; with `remembered=true` the refusals in memory.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use vouchsafe_keystore::record::{LogRecord, Outcome};
use vouchsafe_keystore::store::DecisionFilter;
use vouchsafe_protocol::{SecretPath, UnixTime};

use super::{Shown, may_read};
use crate::broker::Broker;
use crate::operators::{Operator, Query, answer};
use crate::problem::HttpProblem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    outcome: Option<Outcome>,
    path: Option<SecretPath>,
    instance: Option<String>,
    since: Option<u64>,
    until: Option<u64>,
    before: Option<u64>,
    limit: Option<u32>,
    #[serde(default)]
    remembered: bool,
}

#[derive(Serialize)]
struct Page {
    records: Vec<Shown>,
    /// `before` of the next page; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

pub(super) async fn get(
    broker: Data<Broker>,
    operator: Operator,
    Query(list): Query<List>,
) -> Result<HttpResponse, HttpProblem> {
    let limit = list.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let mut page = if list.remembered {
        let refusals = broker.refusals.newest(usize::try_from(limit).unwrap_or(usize::MAX));
        let shown = |refusal| Shown { index: None, record: LogRecord::Refusal(refusal) };
        Page { records: refusals.into_iter().map(shown).collect(), next: None }
    } else {
        logged(&broker, list, limit).await?
    };
    page.records.retain(|shown| may_read(&operator, &shown.record));
    answer(&page)
}

async fn logged(broker: &Broker, list: List, limit: u32) -> Result<Page, HttpProblem> {
    let filter = DecisionFilter {
        outcome: list.outcome,
        path: list.path,
        instance: list.instance,
        since: list.since.map(UnixTime),
        until: list.until.map(UnixTime),
        before: list.before,
        limit: Some(limit),
    };
    let found = broker.keystore.decisions(&filter).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().map(|last| last.index).filter(|index| full && *index > 0);
    let shown = found.into_iter().map(|logged| Shown { index: Some(logged.index), record: logged.record });
    Ok(Page { records: shown.collect(), next })
}

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1000;
