//! An SNP report.

use std::fmt;

use vouchsafe_attestation::snp::{FirmwareVersion, PlatformInfo, SnpClaims, Tcb};

use super::common::endorsement;
use super::names;
use crate::value::Picked;

pub(super) fn snp<'r>(record: Picked<'r>, claims: &SnpClaims) -> Picked<'r> {
    record
        .with_some("root", claims.root.map(names::root))
        .with("revocation", names::revocation(claims.revocation))
        .with("product", names::product(claims.product))
        .with("report_version", claims.report_version)
        .with("signer", names::signer(claims.signer))
        .with_some("csp_id", claims.csp_id.as_deref())
        .with_text("vek", &claims.vek_digest)
        .with_record("policy", |record| snp_policy(record, claims))
        .with("vmpl", claims.vmpl)
        .with_text("measurement", &claims.measurement)
        .with_some_record("endorsement", claims.endorsement.as_ref(), endorsement)
        .with_text("host_data", &claims.host_data)
        .with_text("family_id", &claims.family_id)
        .with_text("image_id", &claims.image_id)
        .with("has_migration_agent", claims.has_migration_agent)
        .with_text("id_key_digest", &claims.id_key_digest)
        .with("author_key_enabled", claims.author_key_enabled)
        .with_text("author_key_digest", &claims.author_key_digest)
        .with("guest_svn", claims.guest_svn)
        .with_record("current_tcb", |record| tcb(record, claims.current_tcb))
        .with_record("reported_tcb", |record| tcb(record, claims.reported_tcb))
        .with_record("committed_tcb", |record| tcb(record, claims.committed_tcb))
        .with_record("launch_tcb", |record| tcb(record, claims.launch_tcb))
        .with_record("current_version", |record| version(record, claims.current_version))
        .with_record("committed_version", |record| version(record, claims.committed_version))
        .with("provisional", claims.provisional)
        .with_record("platform", |record| platform(record, &claims.platform))
        .with_some_text("launch_mitigations", claims.launch_mitigations.map(mask))
        .with_some_text("current_mitigations", claims.current_mitigations.map(mask))
        .with_some("chip_id", claims.chip_id.as_deref())
}

fn platform<'r>(record: Picked<'r>, platform: &PlatformInfo) -> Picked<'r> {
    record
        .with("smt", platform.smt)
        .with("tsme", platform.tsme)
        .with("ecc", platform.ecc)
        .with("rapl_dis", platform.rapl_dis)
        .with("ciphertext_hiding", platform.ciphertext_hiding)
        .with_some("alias_check_complete", platform.alias_check_complete)
        .with("tio", platform.tio)
}

fn snp_policy<'r>(record: Picked<'r>, claims: &SnpClaims) -> Picked<'r> {
    let policy = &claims.policy;
    record
        .with("abi_major", policy.abi_major)
        .with("abi_minor", policy.abi_minor)
        .with("smt", policy.smt)
        .with("migration_agent", policy.migration_agent)
        .with("debug", policy.debug)
        .with("single_socket", policy.single_socket)
        .with("cxl_allow", policy.cxl_allow)
        .with("mem_aes_256_xts", policy.mem_aes_256_xts)
        .with("rapl_dis", policy.rapl_dis)
        .with("ciphertext_hiding", policy.ciphertext_hiding)
        .with("page_swap_disable", policy.page_swap_disable)
}

fn tcb(record: Picked<'_>, tcb: Tcb) -> Picked<'_> {
    record
        .with_some("fmc", tcb.fmc)
        .with("boot_loader", tcb.boot_loader)
        .with("tee", tcb.tee)
        .with("snp", tcb.snp)
        .with("microcode", tcb.microcode)
}

fn version(record: Picked<'_>, version: FirmwareVersion) -> Picked<'_> {
    record.with("major", version.major).with("minor", version.minor).with("build", version.build)
}

fn mask(mask: u64) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{mask:016x}"))
}
