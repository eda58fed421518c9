//! Boots on GCE with the events of real logs: Ubuntu 24.04 with shim and GRUB, and a UKI on TDX firmware.

use vouchsafe_protocol::Digest32;

use super::Bank;
use super::BuiltEvent;
use super::EventLogBuilder;
use super::texts;
use super::utf16;
use super::variable_data;
use crate::event_log::EventType as T;
use crate::technology::Technology;

/// 8be4df61-93ca-11d2-aa0d-00e098032b8c
pub const EFI_GLOBAL_VARIABLE: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// d719b2cb-3d3a-4596-a3bc-dad00e67656f
pub const EFI_IMAGE_SECURITY_DATABASE: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];
/// 605dab50-e046-4300-abb6-3dd810dd8b23
pub const SHIM_LOCK: [u8; 16] =
    [0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23];

/// The kernel that the Ubuntu preset loads.
pub const UBUNTU_KERNEL: &str = "/vmlinuz-6.8.0-1010-gcp";
/// The arguments that the Ubuntu preset passes.
pub const UBUNTU_ARGUMENTS: &str =
    "root=PARTUUID=8270f3c9-b4e4-4345-80ee-5a62db7ebf3f ro console=ttyS0,115200 panic=-1";
/// The command line in the UKI preset.
pub const UKI_COMMAND_LINE: &str = "console=ttyS0 ro panic=-1 rd.shell=0 rd.emergency=reboot";
/// Size of the dbx event's value: that of a GCE VM in 2024.
const DBX_SIZE: usize = 17836;

impl EventLogBuilder {
    /// Ubuntu 24.04 on GCE: shim, GRUB, kernel and initrd; Secure Boot on. About 45 kB.
    #[must_use]
    pub fn gce_ubuntu(technology: Technology) -> Self {
        let mut log = Self::gce_firmware(technology);
        log.extend([gpt(5)]);
        log.extend([authority(EFI_IMAGE_SECURITY_DATABASE, "db", &filler("microsoft uefi ca", 1572))]);
        log.extend([application(4, "shim", r"\EFI\ubuntu\shimx64.efi")]);
        log.extend(["MokList", "MokListX"].map(mok));
        log.extend([authority(SHIM_LOCK, "SbatLevel", b"sbat,1,2021030218\n")]);
        log.extend([mok("MokListTrusted")]);
        log.extend([authority(SHIM_LOCK, "Shim", &filler("canonical ca", 1080))]);
        log.extend([application(4, "grub", r"\EFI\ubuntu\grubx64.efi")]);
        log.extend(grub_events());
        log.extend([
            BuiltEvent::tagged(0x8f3b_22ed, "LOADED_IMAGE::LoadOptions", &load_options(UBUNTU_ARGUMENTS)),
            BuiltEvent::tagged(0x8f3b_22ec, "Linux initrd", &content("initrd")),
        ]);
        log.leave_firmware()
    }

    /// A UKI on GCE's TDX-capable firmware, which measures it into PCR 2; Secure Boot off, as in the captured log.
    #[must_use]
    pub fn gce_uki(technology: Technology) -> Self {
        let mut log = Self::gce_firmware(technology);
        log.extend([gpt(2), application(2, "uki", r"\EFI\BOOT\BOOTX64.EFI")]);
        for (name, content) in [
            (".linux", content("kernel")),
            (".osrel", b"ID=ubuntu\nVERSION_ID=24.04\n".to_vec()),
            (".cmdline", UKI_COMMAND_LINE.as_bytes().to_vec()),
            (".initrd", content("initrd")),
            (".uname", b"6.8.0-1010-gcp".to_vec()),
            (".sbat", b"sbat,1,SBAT Version,sbat,1\n".to_vec()),
        ] {
            log.extend(BuiltEvent::stub_section(name, &content));
        }
        log.extend([
            application(2, "kernel", "kernel"),
            BuiltEvent::tagged(0x8f3b_22ed, "LOADED_IMAGE::LoadOptions", &utf16(UKI_COMMAND_LINE)),
            BuiltEvent::tagged(0x8f3b_22ec, "Linux initrd", &content("initrd")),
        ]);
        log.leave_firmware().with_secure_boot(false)
    }

    /// Secure Boot on or off. Off means, as on a real machine, that no authority of firmware or shim is
    /// logged.
    #[must_use]
    pub fn with_secure_boot(mut self, on: bool) -> Self {
        self.variable_mut("SecureBoot").set(variable_data(
            EFI_GLOBAL_VARIABLE,
            "SecureBoot",
            &[u8::from(on)],
        ));
        let keeps = |event: &BuiltEvent| {
            on || event.event_type != T::EFI_VARIABLE_AUTHORITY
                || contains(&event.data, utf16("SbatLevel").strip_suffix(&[0, 0]).unwrap_or_default())
        };
        self.events.retain(keeps);
        self
    }

    /// Other kernel arguments in the Ubuntu preset: in command, command line and load options.
    #[must_use]
    pub fn with_kernel_arguments(mut self, arguments: &str) -> Self {
        let line = format!("{UBUNTU_KERNEL} {arguments}");
        *self.event_with("grub_cmd: linux ") = BuiltEvent::grub("grub_cmd: ", &format!("linux {line}"));
        *self.event_with("kernel_cmdline: ") = BuiltEvent::grub("kernel_cmdline: ", &line);
        let position = self.position_of(9, T::EVENT_TAG);
        if let Some(event) = self.events.get_mut(position) {
            event.measured = Some(load_options(arguments));
        }
        self
    }

    /// In the UKI preset: the log carries the content of `.cmdline`, not only its digest.
    #[must_use]
    pub fn with_stub_command_line_text(mut self) -> Self {
        let text = UKI_COMMAND_LINE.as_bytes();
        let position = self.position(|event| event.pcr == 11 && event.measured.as_deref() == Some(text));
        if let Some(event) = self.events.get_mut(position) {
            event.data = text.to_vec();
        }
        self
    }

    /// Everything before the separators.
    fn gce_firmware(technology: Technology) -> Self {
        let mut log = Self::new(vec![Bank::Sha1, Bank::Sha256, Bank::Sha384]);
        log.extend([
            BuiltEvent::covered(0, T::S_CRTM_VERSION, utf16("GCE Virtual Firmware v2")),
            BuiltEvent::covered(0, T::NONHOST_INFO, non_host_info(technology.byte())),
            secure_boot_variable(EFI_GLOBAL_VARIABLE, "SecureBoot", &[1]),
            secure_boot_variable(EFI_GLOBAL_VARIABLE, "PK", &filler("pk", 806)),
            secure_boot_variable(EFI_GLOBAL_VARIABLE, "KEK", &filler("kek", 1560)),
            secure_boot_variable(EFI_IMAGE_SECURITY_DATABASE, "db", &filler("db", 3143)),
            secure_boot_variable(EFI_IMAGE_SECURITY_DATABASE, "dbx", &filler("dbx", DBX_SIZE)),
            BuiltEvent::separator(7),
        ]);
        let tables = ["loader", "rsdp", "tables"];
        log.extend(
            tables.map(|name| BuiltEvent::measuring(1, T::PLATFORM_CONFIG_FLAGS, content(name), "ACPI DATA")),
        );
        log.extend(
            [("BootOrder", 6), ("Boot0002", 152), ("Boot0001", 96), ("Boot0000", 62)].map(boot_variable),
        );
        log.extend([BuiltEvent::action(4, "Calling EFI Application from Boot Option")]);
        log.extend((0..7).map(BuiltEvent::separator));
        log
    }

    fn leave_firmware(mut self) -> Self {
        self.extend([
            BuiltEvent::action(5, "Exit Boot Services Invocation"),
            BuiltEvent::action(5, "Exit Boot Services Returned with Success"),
        ]);
        self
    }

    fn extend(&mut self, events: impl IntoIterator<Item = BuiltEvent>) {
        self.events.extend(events);
    }
}

/// Data of `GCE NonHostInfo`.
#[must_use]
pub fn non_host_info(technology: u8) -> Vec<u8> {
    let mut data = b"GCE NonHostInfo\0".to_vec();
    data.push(technology);
    data.extend([0; 15]);
    data
}

/// Made-up content of a component; its SHA-256 is the digest in the presets.
#[must_use]
pub fn content(name: &str) -> Vec<u8> {
    format!("vouchsafe test content: {name}").into_bytes()
}

/// SHA-256 of [`content`].
#[must_use]
pub fn content_digest(name: &str) -> Digest32 {
    Digest32::of(&content(name))
}

/// An EFI application whose (made-up) Authenticode digest is [`content_digest`] of its name.
#[must_use]
pub fn application(pcr: u32, name: &str, path: &str) -> BuiltEvent {
    let path = utf16(path);
    let node = u16::try_from(path.len() + 4).unwrap_or_default();
    let mut data = vec![0; 24]; // EFI_IMAGE_LOAD_EVENT: location, size, link-time address
    data.extend(u64::from(node + 4).to_le_bytes());
    data.extend([4, 4]); // device path: media, file path
    data.extend(node.to_le_bytes());
    data.extend(path);
    data.extend([0x7f, 0xff, 4, 0]); // end of the device path
    BuiltEvent::measuring(pcr, T::EFI_BOOT_SERVICES_APPLICATION, content(name), data)
}

/// An authority event of PCR 7.
#[must_use]
pub fn authority(vendor: [u8; 16], name: &str, value: &[u8]) -> BuiltEvent {
    BuiltEvent::variable(7, T::EFI_VARIABLE_AUTHORITY, vendor, name, value)
}

fn secure_boot_variable(vendor: [u8; 16], name: &str, value: &[u8]) -> BuiltEvent {
    BuiltEvent::variable(7, T::EFI_VARIABLE_DRIVER_CONFIG, vendor, name, value)
}

fn boot_variable((name, size): (&str, usize)) -> BuiltEvent {
    let value = filler(name, size);
    let data = variable_data(EFI_GLOBAL_VARIABLE, name, &value);
    BuiltEvent::measuring(1, T::EFI_VARIABLE_BOOT, value, data)
}

fn gpt(pcr: u32) -> BuiltEvent {
    BuiltEvent::covered(pcr, T::EFI_GPT_EVENT, [b"EFI PART\0\0\x01\0".to_vec(), filler("gpt", 600)].concat())
}

pub(super) fn mok(name: &str) -> BuiltEvent {
    BuiltEvent::measuring(14, T::IPL, content(name), format!("{name}\0"))
}

fn grub_events() -> Vec<BuiltEvent> {
    let line = format!("{UBUNTU_KERNEL} {UBUNTU_ARGUMENTS}");
    let mut events = vec![BuiltEvent::file("(hd0,gpt15)/EFI/ubuntu/grub.cfg", &content("esp grub.cfg"))];
    events.extend(texts::GRUB_SETUP.iter().map(|text| BuiltEvent::grub("grub_cmd: ", text)));
    events.extend(texts::GRUB_FILES.iter().map(|name| BuiltEvent::file(name, &content(name))));
    events.extend(texts::GRUB_COMMANDS.iter().map(|text| BuiltEvent::grub("grub_cmd: ", text)));
    events.extend([
        BuiltEvent::grub("grub_cmd: ", &texts::menu(&line)),
        BuiltEvent::grub("grub_cmd: ", &format!("linux {line}")),
        BuiltEvent::file(UBUNTU_KERNEL, &content("kernel")),
        BuiltEvent::grub("kernel_cmdline: ", &line),
        BuiltEvent::grub("grub_cmd: ", "initrd /initrd.img-6.8.0-1010-gcp"),
        BuiltEvent::file("/initrd.img-6.8.0-1010-gcp", &content("initrd")),
        application(4, "kernel", UBUNTU_KERNEL),
    ]);
    events
}

fn load_options(arguments: &str) -> Vec<u8> {
    let text = format!("BOOT_IMAGE={UBUNTU_KERNEL} {arguments}");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn filler(name: &str, size: usize) -> Vec<u8> {
    content(name).into_iter().cycle().take(size).collect()
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}
