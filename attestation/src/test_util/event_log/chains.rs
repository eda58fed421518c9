//! Boot chains of distributions, in addition to those of the presets: what each component measures, in order.

use super::BuiltEvent;
use super::EventLogBuilder;
use super::presets::application;
use super::presets::content;
use super::presets::mok;
use super::utf16;
use crate::event_log::EventType as T;
use crate::technology::Technology;

/// The command line of a Type 1 entry.
pub const ENTRY_OPTIONS: &str = "root=LABEL=root ro console=ttyS0 panic=-1";

impl EventLogBuilder {
    /// Every simulated chain with its name, those of the presets first.
    #[must_use]
    pub fn all_chains(technology: Technology) -> Vec<(&'static str, Self)> {
        vec![
            ("shim, GRUB, kernel, initrd", Self::gce_ubuntu(technology)),
            ("UKI in PCR 2", Self::gce_uki(technology)),
            (
                "UKI in PCR 2, the log carries its command line",
                Self::gce_uki(technology).with_stub_command_line_text(),
            ),
            ("shim, GRUB, kernel without initrd", Self::gce_ubuntu(technology).without_initrd()),
            ("shim, GRUB of RHEL 8", Self::rhel_8(technology)),
            ("shim, GRUB of RHEL 9, kernel measured twice", Self::rhel_9(technology)),
            ("shim, GRUB, second entry", Self::gce_ubuntu(technology).with_failed_entry()),
            ("shim, UKI", Self::unified(technology, &["shim", "uki", "kernel"])),
            ("UKI in PCR 4, inner kernel not measured", Self::unified(technology, &["uki"])),
            ("systemd-boot, UKI", Self::unified(technology, &["systemd-boot", "uki", "kernel"])),
            ("shim, systemd-boot, UKI", Self::unified(technology, &["shim", "systemd-boot", "uki"])),
            (
                "shim, GRUB, UKI",
                Self::unified(technology, &["shim", "grub", "uki", "kernel"]).with_chain_loading_grub(),
            ),
            (
                "UKI with options and an add-on",
                Self::unified(technology, &["uki"]).with_options(&["debug", "quiet"]),
            ),
            (
                "failed first boot option, shim, UKI",
                Self::unified(technology, &["shim", "uki"]).with_failed_option(),
            ),
            (
                "shim, UKI, initrd composed by the stub",
                Self::unified(technology, &["shim", "uki"]).with_composed_initrd("composed"),
            ),
            (
                "systemd-boot, UKI, initrd composed by the stub",
                Self::unified(technology, &["systemd-boot", "uki"]).with_composed_initrd("composed"),
            ),
            ("systemd-boot, Type 1 entry", Self::type_1(technology, &["systemd-boot", "kernel"])),
            (
                "shim, systemd-boot, Type 1 entry",
                Self::type_1(technology, &["shim", "systemd-boot", "kernel"]),
            ),
        ]
    }

    /// A chain of images in PCR 4 that ends with a UKI, whose kernel newer stubs load without the firmware.
    #[must_use]
    pub fn unified(technology: Technology, images: &[&str]) -> Self {
        let mut log = Self::gce_uki(technology);
        log.events.retain(|event| event.event_type != T::EFI_BOOT_SERVICES_APPLICATION);
        if images.first() == Some(&"shim") {
            let lists = ["MokList", "MokListX", "MokListTrusted"].map(mok);
            let at = log.position(|event| event.pcr == 11);
            log.events.splice(at..at, lists);
        }
        let (first, inner): (Vec<&&str>, Vec<&&str>) = images.iter().partition(|name| **name != "kernel");
        for name in first {
            log.insert_before(|event| event.pcr == 11, application(4, name, name));
        }
        for name in inner {
            log.insert_before(|event| event.pcr == 9, application(4, name, name));
        }
        log
    }

    /// systemd-boot starts a kernel with the options of a Type 1 entry.
    #[must_use]
    pub fn type_1(technology: Technology, images: &[&str]) -> Self {
        let (kernel, loaders) = images.split_last().unzip();
        let mut log = Self::unified(technology, loaders.unwrap_or_default());
        log.events.retain(|event| !matches!(event.pcr, 9 | 11));
        let tag = [&0xf5bc_582a_u32.to_le_bytes()[..], &24_u32.to_le_bytes(), &utf16("loader.conf")].concat();
        log.insert_before_exit(BuiltEvent::measuring(5, T::EVENT_TAG, content("loader.conf"), tag));
        if let Some(name) = kernel {
            log.insert_before_exit(application(4, name, name));
        }
        log.with_options(&[ENTRY_OPTIONS]).with_kernel_events(ENTRY_OPTIONS)
    }

    /// In a chain with a UKI: systemd-stub passes the kernel an initrd composed of `.initrd` and further
    /// files.
    #[must_use]
    pub fn with_composed_initrd(mut self, name: &str) -> Self {
        let position = self.position(|event| event.pcr == 9 && event.measured == Some(content("initrd")));
        if let Some(event) = self.events.get_mut(position) {
            event.measured = Some(content(name));
        }
        self
    }

    /// What Linux itself measures: its options and the initrd.
    fn with_kernel_events(mut self, options: &str) -> Self {
        self.insert_before_exit(BuiltEvent::tagged(
            0x8f3b_22ed,
            "LOADED_IMAGE::LoadOptions",
            &utf16(options),
        ));
        self.insert_before_exit(BuiltEvent::tagged(0x8f3b_22ec, "Linux initrd", &content("initrd")));
        self
    }

    /// Options in PCR 12, measured before the kernel starts.
    #[must_use]
    pub fn with_options(mut self, options: &[&str]) -> Self {
        let kernel = |event: &BuiltEvent| event.pcr == 9 && event.event_type == T::EVENT_TAG;
        let exit = self.position(|event| event.data == b"Exit Boot Services Invocation");
        let at = self.events.iter().position(kernel).unwrap_or(exit);
        self.events.splice(at..at, options.iter().map(|text| BuiltEvent::covered(12, T::IPL, utf16(text))));
        self
    }

    /// The Ubuntu preset without an initrd, as Ubuntu's GCE images boot.
    #[must_use]
    pub fn without_initrd(mut self) -> Self {
        self.events.retain(|event| {
            let initrd = content("initrd");
            event.measured.as_ref() != Some(&initrd) && !event.data.starts_with(b"grub_cmd: initrd ")
        });
        self
    }

    /// The first boot option cannot be started (a detached disk, a stale entry); no code of it runs.
    #[must_use]
    pub fn with_failed_option(mut self) -> Self {
        let first = |event: &BuiltEvent| event.event_type == T::EFI_BOOT_SERVICES_APPLICATION;
        self.insert_before(first, BuiltEvent::action(4, "Returning from EFI Application from Boot Option"));
        self.insert_before(first, BuiltEvent::action(4, "Calling EFI Application from Boot Option"));
        self
    }

    /// GRUB's first entry loads a kernel that does not start, the second one the usual kernel.
    #[must_use]
    pub fn with_failed_entry(mut self) -> Self {
        for event in [
            BuiltEvent::grub("grub_cmd: ", "linux /vmlinuz-broken ro"),
            BuiltEvent::file("/vmlinuz-broken", &content("broken kernel")),
            BuiltEvent::grub("kernel_cmdline: ", "/vmlinuz-broken ro"),
            BuiltEvent::grub("grub_cmd: ", "initrd /initrd-broken"),
            BuiltEvent::file("/initrd-broken", &content("broken initrd")),
            BuiltEvent::grub("grub_cmd: ", "setparams Fallback"),
        ] {
            self.insert_before(|event| event.data.starts_with(b"grub_cmd: linux /vmlinuz-6"), event);
        }
        self
    }

    /// GRUB starts the UKI of the log.
    fn with_chain_loading_grub(mut self) -> Self {
        let uki = content("uki");
        let is_uki = |event: &BuiltEvent| event.measured.as_ref() == Some(&uki);
        for event in [
            BuiltEvent::file("(hd0,gpt1)/EFI/debian/grub.cfg", &content("grub.cfg")),
            BuiltEvent::grub("grub_cmd: ", "set timeout=0"),
            BuiltEvent::grub("grub_cmd: ", "chainloader /EFI/Linux/uki.efi"),
        ] {
            self.insert_before(is_uki, event);
        }
        self
    }

    /// RHEL 9 and CentOS Stream 9: entries of the Boot Loader Specification; shim and GRUB both measure the kernel.
    #[must_use]
    pub fn rhel_9(technology: Technology) -> Self {
        let mut log = Self::gce_ubuntu(technology).into_bls();
        let kernel =
            log.position(|event| event.measured.as_ref() == Some(&content("kernel")) && event.pcr == 4);
        let again = log.events.get(kernel).cloned();
        if let Some(event) = again {
            log.events.insert(kernel, event);
        }
        log
    }

    /// RHEL 8: older labels, digests including the NUL, and only kernel and initrd among the files, under
    /// fixed names.
    #[must_use]
    pub fn rhel_8(technology: Technology) -> Self {
        let mut log = Self::gce_ubuntu(technology).into_bls();
        log.events.retain(|event| {
            event.pcr != 9
                || [content("kernel"), content("initrd")]
                    .contains(event.measured.as_ref().unwrap_or(&Vec::new()))
        });
        log.events.retain(|event| event.event_type != T::EVENT_TAG || event.pcr != 9);
        for event in log.events.iter_mut().filter(|event| event.pcr == 8) {
            let text = event.measured.clone().unwrap_or_default();
            let label: &[u8] = if event.data.starts_with(b"kernel_cmdline: ") {
                b"grub_kernel_cmdline "
            } else {
                b"grub_cmd "
            };
            event.data = [label, &text, b"\0"].concat();
            event.measured = Some([&text[..], b"\0"].concat());
        }
        for (name, what) in [("grub_linuxefi Kernel", "kernel"), ("grub_linuxefi Initrd", "initrd")] {
            let at = log.position(|event| event.pcr == 9 && event.measured.as_ref() == Some(&content(what)));
            if let Some(event) = log.events.get_mut(at) {
                event.data = format!("{name}\0").into_bytes();
            }
        }
        log
    }

    /// Entries come from `blscfg`.
    fn into_bls(mut self) -> Self {
        for text in ["insmod blscfg", "blscfg"] {
            let event = BuiltEvent::grub("grub_cmd: ", text);
            self.insert_before(|event| event.data.starts_with(b"grub_cmd: linux "), event);
        }
        self
    }
}
