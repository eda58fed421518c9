//! Claims of a vTPM, and those that several kinds of evidence share.

use super::{RecordText, claim};

pub(super) const VM: RecordText = RecordText {
    name: "Vm",
    about: "What a VM has proved. If the guest did not send a kind of evidence, all of its claims are absent.",
    claims: &[
        claim("roots", "all evidence", "Roots of all evidence, including launch endorsements.")
            .absent("the only evidence is a report whose root is withheld"),
        claim(
            "technology",
            "report or quote, else vTPM log, else token",
            "What protects the VM's memory. Without a hardware report it is asserted by Google.",
        )
        .absent("no evidence says so: a vTPM alone whose firmware is not Google's"),
        claim("vtpm", "vTPM quote", "The vTPM: whose VM it is and what booted, asserted by Google's host.")
            .absent("the evidence has no vTPM quote"),
        claim("snp", "SEV-SNP report", "AMD SEV-SNP: the processor and the firmware.")
            .absent("the evidence has no SEV-SNP report"),
        claim("tdx", "TDX quote", "Intel TDX: the platform, the firmware, and what it measured.")
            .absent("the evidence has no TDX quote"),
        claim("google_token", "token", "A token of Google Cloud Attestation.")
            .absent("the evidence has no token of Google Cloud Attestation"),
    ],
};

pub(super) const VTPM: RecordText = RecordText {
    name: "Vtpm",
    about: "A quote over PCR 0-9 and 11-15 (SHA-256) under a key that Google certified, with the firmware's log.",
    claims: &[
        claim("root", "AK certificate", "Root that the certificate chains to."),
        claim("revocation", "CRLs", "How current the revocation data of the chain is."),
        claim(
            "ak_algorithm",
            "AK certificate",
            "Kind of the attestation key: rsa-2048, ecc-p256 and the like.",
        ),
        claim("ak_public", "AK certificate", "SHA-256 of the key's SubjectPublicKeyInfo."),
        claim("ak_certificate", "AK certificate", "SHA-256 of the certificate."),
        claim("instance", "AK certificate", "Whose VM it is.")
            .absent("the certificate does not identify a production instance"),
        claim(
            "phase",
            "PCR 15",
            "`initrd`: not extended; `latched`: extended with vouchsafe's latch first; `booted`: anything else.",
        ),
        claim("technology", "PCR 0", "The technology according to the firmware's log.")
            .absent("the firmware is not Google's"),
        claim(
            "pcrs",
            "quote, log",
            "PCR values at the end of the firmware's log, without the extensions by user space.",
        )
        .absent("the quote does not cover all of them (inspection only)"),
        FIRMWARE_VERSION,
        DMA,
        SECURE_BOOT_STATE,
        EFI_APPLICATIONS,
        EFI_DRIVERS,
        COMMAND_LINE,
        ARGUMENTS,
        WORDS,
        GRUB_COMMANDS,
        GRUB_FILES,
        STUB_SECTIONS,
    ],
};

pub(super) const BOOT: RecordText = RecordText {
    name: "Boot",
    about: "Claims of the CCEL log, with SHA-384 digests; registers 1 to 3 are RTMR 0 to 2.",
    claims: &[
        FIRMWARE_VERSION,
        DMA,
        SECURE_BOOT_STATE,
        EFI_APPLICATIONS,
        EFI_DRIVERS,
        COMMAND_LINE,
        ARGUMENTS,
        WORDS,
        GRUB_COMMANDS,
        GRUB_FILES,
        STUB_SECTIONS,
    ],
};

pub(super) const INSTANCE: RecordText = RecordText {
    name: "Instance",
    about: "A GCE instance. Project number and instance id identify it permanently; names can be reused.",
    claims: &[
        claim("zone", "Google", "Zone, such as us-central1-a."),
        claim("project_id", "Google", "Project id."),
        claim("project_number", "Google", "Project number, decimal."),
        claim("instance_id", "Google", "Instance id, decimal."),
        claim("instance_name", "Google", "Name of the instance; another instance may get it later."),
    ],
};

pub(super) const SECURE_BOOT: RecordText = RecordText {
    name: "SecureBoot",
    about: "UEFI Secure Boot as the firmware measured it. Digests are those of the events.",
    claims: &[
        claim(
            "enabled",
            "PCR 7",
            "Secure Boot is on: PK, KEK and db are not empty and the log has an authority.",
        ),
        claim(
            "shim_validation_disabled",
            "PCR 7 and 14",
            "shim was told not to verify what it starts (MokSBState): any kernel may have run even if `enabled` is true.",
        ),
        claim("pk", "PCR 7", "Platform key.").absent("the variable is empty"),
        claim("kek", "PCR 7", "Key exchange keys.").absent("the variable is empty"),
        claim("db", "PCR 7", "Allowed signers and images.").absent("the variable is empty"),
        claim("dbx", "PCR 7", "Forbidden signers and images.").absent("the variable is empty"),
        claim("authorities", "PCR 7", "Entries of db or MOK that verified the images.")
            .absent("no image was verified: Secure Boot is off"),
    ],
};

pub(super) const PCRS: RecordText = RecordText {
    name: "Pcrs",
    about: "PCR values of the SHA-256 bank, 64 hex digits each.",
    claims: &[
        claim("pcr0", "quote", "Firmware version, technology."),
        claim("pcr1", "quote", "Firmware configuration: ACPI, boot entries, SMBIOS."),
        claim("pcr2", "quote", "EFI drivers; on some TDX firmware a UKI."),
        claim("pcr3", "quote", "Configuration of drivers."),
        claim("pcr4", "quote", "Images of boot loader and kernel."),
        claim("pcr5", "quote", "Partition table, end of the firmware."),
        claim("pcr6", "quote", "Defined by the vendor."),
        claim("pcr7", "quote", "Secure Boot."),
        claim("pcr8", "quote", "Commands of GRUB and the command line."),
        claim("pcr9", "quote", "Files that GRUB read, initrd and options of the kernel's EFI stub."),
        claim("pcr11", "quote", "Sections of a UKI."),
        claim("pcr12", "quote", "Options and credentials that accompany a UKI."),
        claim("pcr13", "quote", "System extensions that accompany a UKI."),
        claim("pcr14", "quote", "shim's lists of machine owner keys."),
    ],
};

pub(super) const CONTEXT: RecordText = RecordText {
    name: "ReleaseContext",
    about: "The request and the time.",
    claims: &[
        claim("now", "broker", "The broker's time."),
        claim("suite", "request", "Cipher suite of the guest's key."),
        claim("protocol", "request", "Protocol of the request."),
        claim("purpose", "keystore", "Purpose of the secret."),
        claim(
            "baseline_version",
            "keystore",
            "Lowest security version among the policy's baselines of which the VM is a member.",
        )
        .absent("the VM is not a member of any of them"),
    ],
};

const FIRMWARE_VERSION: super::ClaimText =
    claim("firmware_version", "PCR 0, RTMR 0", "Version that the firmware reports of itself.")
        .absent("the version is not text");
const DMA: super::ClaimText =
    claim("dma_protection_disabled", "PCR 7, RTMR 0", "The firmware reports that it has no DMA protection.");
const SECURE_BOOT_STATE: super::ClaimText = claim("secure_boot", "PCR 7, RTMR 0", "UEFI Secure Boot.");
const EFI_APPLICATIONS: super::ClaimText = claim(
    "efi_applications",
    "PCR 2 and 4, RTMR 1",
    "Authenticode digests of everything that was loaded: shim, GRUB, UKI, kernel; also drivers, because event types are not measured.",
)
.absent("nothing was loaded");
const EFI_DRIVERS: super::ClaimText =
    claim("efi_drivers", "PCR 2, RTMR 1", "Authenticode digests of EFI drivers.").absent("none was loaded");
const COMMAND_LINE: super::ClaimText = claim(
    "command_line",
    "PCR 8 (GRUB), PCR 11 or 12 (systemd), RTMR 2",
    "The kernel's command line; if GRUB measured it, the first word is the kernel's path.",
)
.absent("no digest in the log covers the text, or the text is ambiguous");
const ARGUMENTS: super::ClaimText =
    claim("arguments", "command_line", "The command line, split as the kernel splits it.")
        .absent("command_line is absent");
const WORDS: super::ClaimText =
    claim("words", "command_line", "The command line, split at every space, as shell scripts read it.")
        .absent("command_line is absent");
const GRUB_COMMANDS: super::ClaimText =
    claim("grub_commands", "PCR 8, RTMR 2", "Commands that GRUB ran.").absent("GRUB did not run");
const GRUB_FILES: super::ClaimText = claim(
    "grub_files",
    "PCR 9, RTMR 2",
    "Digests of the files that GRUB read and of the data that the kernel's EFI stub loaded. File names are not measured.",
)
.absent("PCR 9 has no events");
const STUB_SECTIONS: super::ClaimText =
    claim("stub_sections", "PCR 11, RTMR 2", "Sections of a unified kernel image, each as NAME=DIGEST.")
        .absent("no unified kernel image was booted, or an image ran in a boot option that returned");
