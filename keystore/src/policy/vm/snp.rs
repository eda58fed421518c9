//! An SNP report.

use vouchsafe_attestation::snp::{FirmwareVersion, SnpClaims, Tcb};

use super::{endorsement, names};
use crate::policy::value::Record;

pub(super) fn snp(claims: &SnpClaims) -> Record {
    let platform = &claims.platform;
    Record::default()
        .with_some("root", claims.root.map(names::root))
        .with("revocation", names::revocation(claims.revocation))
        .with("product", names::product(claims.product))
        .with("report_version", claims.report_version)
        .with("signer", names::signer(claims.signer))
        .with_some("csp_id", claims.csp_id.clone())
        .with("vek", claims.vek_digest.to_string())
        .with("policy", snp_policy(claims))
        .with("vmpl", claims.vmpl)
        .with("measurement", claims.measurement.to_string())
        .with_some("endorsement", claims.endorsement.as_ref().map(endorsement))
        .with("host_data", claims.host_data.to_string())
        .with("family_id", claims.family_id.to_string())
        .with("image_id", claims.image_id.to_string())
        .with("has_migration_agent", claims.has_migration_agent)
        .with("id_key_digest", claims.id_key_digest.to_string())
        .with("author_key_enabled", claims.author_key_enabled)
        .with("author_key_digest", claims.author_key_digest.to_string())
        .with("guest_svn", claims.guest_svn)
        .with("current_tcb", tcb(claims.current_tcb))
        .with("reported_tcb", tcb(claims.reported_tcb))
        .with("committed_tcb", tcb(claims.committed_tcb))
        .with("launch_tcb", tcb(claims.launch_tcb))
        .with("current_version", version(claims.current_version))
        .with("committed_version", version(claims.committed_version))
        .with("provisional", claims.provisional)
        .with(
            "platform",
            Record::default()
                .with("smt", platform.smt)
                .with("tsme", platform.tsme)
                .with("ecc", platform.ecc)
                .with("rapl_dis", platform.rapl_dis)
                .with("ciphertext_hiding", platform.ciphertext_hiding)
                .with_some("alias_check_complete", platform.alias_check_complete)
                .with("tio", platform.tio),
        )
        .with_some("launch_mitigations", claims.launch_mitigations.map(mask))
        .with_some("current_mitigations", claims.current_mitigations.map(mask))
        .with_some("chip_id", claims.chip_id.clone())
}

fn snp_policy(claims: &SnpClaims) -> Record {
    let policy = &claims.policy;
    Record::default()
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

fn tcb(tcb: Tcb) -> Record {
    Record::default()
        .with_some("fmc", tcb.fmc)
        .with("boot_loader", tcb.boot_loader)
        .with("tee", tcb.tee)
        .with("snp", tcb.snp)
        .with("microcode", tcb.microcode)
}

fn version(version: FirmwareVersion) -> Record {
    Record::default().with("major", version.major).with("minor", version.minor).with("build", version.build)
}

fn mask(mask: u64) -> String {
    format!("{mask:016x}")
}
