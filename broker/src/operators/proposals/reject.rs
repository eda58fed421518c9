//! `POST /v1/baseline-proposals/reject`: VMs that ask for the update learn that it will not be allowed.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::proposals::BaselineProposalId;

use crate::api::proposals::RejectProposal;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::done;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RejectProposal { baseline, id } = body.json()?;
    let permit = principal.authorize(Act::ManageBaselines, baseline.namespace())?;
    let proposal = BaselineProposalId { baseline, id };
    broker.keystore.reject_proposal(principal.by(&permit), &proposal).await?;
    broker.metrics.proposals.rejected();
    done()
}
