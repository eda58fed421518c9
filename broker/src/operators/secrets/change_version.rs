//! `POST /v1/secrets/retire`, `restore` and `destroy`: one version, or all of them.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::secrets::ChangeVersion;
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::operator::Act;
use crate::operators::{Operator, done};
use crate::problem::HttpProblem;

pub(super) async fn retire(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let ChangeVersion { path, version } = permitted(&operator, &body)?;
    broker.keystore.retire_secret(operator.by(), &path, version).await?;
    done()
}

pub(super) async fn restore(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let ChangeVersion { path, version } = permitted(&operator, &body)?;
    broker.keystore.restore_secret(operator.by(), &path, version).await?;
    done()
}

pub(super) async fn destroy(
    broker: Data<Broker>,
    operator: Operator,
    body: Body,
) -> Result<HttpResponse, HttpProblem> {
    let ChangeVersion { path, version } = permitted(&operator, &body)?;
    broker.keystore.destroy_secret(operator.by(), &path, version).await?;
    done()
}

fn permitted(operator: &Operator, body: &Body) -> Result<ChangeVersion, HttpProblem> {
    let change: ChangeVersion = body.json()?;
    operator.must(Act::ManageSecrets, change.path.namespace())?;
    Ok(change)
}
