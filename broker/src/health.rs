//! `/livez` and `/readyz`: whether the process runs, and whether it can release anything.
//!
//! Readiness turns false before the disk is full: a release needs its record on disk.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use crate::broker::Broker;

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<&'static str>,
}

pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("live\n")
}

pub(crate) async fn readyz(broker: Data<Broker>) -> HttpResponse {
    let reasons = reasons(&broker).await;
    let mut response =
        if reasons.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready: reasons.is_empty(), reasons })
}

/// Why the broker cannot release anything now.
async fn reasons(broker: &Broker) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if free_mib(broker).is_some_and(|free| free < broker.config.limits.free_disk) {
        reasons.push("disk-almost-full");
    }
    if let Err(error) = broker.keystore.probe().await {
        tracing::warn!(event = "broker.storage_failed", %error);
        reasons.push("storage-failed");
    }
    if !broker.gate.open() {
        reasons.push("overloaded");
    }
    reasons
}

fn free_mib(broker: &Broker) -> Option<u64> {
    let stat = rustix::fs::statvfs(&broker.config.data).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024))
}
