//! `GET /v1/info`: who this broker is and what it trusts. Nothing in it is secret, nothing in it is signed.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use vouchsafe_protocol::{BrokerIdentity, Digest32, Suite};

use crate::broker::Broker;

#[derive(Serialize)]
struct Info {
    version: &'static str,
    identities: [BrokerIdentity; 1],
    suites: [Suite; 2],
    trust_anchors: Digest32,
    /// SHA-256 of each anchor that comes from a file.
    extra_trust_anchors: Vec<Digest32>,
}

pub(super) async fn get(broker: Data<Broker>) -> HttpResponse {
    HttpResponse::Ok().json(Info {
        version: env!("CARGO_PKG_VERSION"),
        identities: [broker.identity()],
        suites: Suite::ALL,
        trust_anchors: broker.anchors.digest(),
        extra_trust_anchors: broker.anchors.extra_fingerprints(),
    })
}
