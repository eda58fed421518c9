//! Claims of a vTPM, and those that several kinds of evidence share.

use super::{RecordText, claim};

pub(super) const VM: RecordText = RecordText {
    name: "Vm",
    about: "What a VM has proved. A kind of evidence that the guest did not send is absent as a whole.",
    claims: &[
        claim("roots", "all evidence", "Roots of all evidence, launch endorsements included.")
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
            "`initrd`: not extended; `latched`: by our latch first; `booted`: by something else.",
        ),
        claim("technology", "PCR 0", "The technology by the firmware's log.")
            .absent("the firmware is not Google's"),
        claim(
            "pcrs",
            "quote, log",
            "PCR values at the end of the firmware's log, without what user space extended.",
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
    about: "What the CCEL log says, digests SHA-384: register 1 to 3 are RTMR 0 to 2.",
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
    about: "A GCE instance. Project number and instance id name it for good; names may be given again.",
    claims: &[
        claim("zone", "Google", "Zone, such as us-central1-a."),
        claim("project_id", "Google", "Project id."),
        claim("project_number", "Google", "Project number, decimal."),
        claim("instance_id", "Google", "Instance id, decimal."),
        claim("instance_name", "Google", "Name of the instance: another one may get it later."),
    ],
};

pub(super) const SECURE_BOOT: RecordText = RecordText {
    name: "SecureBoot",
    about: "UEFI Secure Boot by the firmware. Digests are those of the events.",
    claims: &[
        claim(
            "enabled",
            "PCR 7",
            "Secure Boot is on: PK, KEK and db have content and an authority is logged.",
        ),
        claim(
            "shim_validation_disabled",
            "PCR 7 and 14",
            "shim was told not to verify what it starts (MokSBState): any kernel may have run although enabled is true.",
        ),
        claim("pk", "PCR 7", "Platform key.").absent("the variable is empty"),
        claim("kek", "PCR 7", "Key exchange keys.").absent("the variable is empty"),
        claim("db", "PCR 7", "Allowed signers and images.").absent("the variable is empty"),
        claim("dbx", "PCR 7", "Forbidden signers and images.").absent("the variable is empty"),
        claim("authorities", "PCR 7", "What let images pass.")
            .absent("nothing was verified: Secure Boot is off"),
    ],
};

pub(super) const PCRS: RecordText = RecordText {
    name: "Pcrs",
    about: "PCR values of the SHA-256 bank, 64 hex digits each.",
    claims: &[
        claim("pcr0", "quote", "Version of the firmware, technology."),
        claim("pcr1", "quote", "Configuration of the firmware: ACPI, boot entries, SMBIOS."),
        claim("pcr2", "quote", "EFI drivers; a UKI on some firmware of TDX VMs."),
        claim("pcr3", "quote", "Configuration of drivers."),
        claim("pcr4", "quote", "Images of boot loader and kernel."),
        claim("pcr5", "quote", "Partition table, end of the firmware."),
        claim("pcr6", "quote", "The vendor's."),
        claim("pcr7", "quote", "Secure Boot."),
        claim("pcr8", "quote", "Commands of GRUB and the command line."),
        claim("pcr9", "quote", "Files that GRUB read, initrd and options of the kernel's EFI stub."),
        claim("pcr11", "quote", "Sections of a UKI."),
        claim("pcr12", "quote", "Options and credentials from beside a UKI."),
        claim("pcr13", "quote", "System extensions from beside a UKI."),
        claim("pcr14", "quote", "shim's lists of machine owner keys."),
    ],
};

pub(super) const CONTEXT: RecordText = RecordText {
    name: "ReleaseContext",
    about: "The request and the time.",
    claims: &[
        claim("now", "broker", "The broker's time."),
        claim("suite", "request", "Suite of the guest's key."),
        claim("protocol", "request", "How the request came."),
        claim("purpose", "keystore", "What the secret is for."),
        claim(
            "baseline_version",
            "keystore",
            "Lowest security version of the policy's baselines that have the VM as a member.",
        )
        .absent("the VM is a member of none of them"),
    ],
};

const FIRMWARE_VERSION: super::ClaimText =
    claim("firmware_version", "PCR 0, RTMR 0", "Version that the firmware measures of itself.")
        .absent("the version is not a text");
const DMA: super::ClaimText = claim(
    "dma_protection_disabled",
    "PCR 7, RTMR 0",
    "The firmware says that it does not protect itself from DMA.",
);
const SECURE_BOOT_STATE: super::ClaimText = claim("secure_boot", "PCR 7, RTMR 0", "UEFI Secure Boot.");
const EFI_APPLICATIONS: super::ClaimText = claim(
    "efi_applications",
    "PCR 2 and 4, RTMR 1",
    "Authenticode digests of all that was loaded: shim, GRUB, UKI, kernel, and drivers, since types are not measured.",
)
.absent("nothing was loaded");
const EFI_DRIVERS: super::ClaimText =
    claim("efi_drivers", "PCR 2, RTMR 1", "Authenticode digests of EFI drivers.").absent("none was loaded");
const COMMAND_LINE: super::ClaimText = claim(
    "command_line",
    "PCR 8 (GRUB), PCR 11 or 12 (systemd), RTMR 2",
    "The kernel's command line; from GRUB with the kernel's path as first word.",
)
.absent("the log has no text that a digest covers, or the text could be read in two ways");
const ARGUMENTS: super::ClaimText =
    claim("arguments", "command_line", "The command line split as the kernel does it.")
        .absent("command_line is absent");
const WORDS: super::ClaimText =
    claim("words", "command_line", "The command line split at every space, as shell scripts read it.")
        .absent("command_line is absent");
const GRUB_COMMANDS: super::ClaimText =
    claim("grub_commands", "PCR 8, RTMR 2", "Commands that GRUB ran.").absent("GRUB did not run");
const GRUB_FILES: super::ClaimText = claim(
    "grub_files",
    "PCR 9, RTMR 2",
    "Digests of files that GRUB read, and of what the kernel's EFI stub loaded. Which is which is not measured.",
)
.absent("PCR 9 has no events");
const STUB_SECTIONS: super::ClaimText =
    claim("stub_sections", "PCR 11, RTMR 2", "Sections of a unified kernel image, each as NAME=DIGEST.")
        .absent("no unified kernel image was booted, or an image ran in a boot option that returned");
