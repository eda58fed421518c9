//! `POST /v1/volumes/forget`: removes a registration, so that the VM may register any header.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::api::volumes::NameVolume;
use crate::broker::Broker;
use crate::operators::principal::Act;
use crate::operators::respond::done;
use crate::operators::submission::Submission;
use crate::problem::HttpProblem;

pub(super) async fn post(
    broker: Data<Broker>,
    Submission { principal, body }: Submission,
) -> Result<HttpResponse, HttpProblem> {
    let NameVolume { volume } = body.json()?;
    let permit = principal.authorize(Act::ManageSecrets, volume.path().namespace())?;
    broker.keystore.forget_volume(principal.by(&permit), &volume).await?;
    done()
}
