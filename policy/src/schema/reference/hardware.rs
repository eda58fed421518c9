//! Claims of hardware reports.

use super::{RecordText, claim};

pub(super) const SNP: RecordText = RecordText {
    name: "Snp",
    about: "A report that the secure processor signed for this request.",
    claims: &[
        claim("root", "VCEK or VLEK", "Root that the certificate chains to.")
            .absent("reports of the product can be forged (EPYC Milan)"),
        claim("revocation", "CRLs", "How current the revocation data of the chain is."),
        claim("product", "VCEK or VLEK", "Product line."),
        claim("report_version", "report", "Version of the report, 2 to 5."),
        claim("signer", "report", "Kind of the signing key: the chip's (VCEK) or the provider's (VLEK)."),
        claim("csp_id", "VLEK", "Cloud provider that the key was issued to.").absent("the key is the chip's"),
        claim("vek", "VCEK or VLEK", "SHA-256 of the certificate."),
        claim("policy", "report", "Guest policy: what the guest's owner allows the host."),
        claim("vmpl", "report", "Privilege level (VMPL) that requested the report; 0 is the highest."),
        claim(
            "measurement",
            "report",
            "Launch measurement: the firmware and the virtual processors, 96 hex digits.",
        ),
        claim("endorsement", "launch endorsement", "Google's statement on the measurement.")
            .absent("no endorsement names the measurement, or it does not verify"),
        claim("host_data", "report", "Data that the host supplied at launch."),
        claim("family_id", "report", "Family id of the id block."),
        claim("image_id", "report", "Image id of the id block."),
        claim("has_migration_agent", "report", "A migration agent is associated with the guest."),
        claim("id_key_digest", "report", "SHA-384 of the id key."),
        claim("author_key_enabled", "report", "An author key signed the id key."),
        claim("author_key_digest", "report", "SHA-384 of the author key; zeros without one."),
        claim("guest_svn", "report", "Security version of the guest by its id block."),
        claim("current_tcb", "report", "Firmware that is running."),
        claim(
            "reported_tcb",
            "report",
            "Firmware that the signing key is derived from: set minimum versions for this one.",
        ),
        claim("committed_tcb", "report", "Minimum firmware: the host cannot roll back below it."),
        claim("launch_tcb", "report", "Firmware at the guest's launch."),
        claim("current_version", "report", "Version of the running firmware."),
        claim("committed_version", "report", "Minimum version: the host cannot roll back below it."),
        claim("provisional", "report", "The running firmware is not committed yet."),
        claim("platform", "report", "Configuration of the platform."),
        claim("launch_mitigations", "report", "Mitigations at launch, 16 hex digits.")
            .absent("the report is older than version 5"),
        claim("current_mitigations", "report", "Current mitigations, 16 hex digits.")
            .absent("the report is older than version 5"),
        claim("chip_id", "report", "Id of the chip.").absent("the host masks it"),
    ],
};

pub(super) const SNP_POLICY: RecordText = RecordText {
    name: "SnpPolicy",
    about: "The guest policy, SEV-SNP ABI table 9.",
    claims: &[
        claim("abi_major", "report", "Minimum ABI version, major."),
        claim("abi_minor", "report", "Minimum ABI version, minor."),
        claim("smt", "report", "Simultaneous multithreading is allowed."),
        claim("migration_agent", "report", "A migration agent is allowed."),
        claim("debug", "report", "The host may debug the guest."),
        claim("single_socket", "report", "The guest must run on one socket only."),
        claim("cxl_allow", "report", "CXL devices are allowed."),
        claim("mem_aes_256_xts", "report", "AES-256-XTS is required."),
        claim("rapl_dis", "report", "RAPL must be off."),
        claim("ciphertext_hiding", "report", "Ciphertext hiding is required."),
        claim("page_swap_disable", "report", "Swapping of guest pages must be off."),
    ],
};

pub(super) const SNP_PLATFORM: RecordText = RecordText {
    name: "SnpPlatform",
    about: "Configuration of the platform, SEV-SNP ABI table 24.",
    claims: &[
        claim("smt", "report", "Simultaneous multithreading is on."),
        claim("tsme", "report", "Transparent memory encryption is on."),
        claim("ecc", "report", "Memory has ECC."),
        claim("rapl_dis", "report", "RAPL is off."),
        claim("ciphertext_hiding", "report", "Ciphertext hiding is on."),
        claim(
            "alias_check_complete",
            "report",
            "Memory was checked for aliases since the last reset (BadRAM).",
        )
        .absent("the report is of version 2, which has no such field"),
        claim("tio", "report", "SEV-TIO is on."),
    ],
};

pub(super) const TCB: RecordText = RecordText {
    name: "Tcb",
    about: "Security versions of the firmware's components.",
    claims: &[
        claim("fmc", "report", "First mutable code.").absent("the product has none (before Turin)"),
        claim("boot_loader", "report", "Boot loader of the secure processor."),
        claim("tee", "report", "Operating system of the secure processor."),
        claim("snp", "report", "SEV-SNP firmware."),
        claim("microcode", "report", "Microcode."),
    ],
};

pub(super) const VERSION: RecordText = RecordText {
    name: "Version",
    about: "Version of the SEV-SNP firmware.",
    claims: &[
        claim("major", "report", "Major."),
        claim("minor", "report", "Minor."),
        claim("build", "report", "Build."),
    ],
};

pub(super) const ENDORSEMENT: RecordText = RecordText {
    name: "Endorsement",
    about: "Google's signed statement that a measurement belongs to a build of its firmware.",
    claims: &[
        claim("root", "launch endorsement", "Root that its signer chains to."),
        claim(
            "revocation",
            "CRLs",
            "How current the revocation data of the signer is; not-offered where none is published.",
        ),
        claim("digest", "launch endorsement", "SHA-256 of the endorsement."),
        claim("timestamp", "launch endorsement", "When it was signed."),
        claim("svn", "launch endorsement", "Security version of the firmware for this technology."),
        claim("firmware_digest", "launch endorsement", "SHA-384 of the firmware's file."),
        claim("cl_spec", "launch endorsement", "Change number of the build."),
        claim("commit", "launch endorsement", "Commit of the build.").absent("the endorsement has none"),
        claim("vcpus", "launch endorsement", "Number of virtual processors that the measurement is for.")
            .absent("the measurement is a TDX one"),
        claim("ram_gib", "launch endorsement", "GiB of memory that the measurement is for.")
            .absent("the measurement is for any size, or an SEV-SNP one"),
    ],
};

pub(super) const TDX: RecordText = RecordText {
    name: "Tdx",
    about: "A quote that the quoting enclave signed for this request.",
    claims: &[
        claim("root", "PCK certificate", "Root that the certificate chains to."),
        claim("revocation", "CRLs", "How current the revocation data of the chain is."),
        claim("tcb", "Intel's collateral", "Intel's appraisal of the platform.")
            .absent("no collateral is given (inspection only)"),
        claim("quote_version", "quote", "Version of the quote, 4 or 5."),
        claim("fmspc", "PCK certificate", "FMSPC: family and model of the platform."),
        claim("pck_ca", "PCK certificate", "Kind of CA that certified the platform."),
        claim("platform_id", "PCK certificate", "Id of the platform."),
        claim("tee_tcb_svn", "quote", "TEE_TCB_SVN, 32 hex digits."),
        claim("tee_tcb", "quote", "Its components."),
        claim("tee_tcb_svn2", "quote", "TEE_TCB_SVN of the module that runs.")
            .absent("the body is of TDX 1.0"),
        claim("tee_tcb2", "quote", "Its components.").absent("the body is of TDX 1.0"),
        claim("mr_seam", "quote", "Measurement of the TDX module."),
        claim("mr_signer_seam", "quote", "Signer of the TDX module; zeros for Intel."),
        claim("attributes", "quote", "Attributes of the trust domain."),
        claim("xfam", "quote", "Extended features, 16 hex digits."),
        claim("mr_td", "quote", "Measurement of the firmware, 96 hex digits."),
        claim("endorsement", "launch endorsement", "Google's statement on mr_td.")
            .absent("no endorsement names mr_td, or it does not verify"),
        claim("mr_config_id", "quote", "Configuration id given by the host."),
        claim("mr_owner", "quote", "Owner id given by the host."),
        claim("mr_owner_config", "quote", "Owner's configuration given by the host."),
        claim("mr_service_td", "quote", "Service trust domains; always zeros.")
            .absent("the body is of TDX 1.0"),
        claim("rtmrs", "quote", "Raw runtime measurement registers."),
        claim("boot", "CCEL log", "Claims of the CCEL log.")
            .absent("there is no log, or the firmware is neither endorsed nor in a baseline of the policy"),
    ],
};

pub(super) const TDX_TCB: RecordText = RecordText {
    name: "TdxTcb",
    about: "Intel's appraisal, according to the collateral used.",
    claims: &[
        claim("status", "Intel's collateral", "The worst status of platform, module and quoting enclave."),
        claim("platform_status", "Intel's collateral", "Status of platform and module."),
        claim("qe_status", "Intel's collateral", "Status of the quoting enclave."),
        claim("advisory_ids", "Intel's collateral", "Advisories that apply.").absent("none applies"),
        claim(
            "evaluation_data_number",
            "Intel's collateral",
            "TCB evaluation data number; later TCB lists have larger numbers.",
        ),
        claim("tcb_date", "Intel's collateral", "Date of the matching TCB level."),
        claim("collateral_issued", "Intel's collateral", "Issue date of the oldest item."),
        claim("collateral_expires", "Intel's collateral", "When the first item expires (nextUpdate)."),
    ],
};

pub(super) const TEE_TCB: RecordText = RecordText {
    name: "TeeTcb",
    about: "The components of TEE_TCB_SVN that have a defined meaning.",
    claims: &[
        claim("module_major", "quote", "Major version of the TDX module."),
        claim("module_minor", "quote", "Security version of the TDX module."),
        claim("microcode", "quote", "Security version of the microcode update."),
    ],
};

pub(super) const TDX_ATTRIBUTES: RecordText = RecordText {
    name: "TdxAttributes",
    about: "ATTRIBUTES of the trust domain. A quote with debug or migratable, or without sept_ve_disable, is refused.",
    claims: &[
        claim("raw", "quote", "All bits, 16 hex digits."),
        claim("debug", "quote", "The host may debug the trust domain; always false."),
        claim(
            "sept_ve_disable",
            "quote",
            "Page faults that the host causes do not reach the guest; always true.",
        ),
        claim("migratable", "quote", "The trust domain may be migrated; always false."),
        claim("pks", "quote", "Supervisor protection keys."),
        claim("key_locker", "quote", "Key locker."),
        claim("perfmon", "quote", "Performance monitoring."),
    ],
};

pub(super) const RTMRS: RecordText = RecordText {
    name: "Rtmrs",
    about: "Runtime measurement registers, 96 hex digits each.",
    claims: &[
        claim("rtmr0", "quote", "Counterpart of PCR 1 and 7: configuration, Secure Boot."),
        claim("rtmr1", "quote", "Counterpart of PCR 2 to 6: images, partition table."),
        claim("rtmr2", "quote", "Counterpart of PCR 8 to 15: GRUB, kernel, initrd, UKI."),
        claim("rtmr3", "quote", "Extended by user space."),
    ],
};
