//! Event types by number and name (PFP 1.06 §10.4.1).

use std::fmt;

/// The type of an event, as the log states it. It is not measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub u32);

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        impl EventType {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// Its name in the specification; `unknown` for any other.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    _ => "unknown",
                }
            }
        }
    };
}

event_types! {
    /// Firmware code.
    POST_CODE = 0x01, "EV_POST_CODE";
    /// Not extended.
    NO_ACTION = 0x03, "EV_NO_ACTION";
    /// End of the firmware's own measurements in a PCR.
    SEPARATOR = 0x04, "EV_SEPARATOR";
    /// A text.
    ACTION = 0x05, "EV_ACTION";
    /// A tag and a length before the data.
    EVENT_TAG = 0x06, "EV_EVENT_TAG";
    /// Code of the root of trust for measurement.
    S_CRTM_CONTENTS = 0x07, "EV_S_CRTM_CONTENTS";
    /// Version of it.
    S_CRTM_VERSION = 0x08, "EV_S_CRTM_VERSION";
    /// Microcode.
    CPU_MICROCODE = 0x09, "EV_CPU_MICROCODE";
    /// Platform configuration; ACPI tables on GCE.
    PLATFORM_CONFIG_FLAGS = 0x0a, "EV_PLATFORM_CONFIG_FLAGS";
    /// Devices.
    TABLE_OF_DEVICES = 0x0b, "EV_TABLE_OF_DEVICES";
    /// A digest defined by the firmware's vendor.
    COMPACT_HASH = 0x0c, "EV_COMPACT_HASH";
    /// What boot loaders and systemd-stub measure.
    IPL = 0x0d, "EV_IPL";
    /// Platform data outside of the host; on GCE it carries the technology byte.
    NONHOST_INFO = 0x11, "EV_NONHOST_INFO";
    /// Firmware code, later form.
    POST_CODE2 = 0x13, "EV_POST_CODE2";
    /// A UEFI variable that configures drivers or Secure Boot.
    EFI_VARIABLE_DRIVER_CONFIG = 0x8000_0001, "EV_EFI_VARIABLE_DRIVER_CONFIG";
    /// A UEFI boot variable.
    EFI_VARIABLE_BOOT = 0x8000_0002, "EV_EFI_VARIABLE_BOOT";
    /// An EFI application.
    EFI_BOOT_SERVICES_APPLICATION = 0x8000_0003, "EV_EFI_BOOT_SERVICES_APPLICATION";
    /// An EFI driver.
    EFI_BOOT_SERVICES_DRIVER = 0x8000_0004, "EV_EFI_BOOT_SERVICES_DRIVER";
    /// An EFI run-time driver.
    EFI_RUNTIME_SERVICES_DRIVER = 0x8000_0005, "EV_EFI_RUNTIME_SERVICES_DRIVER";
    /// A partition table.
    EFI_GPT_EVENT = 0x8000_0006, "EV_EFI_GPT_EVENT";
    /// A text.
    EFI_ACTION = 0x8000_0007, "EV_EFI_ACTION";
    /// A firmware volume.
    EFI_PLATFORM_FIRMWARE_BLOB = 0x8000_0008, "EV_EFI_PLATFORM_FIRMWARE_BLOB";
    /// Tables that firmware hands to the operating system.
    EFI_HANDOFF_TABLES = 0x8000_0009, "EV_EFI_HANDOFF_TABLES";
    /// A firmware volume with a name.
    EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000_000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2";
    /// Tables passed to the OS, with a name.
    EFI_HANDOFF_TABLES2 = 0x8000_000b, "EV_EFI_HANDOFF_TABLES2";
    /// A UEFI boot variable, whole structure measured.
    EFI_VARIABLE_BOOT2 = 0x8000_000c, "EV_EFI_VARIABLE_BOOT2";
    /// A partition table without the identifiers that differ between disks.
    EFI_GPT_EVENT2 = 0x8000_000d, "EV_EFI_GPT_EVENT2";
    /// Measured by the hardware before the firmware started.
    EFI_HCRTM_EVENT = 0x8000_0010, "EV_EFI_HCRTM_EVENT";
    /// The key or digest that authorised an image under Secure Boot.
    EFI_VARIABLE_AUTHORITY = 0x8000_00e0, "EV_EFI_VARIABLE_AUTHORITY";
    /// Firmware of a device, as the device reports it (SPDM).
    EFI_SPDM_FIRMWARE_BLOB = 0x8000_00e1, "EV_EFI_SPDM_FIRMWARE_BLOB";
    /// Configuration of a device, as the device reports it (SPDM).
    EFI_SPDM_FIRMWARE_CONFIG = 0x8000_00e2, "EV_EFI_SPDM_FIRMWARE_CONFIG";
    /// The variable with the keys that devices are authenticated by (SPDM).
    EFI_SPDM_DEVICE_POLICY = 0x8000_00e3, "EV_EFI_SPDM_DEVICE_POLICY";
    /// Which key authenticated a device (SPDM).
    EFI_SPDM_DEVICE_AUTHORITY = 0x8000_00e4, "EV_EFI_SPDM_DEVICE_AUTHORITY";
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:08x})", self.name(), self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
