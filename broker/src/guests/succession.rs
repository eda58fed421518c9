//! `GET /v1/succession`: what previous identities have signed about their successors, for guests that pin one of them. Anyone may
//! read it, and it needs no protection on the way.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::query::NoQuery;
use crate::broker::Broker;

pub(super) async fn get(broker: Data<Broker>, _: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(broker.identities().succession())
}
