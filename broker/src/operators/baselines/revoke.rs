//! `POST /v1/baselines/revoke`: nothing is a member of it any more, for good.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;
use vouchsafe_protocol::ObjectName;

use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, answer};
use crate::problem::HttpProblem;

use super::{Changed, naming};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    name: ObjectName,
}

pub(super) async fn post(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let Revoke { name } = body.json()?;
    operator.must(Act::ManageBaselines, name.namespace())?;
    broker.keystore.revoke_baseline(operator.by(), &name).await?;
    let policies = naming(&broker, &operator, &name).await?;
    answer(&Changed { name, version: None, policies })
}
