//! `POST /v1/baseline-proposals/approve`: puts a version of the baseline that allows the proposed update, in force at once.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::proposals::BaselineProposalId;
use vouchsafe_keystore::registry::KeepOldFor;

use crate::api::baselines::ChangedBaseline;
use crate::api::proposals::{ApproveProposal, KeepOld};
use crate::broker::Broker;
use crate::operators::baselines::naming::naming;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let ApproveProposal { baseline, id, keep_old } = body.json()?;
    let permit = principal.authorize(Act::ManageBaselines, baseline.namespace())?;
    let keep = match keep_old {
        KeepOld::Seconds(seconds) => KeepOldFor::Seconds(seconds),
        KeepOld::Forever => KeepOldFor::Forever,
    };
    let proposal = BaselineProposalId { baseline: baseline.clone(), id };
    let version = broker.keystore.approve_proposal(principal.by(&permit), &proposal, keep).await?;
    broker.metrics.proposals.approved();
    let policies = naming(&broker, &principal, &baseline).await?;
    answer(&ChangedBaseline { name: baseline, version: Some(version), policies })
}
