//! `GET /v1/baseline-proposals`: proposed updates by baseline and id. An operator sees those of baselines that it may read.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::proposals::{ListProposals, Proposal};
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ListProposals>,
) -> Result<HttpResponse, HttpProblem> {
    let ListProposals { baseline, status } = query;
    let readable = principal.permits(Act::ReadObjects);
    let all = broker.keystore.permitted_lists(&readable).proposals(principal.at).await?;
    let is_wanted = |proposal: &Proposal| {
        baseline.as_ref().is_none_or(|baseline| *baseline == proposal.baseline)
            && status.is_none_or(|status| status == proposal.status)
    };
    let wanted: Vec<_> = all.into_iter().map(Proposal::from).filter(is_wanted).collect();
    answer(&wanted)
}
