//! A vTPM quote with its log.

use vouchsafe_attestation::claims::VtpmClaims;
use vouchsafe_protocol::Digest32;

use super::boot::boot;
use super::common::instance;
use super::names;
use crate::value::Picked;

pub(super) fn vtpm<'r>(record: Picked<'r>, claims: &VtpmClaims) -> Picked<'r> {
    let log = &claims.boot;
    boot(record, log)
        .with("root", names::root(claims.root))
        .with("revocation", names::revocation(claims.revocation))
        .with("ak_algorithm", claims.ak.algorithm)
        .with_text("ak_public", &claims.ak.public_digest)
        .with_text("ak_certificate", &claims.ak.certificate_digest)
        .with_some_record("instance", claims.instance.as_ref(), instance)
        .with("phase", names::phase(claims.phase))
        .with_some("technology", log.technology.map(names::technology))
        .with_some_record("pcrs", pcrs(claims), |record, pcrs| {
            pcrs.into_iter().fold(record, |record, (name, digest)| record.with_text(name, digest))
        })
}

/// All PCRs that the schema names, or none.
fn pcrs(claims: &VtpmClaims) -> Option<Vec<(&'static str, &Digest32)>> {
    PCRS.iter().map(|(index, name)| Some((*name, claims.firmware_pcrs.get(index)?))).collect()
}

/// The PCRs of a release quote except 15, which only determines the phase (T26).
const PCRS: [(u8, &str); 14] = [
    (0, "pcr0"),
    (1, "pcr1"),
    (2, "pcr2"),
    (3, "pcr3"),
    (4, "pcr4"),
    (5, "pcr5"),
    (6, "pcr6"),
    (7, "pcr7"),
    (8, "pcr8"),
    (9, "pcr9"),
    (11, "pcr11"),
    (12, "pcr12"),
    (13, "pcr13"),
    (14, "pcr14"),
];
