//! `GET /v1/volumes`: registered volumes by path and instance. An operator sees those whose secret it may read about.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::registry::VolumeFilter;

use crate::api::volumes::{ListVolumes, Volume, VolumePage};
use crate::broker::Broker;
use crate::operators::principal::{Act, Queried};
use crate::operators::respond::answer;
use crate::problem::HttpProblem;

pub(super) async fn get(
    broker: Data<Broker>,
    Queried { principal, query }: Queried<ListVolumes>,
) -> Result<HttpResponse, HttpProblem> {
    let ListVolumes { path, instance, after, limit } = query;
    let limit = Some(limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE));
    let readable = principal.permits(Act::ReadObjects);
    let filter = VolumeFilter { path, instance, after, limit };
    let page = broker.keystore.permitted_lists(&readable).volumes(filter).await?;
    let volumes = page.volumes.into_iter().map(Volume::from).collect();
    answer(&VolumePage { volumes, next: page.next })
}

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 1000;
