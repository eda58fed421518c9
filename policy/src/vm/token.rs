//! A token of Google Cloud Attestation.

use vouchsafe_attestation::google_token::{Container, GoogleTokenClaims, TokenTdxTcb};

use super::common::{instance, texts};
use super::names;
use crate::value::{Picked, Value};

pub(super) fn google_token<'r>(record: Picked<'r>, claims: &GoogleTokenClaims) -> Picked<'r> {
    record
        .with("root", names::root(claims.root))
        .with("kind", names::token_kind(claims.kind))
        .with("revocation", names::revocation(claims.revocation))
        .with("issued_at", claims.issued_at)
        .with("expires_at", claims.expires_at)
        .with("subject", claims.subject.as_str())
        .with("technology", names::technology(claims.technology))
        .with("software_name", names::software_name(claims.software_name))
        .with_set("software_version", texts(&claims.software_version))
        .with("secure_boot", claims.secure_boot)
        .with_some("debug_disabled", claims.debug_disabled)
        .with_set("attester_tcb", texts(&claims.attester_tcb))
        .with_some_record("tdx_tcb", claims.tdx_tcb.as_ref(), tdx_tcb)
        .with_some_record("instance", claims.instance.as_ref(), instance)
        .with_set("service_accounts", texts(&claims.service_accounts))
        .with_some_record("container", claims.container.as_ref(), container)
        .with_set("support_attributes", texts(&claims.support_attributes))
        // `memory=false`: so that a policy can require that it is off with a claim that is present.
        .with_set(
            "monitoring",
            claims.monitoring_enabled.iter().map(|(what, enabled)| Value::Text(format!("{what}={enabled}"))),
        )
}

fn tdx_tcb<'r>(record: Picked<'r>, tcb: &TokenTdxTcb) -> Picked<'r> {
    record.with("status", tcb.status.as_str()).with_some("date", tcb.date)
}

fn container<'r>(record: Picked<'r>, container: &Container) -> Picked<'r> {
    record
        .with("image_reference", container.image_reference.as_str())
        .with("image_digest", container.image_digest.as_str())
        .with_some("image_id", container.image_id.as_deref())
        .with_some("restart_policy", container.restart_policy.as_deref())
        .with_set("arguments", texts(&container.arguments))
}
