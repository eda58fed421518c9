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
        claim("signer", "report", "Kind of the key that signed: of the chip or of the provider."),
        claim("csp_id", "VLEK", "Provider that the key was made for.").absent("the key is the chip's"),
        claim("vek", "VCEK or VLEK", "SHA-256 of the certificate."),
        claim("policy", "report", "What the guest's owner allows the host."),
        claim("vmpl", "report", "Privilege level that asked for the report; 0 is the highest."),
        claim(
            "measurement",
            "report",
            "Launch measurement: the firmware and the virtual processors, 96 hex digits.",
        ),
        claim("endorsement", "launch endorsement", "Google's statement on the measurement.")
            .absent("no endorsement names the measurement, or it does not verify"),
        claim("host_data", "report", "What the host gave at launch."),
        claim("family_id", "report", "Family id of the id block."),
        claim("image_id", "report", "Image id of the id block."),
        claim("has_migration_agent", "report", "A migration agent is associated with the guest."),
        claim("id_key_digest", "report", "SHA-384 of the id key."),
        claim("author_key_enabled", "report", "An author key signed the id key."),
        claim("author_key_digest", "report", "SHA-384 of the author key; zeros without one."),
        claim("guest_svn", "report", "Security version of the guest by its id block."),
        claim("current_tcb", "report", "Firmware that runs."),
        claim(
            "reported_tcb",
            "report",
            "Firmware that the signing key stands for: the one to have floors for.",
        ),
        claim("committed_tcb", "report", "Firmware that cannot be rolled back below."),
        claim("launch_tcb", "report", "Firmware at the guest's launch."),
        claim("current_version", "report", "Version of the firmware that runs."),
        claim("committed_version", "report", "Version that cannot be rolled back below."),
        claim("provisional", "report", "The firmware that runs is not committed yet."),
        claim("platform", "report", "Configuration of the platform."),
        claim("launch_mitigations", "report", "Mitigations at launch, 16 hex digits.")
            .absent("the report is older than version 5"),
        claim("current_mitigations", "report", "Mitigations now, 16 hex digits.")
            .absent("the report is older than version 5"),
        claim("chip_id", "report", "Id of the chip.").absent("the host masks it"),
    ],
};

pub(super) const SNP_POLICY: RecordText = RecordText {
    name: "SnpPolicy",
    about: "The guest policy, SEV-SNP ABI table 9.",
    claims: &[
        claim("abi_major", "report", "Least ABI version, major."),
        claim("abi_minor", "report", "Least ABI version, minor."),
        claim("smt", "report", "Simultaneous multithreading is allowed."),
        claim("migration_agent", "report", "A migration agent is allowed."),
        claim("debug", "report", "The host may debug the guest."),
        claim("single_socket", "report", "The guest runs on one socket only."),
        claim("cxl_allow", "report", "CXL devices are allowed."),
        claim("mem_aes_256_xts", "report", "AES-256-XTS is required."),
        claim("rapl_dis", "report", "RAPL must be off."),
        claim("ciphertext_hiding", "report", "Ciphertext hiding is required."),
        claim("page_swap_disable", "report", "Swapping of guest pages is off."),
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
        .absent("the report is of version 2, which cannot say so"),
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
    about: "Google's signed statement on which build of its firmware a measurement is.",
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
        claim("fmspc", "PCK certificate", "Family of the platform."),
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
        claim("boot", "CCEL log", "What the log of the RTMRs says.")
            .absent("there is no log, or the firmware is neither endorsed nor in a baseline of the policy"),
    ],
};

pub(super) const TDX_TCB: RecordText = RecordText {
    name: "TdxTcb",
    about: "Intel's appraisal by the collateral of its time.",
    claims: &[
        claim("status", "Intel's collateral", "The worst of platform, module and quoting enclave."),
        claim("platform_status", "Intel's collateral", "Status of platform and module."),
        claim("qe_status", "Intel's collateral", "Status of the quoting enclave."),
        claim("advisory_ids", "Intel's collateral", "Advisories that apply.").absent("none applies"),
        claim(
            "evaluation_data_number",
            "Intel's collateral",
            "Number of the list; later lists have larger ones.",
        ),
        claim("tcb_date", "Intel's collateral", "Date of the matching TCB level."),
        claim("collateral_issued", "Intel's collateral", "Issue date of the oldest item."),
        claim("collateral_expires", "Intel's collateral", "When the first item is to be renewed."),
    ],
};

pub(super) const TEE_TCB: RecordText = RecordText {
    name: "TeeTcb",
    about: "The components of TEE_TCB_SVN that have a meaning.",
    claims: &[
        claim("module_major", "quote", "Major version of the TDX module."),
        claim("module_minor", "quote", "Its security version."),
        claim("microcode", "quote", "Last microcode update."),
    ],
};

pub(super) const TDX_ATTRIBUTES: RecordText = RecordText {
    name: "TdxAttributes",
    about: "ATTRIBUTES of the trust domain. A quote with debug or migratable, or without sept_ve_disable, is refused.",
    claims: &[
        claim("raw", "quote", "All of it, 16 hex digits."),
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
        claim("rtmr0", "quote", "What PCR 1 and 7 have: configuration, Secure Boot."),
        claim("rtmr1", "quote", "What PCR 2 to 6 have: images, partition table."),
        claim("rtmr2", "quote", "What PCR 8 to 15 have: GRUB, kernel, initrd, UKI."),
        claim("rtmr3", "quote", "What user space extends."),
    ],
};
