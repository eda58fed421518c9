//! `POST /v1/baselines/revoke`: nothing is a member of it any more, for good.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::baselines::{ChangedBaseline, RevokeBaseline};
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
    let RevokeBaseline { name } = body.json()?;
    operator.must(Act::ManageBaselines, name.namespace())?;
    broker.keystore.revoke_baseline(operator.by(), &name).await?;
    let policies = naming(&broker, &operator, &name).await?;
    answer(&ChangedBaseline { name, version: None, policies })
}
