//! `POST /v1/policies/check`: whether a policy would be accepted. Stores nothing.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::documents::NewDocument;
use crate::api::policies::CheckedPolicy;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::answer;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let NewDocument { name, text } = body.json()?;
    let permit = principal.authorize(Act::ManagePolicies, name.namespace())?;
    let (policy, notes) = broker.keystore.permitted(&permit).check_policy(&name, &text, principal.at).await?;
    answer(&CheckedPolicy::new(name, &policy, &notes))
}
