//! `POST /v1/secrets/retire`, `restore` and `destroy`: one version, or all of them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::Erasure;
use vouchsafe_policy::operators::Permit;

use crate::api::secrets::{ChangeVersion, DestroyedVersion};
use crate::body::Body;
use crate::broker::Broker;
use crate::operators::principal::{Act, Principal};
use crate::operators::respond::{answer, done};
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn retire(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let (permit, ChangeVersion { path, version }) = permitted(&principal, &body)?;
    broker.keystore.retire_secret(principal.by(&permit), &path, version).await?;
    done()
}

pub(super) async fn restore(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let (permit, ChangeVersion { path, version }) = permitted(&principal, &body)?;
    broker.keystore.restore_secret(principal.by(&permit), &path, version).await?;
    done()
}

pub(super) async fn destroy(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let (permit, ChangeVersion { path, version }) = permitted(&principal, &body)?;
    let erasure = broker.keystore.destroy_secret(principal.by(&permit), &path, version).await?;
    answer(&DestroyedVersion { erased: erasure == Erasure::Done })
}

fn permitted(principal: &Principal, body: &Body) -> Result<(Permit, ChangeVersion), HttpProblem> {
    let change: ChangeVersion = body.json()?;
    let permit = principal.authorize(Act::ManageSecrets, change.path.namespace())?;
    Ok((permit, change))
}
