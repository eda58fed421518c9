//! `GET /v1/info`: identity and trust anchors of this broker. Nothing in it is secret or signed.

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_protocol::Suite;

use super::query::NoQuery;
use crate::api::info::Info;
use crate::broker::Broker;

pub(super) async fn get(broker: Data<Broker>, _: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identities: vec![broker.identity()],
        suites: Suite::ALL.to_vec(),
        trust_anchors: broker.anchors.digest(),
        extra_trust_anchors: broker.anchors.extra_fingerprints(),
    })
}
