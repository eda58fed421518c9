//! `POST /v1/baselines/revoke`: permanently, no VM is a member of it.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::baselines::{ChangedBaseline, RevokeBaseline};
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

use super::naming::naming;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let RevokeBaseline { name } = body.json()?;
    let permit = principal.authorize(Act::ManageBaselines, name.namespace())?;
    broker.keystore.revoke_baseline(principal.by(&permit), &name).await?;
    let policies = naming(&broker, &principal, &name).await?;
    answer(&ChangedBaseline { name, version: None, policies })
}
