//! Verified claims as the attributes of a `Vm`.
//!
//! The only place where claims become attributes for policies. An absent claim, or an empty set, becomes no
//! attribute.

use std::collections::BTreeSet;

use vouchsafe_attestation::anchors::Root;
use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::launch::LaunchEndorsement;

use super::reads::Projection;
use super::value::{Picked, Record};

mod boot;
mod common;
mod names;
mod snp;
mod tdx;
mod token;
mod vtpm;

pub(super) use boot::BootVisibility;
pub(super) use tdx::is_firmware_endorsed;

/// The attributes of a VM that are read.
pub(super) fn attributes(claims: &Claims, visibility: BootVisibility, projection: Projection<'_>) -> Record {
    Picked::new(projection)
        .with_set("roots", roots(claims).into_iter().map(names::root))
        .with_some("technology", claims.technology.map(names::technology))
        .with_some_record("vtpm", claims.vtpm.as_ref(), vtpm::vtpm)
        .with_some_record("snp", claims.sev_snp.as_ref(), snp::snp)
        .with_some_record("tdx", claims.tdx.as_ref(), |record, claims| tdx::tdx(record, claims, visibility))
        .with_some_record("google_token", claims.google_token.as_ref(), token::google_token)
        .done()
}

/// The roots of all pieces and launch endorsements.
fn roots(claims: &Claims) -> BTreeSet<Root> {
    let of = |endorsement: &Option<LaunchEndorsement>| endorsement.as_ref().map(|it| it.root);
    let (snp, tdx) = (claims.sev_snp.as_ref(), claims.tdx.as_ref());
    let roots = [
        claims.vtpm.as_ref().map(|vtpm| vtpm.root),
        snp.and_then(|snp| snp.root),
        snp.and_then(|snp| of(&snp.endorsement)),
        tdx.map(|tdx| tdx.root),
        tdx.and_then(|tdx| of(&tdx.endorsement)),
        claims.google_token.as_ref().map(|token| token.root),
    ];
    roots.into_iter().flatten().collect()
}
