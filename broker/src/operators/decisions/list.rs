//! `GET /v1/decisions`: records of the log, newest first; with `remembered=true` the refusals in memory.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::record::{DecisionFilter, LogRecord, LoggedRecord, Outcome, RefusalRecord};
use vouchsafe_policy::operators::Permits;

use crate::api::decisions::{Decision, DecisionPage, ListDecisions};
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ListDecisions>,
) -> Result<HttpResponse, HttpProblem> {
    let list = query;
    let limit = list.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let readable = principal.permits(Act::ReadRecords);
    let page = if list.remembered {
        remembered(&broker, &readable, &list, limit)
    } else {
        logged(&broker, &readable, list, limit).await?
    };
    answer(&page)
}

/// Only records that the operator may read count towards the limit.
fn remembered(broker: &Broker, readable: &Permits, list: &ListDecisions, limit: u32) -> DecisionPage {
    let namespaces = readable.namespaces();
    let is_wanted =
        |refusal: &RefusalRecord| matches(list, refusal) && concerns(refusal, namespaces.as_deref());
    let wanted = broker.refusals.newest(is_wanted).into_iter();
    let records = wanted.map(|refusal| LogRecord::Refusal((*refusal).clone()));
    let decisions =
        records.filter(|record| record.is_readable(readable)).map(|record| Decision { index: None, record });
    DecisionPage {
        records: decisions.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(),
        next: None,
    }
}

/// The same filter as [`DecisionFilter`] applies to the log.
fn matches(list: &ListDecisions, refusal: &RefusalRecord) -> bool {
    list.outcome.is_none_or(|outcome| outcome == Outcome::Refused)
        && list.path.as_ref().is_none_or(|path| refusal.paths.contains(path))
        && list.instance.as_ref().is_none_or(|instance| refusal.instance.as_ref() == Some(instance))
        && list.since.is_none_or(|since| refusal.at >= since)
        && list.until.is_none_or(|until| refusal.at < until)
}

/// Whether it names something in one of these namespaces: a quick filter before the check of permissions.
fn concerns(refusal: &RefusalRecord, namespaces: Option<&[String]>) -> bool {
    namespaces.is_none_or(|namespaces| {
        refusal.paths.iter().any(|path| namespaces.iter().any(|namespace| namespace == path.namespace()))
    })
}

async fn logged(
    broker: &Broker,
    readable: &Permits,
    list: ListDecisions,
    limit: u32,
) -> Result<DecisionPage, HttpProblem> {
    let filter = DecisionFilter {
        outcome: list.outcome,
        path: list.path,
        instance: list.instance,
        since: list.since,
        until: list.until,
        before: list.before,
        limit: Some(limit),
    };
    let page = broker.keystore.permitted_lists(readable).decisions(filter).await?;
    let decision = |logged: LoggedRecord| Decision { index: Some(logged.index), record: logged.record };
    Ok(DecisionPage { records: page.records.into_iter().map(decision).collect(), next: page.next })
}

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1000;
