//! Verified claims as the attributes of a `Vm`.
//!
//! The one place where claims become what policies read. A claim that is absent, or a set without
//! members, becomes no attribute.

use std::collections::BTreeSet;
use std::fmt;

use vouchsafe_attestation::anchors::Root;
use vouchsafe_attestation::claims::{Claims, Instance, VtpmClaims};
use vouchsafe_attestation::event_log::{BootLog, SecureBoot};
use vouchsafe_attestation::launch::LaunchEndorsement;
use vouchsafe_protocol::Digest32;

use super::arguments::effective;
use super::reads::Projection;
use super::value::{Picked, Record, Value};

mod names;
mod snp;
mod tdx;
mod token;

pub(super) use tdx::is_firmware_endorsed;

/// How much of a CCEL log policies see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootVisibility {
    /// Not at all: nobody knows what the firmware measured.
    RegistersOnly,
    /// As they are: the firmware is known.
    ConfirmedBoot,
}

/// The attributes of a VM, those that are wanted.
pub(super) fn attributes(claims: &Claims, visibility: BootVisibility, projection: Projection<'_>) -> Record {
    Picked::new(projection)
        .with_set("roots", roots(claims).into_iter().map(names::root))
        .with_some("technology", claims.technology.map(names::technology))
        .with_some_record("vtpm", claims.vtpm.as_ref(), vtpm)
        .with_some_record("snp", claims.sev_snp.as_ref(), snp::snp)
        .with_some_record("tdx", claims.tdx.as_ref(), |record, claims| tdx::tdx(record, claims, visibility))
        .with_some_record("google_token", claims.google_token.as_ref(), token::google_token)
        .done()
}

/// Who vouches for any piece, launch endorsements included.
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

fn vtpm<'r>(record: Picked<'r>, claims: &VtpmClaims) -> Picked<'r> {
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

/// What a log says, of a vTPM or of CCEL.
fn boot<'r>(record: Picked<'r>, log: &BootLog) -> Picked<'r> {
    record
        .with_some("firmware_version", log.firmware_version.as_deref())
        .with("dma_protection_disabled", log.dma_protection_disabled)
        .with_record("secure_boot", |record| secure_boot(record, &log.secure_boot))
        .with_set("efi_applications", digests(log.efi_images()))
        .with_set("efi_drivers", digests(&log.efi_drivers))
        .with_some("command_line", log.kernel_command_line.as_deref())
        .with_set("arguments", texts(&effective(&log.kernel_arguments, log.kernel_command_line.as_deref())))
        .with_set("words", texts(&log.kernel_words))
        .with_set("grub_commands", texts(&log.grub_commands))
        .with_set("grub_files", digests(&log.grub_files))
        .with_set(
            "stub_sections",
            log.stub_sections
                .iter()
                .map(|section| Value::Text(format!("{}={}", section.name, section.digest))),
        )
}

fn instance<'r>(record: Picked<'r>, instance: &Instance) -> Picked<'r> {
    record
        .with("zone", instance.zone.as_str())
        .with("project_id", instance.project_id.as_str())
        .with_text("project_number", &instance.project_number)
        .with_text("instance_id", &instance.instance_id)
        .with("instance_name", instance.instance_name.as_str())
}

fn secure_boot<'r>(record: Picked<'r>, state: &SecureBoot) -> Picked<'r> {
    record
        .with("enabled", state.enabled)
        .with("shim_validation_disabled", state.shim_validation_disabled)
        .with_some_text("pk", state.pk.as_ref())
        .with_some_text("kek", state.kek.as_ref())
        .with_some_text("db", state.db.as_ref())
        .with_some_text("dbx", state.dbx.as_ref())
        .with_set(
            "authorities",
            state.authorities.iter().map(|authority| Value::Text(authority.digest.to_string())),
        )
}

fn endorsement<'r>(record: Picked<'r>, endorsement: &LaunchEndorsement) -> Picked<'r> {
    record
        .with("root", names::root(endorsement.root))
        .with("revocation", names::revocation(endorsement.revocation))
        .with_text("digest", &endorsement.digest)
        .with("timestamp", endorsement.timestamp)
        .with("svn", endorsement.svn)
        .with_text("firmware_digest", &endorsement.firmware_digest)
        .with_text("cl_spec", &endorsement.cl_spec)
        .with_some("commit", endorsement.commit.as_deref())
        .with_some("vcpus", endorsement.vcpus)
        .with_some("ram_gib", endorsement.ram_gib)
}

/// All PCRs that the schema names, or none.
fn pcrs(claims: &VtpmClaims) -> Option<Vec<(&'static str, &Digest32)>> {
    PCRS.iter().map(|(index, name)| Some((*name, claims.firmware_pcrs.get(index)?))).collect()
}

fn digests<'d>(
    digests: impl IntoIterator<Item = &'d (impl fmt::Display + 'd)>,
) -> impl Iterator<Item = Value> {
    digests.into_iter().map(|digest| Value::Text(digest.to_string()))
}

fn texts(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().map(|text| text.as_str().into())
}

/// The PCRs of a release quote but 15, which is read as the phase only (T26).
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
