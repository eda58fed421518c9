//! Verified claims as the attributes of a `Vm`.
//!
//! The one place where claims become what policies read. A claim that is absent, or a set without
//! members, becomes no attribute.

use vouchsafe_attestation::anchors::{Product, Root};
use vouchsafe_attestation::chain::Revocation;
use vouchsafe_attestation::claims::{Claims, Instance, Phase, VtpmClaims};
use vouchsafe_attestation::event_log::{BootLog, Technology};
use vouchsafe_attestation::snp::{FirmwareVersion, SignerKind, SnpClaims, Tcb};
use vouchsafe_protocol::Digest32;

use super::schema::Kind;
use super::value::{Record, Value};

/// The attributes of a VM.
pub(super) fn attributes(claims: &Claims) -> Record {
    let vtpm_root = claims.vtpm.as_ref().map(|vtpm| vtpm.root);
    let snp_root = claims.sev_snp.as_ref().and_then(|snp| snp.root);
    let mut roots: Vec<Root> = vtpm_root.into_iter().chain(snp_root).collect();
    roots.sort();
    roots.dedup();
    Record::default()
        .with_set("roots", roots.into_iter().map(root))
        .with_some("technology", claims.technology.map(technology))
        .with_some("vtpm", claims.vtpm.as_ref().map(vtpm))
        .with_some("snp", claims.sev_snp.as_ref().map(snp))
}

fn vtpm(claims: &VtpmClaims) -> Record {
    let boot = &claims.boot;
    Record::default()
        .with("root", root(claims.root))
        .with("revocation", revocation(claims.revocation))
        .with("ak_algorithm", claims.ak.algorithm)
        .with("ak_public", claims.ak.public_digest.to_string())
        .with("ak_certificate", claims.ak.certificate_digest.to_string())
        .with_some("instance", claims.instance.as_ref().map(instance))
        .with("phase", phase(claims.phase))
        .with_some("technology", boot.technology.map(technology))
        .with_some("firmware_version", boot.firmware_version.clone())
        .with("dma_protection_disabled", boot.dma_protection_disabled)
        .with("secure_boot", secure_boot(boot))
        .with_set("efi_applications", digests(&boot.efi_applications))
        .with_set("efi_drivers", digests(&boot.efi_drivers))
        .with_some("command_line", boot.kernel_command_line.clone())
        .with_set("arguments", texts(&boot.kernel_arguments))
        .with_set("words", texts(&boot.kernel_words))
        .with_set("grub_commands", texts(&boot.grub_commands))
        .with_set("grub_files", digests(&boot.grub_files))
        .with_set(
            "stub_sections",
            boot.stub_sections.iter().map(|section| format!("{}={}", section.name, section.digest).into()),
        )
        .with_some("pcrs", pcrs(claims))
}

fn instance(instance: &Instance) -> Record {
    Record::default()
        .with("zone", instance.zone.as_str())
        .with("project_id", instance.project_id.as_str())
        .with("project_number", instance.project_number.to_string())
        .with("instance_id", instance.instance_id.to_string())
        .with("instance_name", instance.instance_name.as_str())
}

fn secure_boot(boot: &BootLog) -> Record {
    let state = &boot.secure_boot;
    let text = |digest: Option<Digest32>| digest.map(|digest| digest.to_string());
    Record::default()
        .with("enabled", state.enabled)
        .with_some("pk", text(state.pk))
        .with_some("kek", text(state.kek))
        .with_some("db", text(state.db))
        .with_some("dbx", text(state.dbx))
        .with_set(
            "authorities",
            state.authorities.iter().map(|authority| authority.digest.to_string().into()),
        )
}

/// All PCRs that the schema names, or none.
fn pcrs(claims: &VtpmClaims) -> Option<Record> {
    let mut record = Record::default();
    for (index, name) in PCRS {
        record = record.with(name, claims.pcrs.get(&index)?.to_string());
    }
    Some(record)
}

fn snp(claims: &SnpClaims) -> Record {
    let platform = &claims.platform;
    Record::default()
        .with_some("root", claims.root.map(root))
        .with("revocation", revocation(claims.revocation))
        .with("product", product(claims.product))
        .with("report_version", claims.report_version)
        .with("signer", signer(claims.signer))
        .with_some("csp_id", claims.csp_id.clone())
        .with("vek", claims.vek_digest.to_string())
        .with("policy", snp_policy(claims))
        .with("vmpl", claims.vmpl)
        .with("measurement", claims.measurement.to_string())
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

fn digests(digests: &[Digest32]) -> impl Iterator<Item = Value> {
    digests.iter().map(|digest| digest.to_string().into())
}

fn texts(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().map(|text| text.as_str().into())
}

const fn root(root: Root) -> Value {
    Value::Member(
        Kind::Root,
        match root {
            Root::Amd => "amd",
            Root::Intel => "intel",
            Root::Google => "google",
            Root::Extra => "extra",
        },
    )
}

const fn technology(technology: Technology) -> Value {
    Value::Member(Kind::Technology, technology.name())
}

const fn product(product: Product) -> Value {
    Value::Member(
        Kind::Product,
        match product {
            Product::Milan => "milan",
            Product::Genoa => "genoa",
            Product::Turin => "turin",
        },
    )
}

const fn revocation(revocation: Revocation) -> Value {
    Value::Member(
        Kind::Revocation,
        match revocation {
            Revocation::Fresh => "fresh",
            Revocation::Stale => "stale",
            Revocation::Absent => "absent",
        },
    )
}

const fn signer(signer: SignerKind) -> Value {
    Value::Member(
        Kind::Signer,
        match signer {
            SignerKind::Vcek => "vcek",
            SignerKind::Vlek => "vlek",
        },
    )
}

const fn phase(phase: Phase) -> Value {
    Value::Member(
        Kind::Phase,
        match phase {
            Phase::Initrd => "initrd",
            Phase::Latched => "latched",
        },
    )
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
