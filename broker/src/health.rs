//! `/livez` and `/readyz`: whether the process runs, and whether it can release secrets.
//!
//! One background task probes readiness every `limits.probe` seconds; a request is answered with the last
//! result, and touches neither the database nor the disk. The broker becomes unready before the disk is full:
//! a release needs its record on disk.

pub(crate) mod leaves;
pub(crate) mod readiness;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::Data;
use vouchsafe_keystore::StoreError;
use vouchsafe_keystore::record::{Clock, GrantFailures};
use vouchsafe_keystore::release::GuardrailsError;
use vouchsafe_protocol::UnixTime;

use crate::api::readiness::Reason;
use crate::broker::Broker;
use crate::clock;
use crate::collateral::CrlStatus;

pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("live\n")
}

pub(crate) async fn readyz(broker: Data<Broker>) -> HttpResponse {
    let shown = broker.readiness.shown(broker.config().limits.probe, broker.gate.is_full());
    let mut response = if shown.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(shown)
}

/// Probes once, and then repeatedly in the background until the broker is dropped.
pub(crate) async fn watch(broker: &Arc<Broker>) {
    probe(broker).await;
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        while let Some(pause) = pause(&broker) {
            tokio::time::sleep(pause).await;
            if let Some(broker) = broker.upgrade() {
                probe(&broker).await;
            }
        }
    });
}

fn pause(broker: &Weak<Broker>) -> Option<Duration> {
    broker.upgrade().map(|broker| broker.config().limits.probe)
}

/// Takes the database's writer for one commit; nothing else here does. Also updates the metrics of the
/// keyring and of collateral: these are computed here, and not for each request of the metrics.
pub(crate) async fn probe(broker: &Arc<Broker>) {
    let mut reasons = Vec::new();
    broker.observe_keyring();
    let identities = broker.observe_identities().await;
    let crls = observe_collateral(broker).await;
    if free_mib(broker).is_some_and(|free| free < broker.config().limits.free_disk) {
        reasons.push(Reason::DiskAlmostFull);
    }
    reasons.extend(storage(broker).await);
    if let Err(error) = identities {
        add(&mut reasons, reason(&error));
    }
    reasons.extend(broker.readiness.log_is_damaged().then_some(Reason::LogDamaged));
    reasons.extend(clock_reason(broker).await);
    reasons.extend(grants_failed(broker.keystore.grant_failures(), Instant::now()));
    match broker.keystore.compiled_guardrails().await {
        Ok(guardrails)
            if guardrails.read_revocation() && !broker.issuers.are_served_by(&crls, clock::now()) =>
        {
            reasons.push(Reason::CrlsMissing);
        }
        Ok(_) => {}
        Err(GuardrailsError::Store(error)) => add(&mut reasons, reason(&error)),
        Err(GuardrailsError::Unreadable(error)) => {
            tracing::error!(event = "broker.guardrails", %error);
            reasons.push(Reason::GuardrailsUnreadable);
        }
    }
    broker.metrics.ready.set(i64::from(Reason::permit_ready(&reasons)));
    broker.readiness.set(reasons);
}

fn add(reasons: &mut Vec<Reason>, reason: Reason) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

async fn storage(broker: &Broker) -> Option<Reason> {
    if let Err(error) = broker.keystore.epoch().await {
        tracing::warn!(event = "broker.storage_failed", %error);
        return Some(reason(&error));
    }
    let error = broker.keystore.probe().await.err()?;
    tracing::warn!(event = "broker.storage_failed", %error);
    Some(reason(&error))
}

/// Whether the clock can be relied on. An error of the database is reported by [`storage`].
async fn clock_reason(broker: &Broker) -> Option<Reason> {
    let floor = broker.keystore.nonce_floor().await.unwrap_or(UnixTime(0));
    let next = clock::now().plus(broker.config().challenge_ttl.as_secs());
    let (reason, fault) = clock_fault(broker.clock.clock(), next, floor)?;
    tracing::warn!(event = "broker.clock_stepped", spent_until = clock::human(floor), "{fault}");
    Some(reason)
}

/// What is wrong with the clock, if a challenge issued by it would expire at `next` and those up to `floor` are spent.
fn clock_fault(clock: Clock, next: UnixTime, floor: UnixTime) -> Option<(Reason, &'static str)> {
    if next <= floor {
        let fault = "the clock is behind challenges that were spent: nothing is released until it is right";
        return Some((Reason::ClockBehind, fault));
    }
    match clock {
        Clock::Steady => None,
        Clock::Stepped => Some((
            Reason::ClockStepped,
            "the clock was set since the start: spent nonces are kept; once it is right, restart the broker",
        )),
    }
}

fn reason(error: &StoreError) -> Reason {
    match error {
        StoreError::RowTampered { .. }
        | StoreError::RowRolledBack { .. }
        | StoreError::UnknownGeneration { .. } => Reason::LogHeadInvalid,
        StoreError::Database(_)
        | StoreError::NotPermitted { .. }
        | StoreError::AccountGone { .. }
        | StoreError::ParameterTooLarge { .. }
        | StoreError::NumberTooLarge
        | StoreError::Seal(_)
        | StoreError::Random(_) => Reason::StorageFailed,
    }
}

/// A failure is reported until a grant succeeds, or for a limited time: while the broker is unready no guest
/// may come.
fn grants_failed(failures: Option<GrantFailures>, now: Instant) -> Option<Reason> {
    let since = now.saturating_duration_since(failures?.last);
    (since < GRANT_FAILURES).then_some(Reason::GrantsFailed)
}

/// The stored CRLs. This parses all collateral, so it runs off the async workers.
async fn observe_collateral(broker: &Arc<Broker>) -> Vec<CrlStatus> {
    let observed = Arc::clone(broker);
    let status = tokio::task::spawn_blocking(move || observed.collateral_status()).await;
    match status {
        Ok(Ok(status)) => {
            broker.metrics.collateral.observe(&status, clock::now());
            status.crls
        }
        Ok(Err(error)) => {
            tracing::warn!(event = "collateral.not_read", %error);
            Vec::new()
        }
        Err(_) => {
            tracing::error!(event = "collateral.panicked");
            Vec::new()
        }
    }
}

fn free_mib(broker: &Broker) -> Option<u64> {
    let stat = rustix::fs::statvfs(&broker.config().data).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024))
}

/// How long a failed grant is reported.
const GRANT_FAILURES: Duration = Duration::from_secs(60);
#[cfg(test)]
mod tests;
