//! `POST /v1/baselines/put`: a new version of a baseline, in force at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::baselines::ChangedBaseline;
use crate::api::documents::NewDocument;
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
    let NewDocument { name, text } = body.json()?;
    let permit = principal.authorize(Act::ManageBaselines, name.namespace())?;
    let version = broker.keystore.put_baseline(principal.by(&permit), &name, &text).await?;
    let policies = naming(&broker, &principal, &name).await?;
    answer(&ChangedBaseline { name, version: Some(version), policies })
}
