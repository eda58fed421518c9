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

use super::value::{Record, Value};

mod names;
mod snp;
mod tdx;
mod token;

pub(super) use tdx::is_firmware_endorsed;

/// How far claims of a CCEL log are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Not at all: nobody knows what the firmware measured.
    RegistersOnly,
    /// As they are: the firmware is known.
    ConfirmedBoot,
}

/// The attributes of a VM.
pub(super) fn attributes(claims: &Claims, shown: Shown) -> Record {
    Record::default()
        .with_set("roots", roots(claims).into_iter().map(names::root))
        .with_some("technology", claims.technology.map(names::technology))
        .with_some("vtpm", claims.vtpm.as_ref().map(vtpm))
        .with_some("snp", claims.sev_snp.as_ref().map(snp::snp))
        .with_some("tdx", claims.tdx.as_ref().map(|claims| tdx::tdx(claims, shown)))
        .with_some("google_token", claims.google_token.as_ref().map(token::google_token))
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

fn vtpm(claims: &VtpmClaims) -> Record {
    let log = &claims.boot;
    boot(log)
        .with("root", names::root(claims.root))
        .with("revocation", names::revocation(claims.revocation))
        .with("ak_algorithm", claims.ak.algorithm)
        .with("ak_public", claims.ak.public_digest.to_string())
        .with("ak_certificate", claims.ak.certificate_digest.to_string())
        .with_some("instance", claims.instance.as_ref().map(instance))
        .with("phase", names::phase(claims.phase))
        .with_some("technology", log.technology.map(names::technology))
        .with_some("pcrs", pcrs(claims))
}

/// What a log says, of a vTPM or of CCEL.
fn boot(log: &BootLog) -> Record {
    Record::default()
        .with_some("firmware_version", log.firmware_version.clone())
        .with("dma_protection_disabled", log.dma_protection_disabled)
        .with("secure_boot", secure_boot(&log.secure_boot))
        .with_set("efi_applications", digests(&log.efi_applications))
        .with_set("efi_drivers", digests(&log.efi_drivers))
        .with_some("command_line", log.kernel_command_line.clone())
        .with_set("arguments", texts(&log.kernel_arguments))
        .with_set("words", texts(&log.kernel_words))
        .with_set("grub_commands", texts(&log.grub_commands))
        .with_set("grub_files", digests(&log.grub_files))
        .with_set(
            "stub_sections",
            log.stub_sections.iter().map(|section| format!("{}={}", section.name, section.digest).into()),
        )
}

fn instance(instance: &Instance) -> Record {
    Record::default()
        .with("zone", instance.zone.as_str())
        .with("project_id", instance.project_id.as_str())
        .with("project_number", instance.project_number.to_string())
        .with("instance_id", instance.instance_id.to_string())
        .with("instance_name", instance.instance_name.as_str())
}

fn secure_boot(state: &SecureBoot) -> Record {
    Record::default()
        .with("enabled", state.enabled)
        .with_some("pk", state.pk.as_ref().map(ToString::to_string))
        .with_some("kek", state.kek.as_ref().map(ToString::to_string))
        .with_some("db", state.db.as_ref().map(ToString::to_string))
        .with_some("dbx", state.dbx.as_ref().map(ToString::to_string))
        .with_set(
            "authorities",
            state.authorities.iter().map(|authority| authority.digest.to_string().into()),
        )
}

fn endorsement(endorsement: &LaunchEndorsement) -> Record {
    Record::default()
        .with("root", names::root(endorsement.root))
        .with("revocation", names::revocation(endorsement.revocation))
        .with("digest", endorsement.digest.to_string())
        .with("timestamp", endorsement.timestamp)
        .with("svn", endorsement.svn)
        .with("firmware_digest", endorsement.firmware_digest.to_string())
        .with("cl_spec", endorsement.cl_spec.to_string())
        .with_some("commit", endorsement.commit.clone())
        .with_some("vcpus", endorsement.vcpus)
        .with_some("ram_gib", endorsement.ram_gib)
}

/// All PCRs that the schema names, or none.
fn pcrs(claims: &VtpmClaims) -> Option<Record> {
    let mut record = Record::default();
    for (index, name) in PCRS {
        record = record.with(name, claims.pcrs.get(&index)?.to_string());
    }
    Some(record)
}

fn digests(digests: &[impl fmt::Display]) -> impl Iterator<Item = Value> {
    digests.iter().map(|digest| digest.to_string().into())
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
