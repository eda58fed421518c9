//! Which event types are allowed in which PCR, and digests that are known in advance.

use std::sync::LazyLock;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;

use super::digest::EventDigest;
use super::error::EventLogError;
use super::event::Event;
use super::event_type::EventType as T;
use crate::technology::Technology;

/// Whether `event_type` may extend `pcr`; PCR 0 to 7 have a list for each side of the separator (PFP 1.06
/// §3.3.4, narrowed to what Linux guests with OVMF-like firmware measure).
pub(super) const fn allowed(pcr: u8, event_type: T, after_separator: bool) -> bool {
    match pcr {
        0..=7 if after_separator => allowed_after(pcr, event_type),
        0..=7 => allowed_before(pcr, event_type),
        8 | 11 | 14 => matches!(event_type, T::IPL),
        9 | 12 | 13 => matches!(event_type, T::IPL | T::EVENT_TAG),
        // 10 belongs to IMA (UAPI.7), has its own log and is not part of a release; 15 is the latch; 16 and
        // above are not used during boot.
        _ => false,
    }
}

/// Before the separator of PCR 0 to 7: measurements of the firmware itself.
const fn allowed_before(pcr: u8, event_type: T) -> bool {
    match pcr {
        // PFP 1.06 §3.3.4.1.
        0 => matches!(
            event_type,
            T::POST_CODE
                | T::POST_CODE2
                | T::S_CRTM_CONTENTS
                | T::S_CRTM_VERSION
                | T::CPU_MICROCODE
                | T::NONHOST_INFO
                | T::EFI_PLATFORM_FIRMWARE_BLOB
                | T::EFI_PLATFORM_FIRMWARE_BLOB2
                | T::EFI_HCRTM_EVENT
                | T::EFI_SPDM_FIRMWARE_BLOB
        ),
        // PFP 1.06 §3.3.4.2.
        1 => matches!(
            event_type,
            T::ACTION
                | T::EVENT_TAG
                | T::CPU_MICROCODE
                | T::PLATFORM_CONFIG_FLAGS
                | T::TABLE_OF_DEVICES
                | T::EFI_VARIABLE_DRIVER_CONFIG
                | T::EFI_VARIABLE_BOOT
                | T::EFI_VARIABLE_BOOT2
                | T::EFI_HANDOFF_TABLES
                | T::EFI_HANDOFF_TABLES2
                | T::EFI_SPDM_FIRMWARE_CONFIG
        ),
        // PFP 1.06 §3.3.4.3: drivers of the machine's own devices.
        2 => is_driver(event_type) || matches!(event_type, T::EFI_SPDM_FIRMWARE_BLOB),
        3 => matches!(
            event_type,
            T::EFI_VARIABLE_DRIVER_CONFIG | T::PLATFORM_CONFIG_FLAGS | T::EFI_SPDM_FIRMWARE_CONFIG
        ),
        // PFP 1.06 §3.3.4.5. Applications that the firmware itself loads, such as a kernel passed by the
        // hypervisor.
        4 => is_application(event_type) || matches!(event_type, T::EFI_ACTION),
        5 => is_partition_table(event_type),
        6 => matches!(event_type, T::COMPACT_HASH),
        // PFP 1.06 §3.3.4.8.
        7 => is_device_key(event_type) || matches!(event_type, T::EFI_VARIABLE_DRIVER_CONFIG | T::EFI_ACTION),
        _ => false,
    }
}

/// After the separator of PCR 0 to 7: what the firmware starts. Nothing in 0, 3 and 6.
const fn allowed_after(pcr: u8, event_type: T) -> bool {
    match pcr {
        // EV_EVENT_TAG: the SMBIOS tables that systemd-boot and systemd-stub measure.
        1 => matches!(
            event_type,
            T::EFI_VARIABLE_BOOT
                | T::EFI_VARIABLE_BOOT2
                | T::EFI_HANDOFF_TABLES
                | T::EFI_HANDOFF_TABLES2
                | T::EVENT_TAG
        ),
        // GCE's TDX firmware measures the partition table and a UKI here.
        2 => {
            is_driver(event_type)
                || is_application(event_type)
                || is_partition_table(event_type)
                || matches!(event_type, T::EFI_SPDM_FIRMWARE_BLOB)
        }
        4 => is_application(event_type) || matches!(event_type, T::EFI_ACTION),
        // Tagged: loader.conf of systemd-boot.
        5 => is_partition_table(event_type) || matches!(event_type, T::EFI_ACTION | T::EVENT_TAG),
        // PFP 1.06 §3.3.4.8: the authority for an image is measured when the image is verified.
        7 => is_device_key(event_type) || matches!(event_type, T::EFI_VARIABLE_AUTHORITY),
        _ => false,
    }
}

pub(super) const fn is_application(event_type: T) -> bool {
    matches!(event_type, T::EFI_BOOT_SERVICES_APPLICATION)
}

pub(super) const fn is_driver(event_type: T) -> bool {
    matches!(event_type, T::EFI_BOOT_SERVICES_DRIVER | T::EFI_RUNTIME_SERVICES_DRIVER)
}

pub(super) const fn is_partition_table(event_type: T) -> bool {
    matches!(event_type, T::EFI_GPT_EVENT | T::EFI_GPT_EVENT2)
}

const fn is_device_key(event_type: T) -> bool {
    matches!(event_type, T::EFI_SPDM_DEVICE_POLICY | T::EFI_SPDM_DEVICE_AUTHORITY)
}

/// Refuses an event whose digest is not that of its data; only for types that are defined this way (PFP 1.06
/// §10.4.1).
pub(super) fn require_covered(event: &Event<'_>) -> Result<(), EventLogError> {
    if event.digest.covers(&[event.data]) {
        return Ok(());
    }
    let Event { number, pcr, event_type, .. } = *event;
    Err(EventLogError::DigestMismatch { event: number, pcr, event_type })
}

/// Requires that the digest covers the data, and that the data is a separator and no error (EV_SEPARATOR, PFP
/// 1.06 §10.4.1).
pub(super) fn require_separator(event: &Event<'_>) -> Result<(), EventLogError> {
    let Event { number, pcr, data, .. } = *event;
    require_covered(event)?;
    if data == ERROR {
        return Err(EventLogError::FirmwareError { event: number, pcr });
    }
    if data != SEPARATOR {
        return Err(EventLogError::MalformedSeparator { event: number, pcr });
    }
    Ok(())
}

/// Google's use of EV_NONHOST_INFO (PFP 1.06 §10.4.1): 32 bytes, with the name, the technology and 15
/// reserved zeros.
pub(super) fn technology(data: &[u8], event: usize) -> Result<Technology, EventLogError> {
    let malformed = EventLogError::MalformedNonHostInfo { event };
    let Some((&value, reserved)) = data.strip_prefix(NON_HOST_INFO).and_then(<[u8]>::split_first) else {
        return Err(malformed);
    };
    if reserved != [0; 15] {
        return Err(malformed);
    }
    Technology::from_byte(value).ok_or(EventLogError::UnknownTechnology { value })
}

/// Digests of separators, and of what firmware measures instead after an error, in both banks.
pub(super) static SEPARATOR_DIGESTS: LazyLock<[EventDigest; 4]> = LazyLock::new(|| {
    [
        Digest32::of(&SEPARATOR).into(),
        Digest32::of(&ERROR).into(),
        Digest48::of(&SEPARATOR).into(),
        Digest48::of(&ERROR).into(),
    ]
});
/// Digests of `GCE NonHostInfo` by technology byte.
pub(super) static NON_HOST_INFO_DIGESTS: LazyLock<[EventDigest; 5]> = LazyLock::new(|| {
    [0, 1, 2, 3, 4].map(|byte| Digest32::of_parts(&[NON_HOST_INFO, &[byte], &[0; 15]]).into())
});

/// Data of a separator (PFP 1.06 §10.4.1).
const SEPARATOR: [u8; 4] = [0; 4];
/// Data of an error event.
const ERROR: [u8; 4] = [0xff; 4];
/// Prefix of `GCE NonHostInfo`.
const NON_HOST_INFO: &[u8] = b"GCE NonHostInfo\0";
