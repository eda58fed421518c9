//! `GET /v1/volumes/show?volume=…`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::ForgetError;

use crate::api::volumes::{NameVolume, Volume};
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<NameVolume>,
) -> Result<HttpResponse, HttpProblem> {
    let NameVolume { volume } = query;
    let permit = principal.authorize(Act::ReadObjects, volume.path().namespace())?;
    let record = broker.keystore.permitted(&permit).volume(&volume).await?;
    answer(&Volume::from(record.ok_or(ForgetError::NotRegistered { volume })?))
}
