//! `GET /v1/decisions`: records of the log, the newest first; with `remembered=true` the refusals in memory.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use vouchsafe_keystore::record::{LogRecord, Outcome, RefusalRecord};
use vouchsafe_keystore::store::DecisionFilter;
use vouchsafe_protocol::{SecretPath, UnixTime};

use super::{Shown, may_read};
use crate::broker::Broker;
use crate::operators::operator::Act;
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
    let page = if list.remembered {
        list.remembered(&broker, &operator, limit)
    } else {
        logged(&broker, &operator, list, limit).await?
    };
    answer(&page)
}

impl List {
    /// What the operator may read counts towards the limit, and nothing else.
    fn remembered(&self, broker: &Broker, operator: &Operator, limit: u32) -> Page {
        let namespaces = operator.namespaces(Act::ReadRecords);
        let is_wanted = |refusal: &RefusalRecord| {
            self.matches(refusal)
                && concerns(refusal, namespaces.as_deref())
                && may_read(operator, &LogRecord::Refusal(refusal.clone()))
        };
        let refusals = broker.refusals.newest(usize::try_from(limit).unwrap_or(usize::MAX), is_wanted);
        let shown = |refusal| Shown { index: None, record: LogRecord::Refusal(refusal) };
        Page { records: refusals.into_iter().map(shown).collect(), next: None }
    }

    /// As [`DecisionFilter`] filters the log.
    fn matches(&self, refusal: &RefusalRecord) -> bool {
        self.outcome.is_none_or(|outcome| outcome == Outcome::Refused)
            && self.path.as_ref().is_none_or(|path| refusal.paths.contains(path))
            && self.instance.as_ref().is_none_or(|instance| refusal.instance.as_ref() == Some(instance))
            && self.since.is_none_or(|since| refusal.at.0 >= since)
            && self.until.is_none_or(|until| refusal.at.0 < until)
    }
}

/// Whether it names something in one of these namespaces: a quick look before that at authority.
fn concerns(refusal: &RefusalRecord, namespaces: Option<&[String]>) -> bool {
    namespaces.is_none_or(|namespaces| {
        refusal.paths.iter().any(|path| namespaces.iter().any(|namespace| namespace == path.namespace()))
    })
}

/// Reads on until there are as many records as asked for that the operator may read, or no more.
async fn logged(broker: &Broker, operator: &Operator, list: List, limit: u32) -> Result<Page, HttpProblem> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let namespaces = operator.namespaces(Act::ReadRecords);
    let mut filter = DecisionFilter {
        outcome: list.outcome,
        path: list.path,
        instance: list.instance,
        since: list.since.map(UnixTime),
        until: list.until.map(UnixTime),
        before: list.before,
        limit: Some(if namespaces.is_some() { MAX_PAGE } else { limit }),
        namespaces,
    };
    let mut records = Vec::new();
    loop {
        let found = broker.keystore.decisions(&filter).await?;
        let is_last = u32::try_from(found.len()).is_ok_and(|count| Some(count) < filter.limit);
        for logged in found {
            filter.before = Some(logged.index);
            if may_read(operator, &logged.record) {
                records.push(Shown { index: Some(logged.index), record: logged.record });
            }
            if records.len() == wanted {
                return Ok(Page { records, next: filter.before.filter(|index| *index > 0) });
            }
        }
        if is_last || filter.before == Some(0) {
            return Ok(Page { records, next: None });
        }
    }
}

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1000;
