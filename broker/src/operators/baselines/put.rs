//! `POST /v1/baselines/put`: a new version of a baseline, in force at once.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::baselines::ChangedBaseline;
use crate::api::documents::NewDocument;
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

use super::naming;

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let NewDocument { name, text } = body.json()?;
    operator.must(Act::ManageBaselines, name.namespace())?;
    let version = broker.keystore.put_baseline(operator.by(), &name, &text).await?;
    let policies = naming(&broker, &operator, &name).await?;
    answer(&ChangedBaseline { name, version: Some(version), policies })
}
