//! Events of disks and devices whose data says that they are nothing else.
//!
//! An Authenticode digest is a plain SHA-256 over most of an image, so the image of an application as data could cover its digest
//! as well; what is accepted here begins as no image does.

use super::Event;
use super::boot::EventKind;
use super::error::EventLogError;
use super::machine::Judged;
use super::rules::require_covered;
use super::variable::Variable;

/// A partition table, EV_EFI_GPT_EVENT (PFP 1.06 §10.4.1), with its header first (UEFI 2.10 §5.3.2). An Authenticode digest is a plain SHA-256 over most of the image, so the image
/// of an application could cover the digest as well; no image begins like this.
pub(super) fn partition_table(event: &Event<'_>) -> Result<Judged, EventLogError> {
    require_covered(event)?;
    if !event.data.starts_with(GPT_SIGNATURE) {
        return Err(EventLogError::MalformedPartitionTable { event: event.number });
    }
    Ok(EventKind::PartitionTable.into())
}

/// What a device says of its firmware (PFP 1.06 §10.2.7): covered, and like a partition table nothing that an image
/// begins with.
pub(super) fn device_firmware(event: &Event<'_>) -> Result<Judged, EventLogError> {
    require_covered(event)?;
    if !event.data.starts_with(SPDM_SIGNATURE) {
        return Err(EventLogError::MalformedDeviceEvent { event: event.number });
    }
    Ok(EventKind::Other.into())
}

/// The variable with the keys of devices, or the one that was used (PFP 1.06 §3.3.4.8): covered, so that no variable of
/// Secure Boot and no authority of an image can take its place.
pub(super) fn device_keys(event: &Event<'_>) -> Result<Judged, EventLogError> {
    require_covered(event)?;
    match Variable::parse(event.data) {
        Some(variable) if variable.name == DEVICE_KEYS && variable.excess == 0 => Ok(EventKind::Other.into()),
        _ => Err(EventLogError::MalformedDeviceEvent { event: event.number }),
    }
}

const GPT_SIGNATURE: &[u8] = b"EFI PART";
/// `DEVICE_SECURITY_EVENT_DATA` and its second version begin with it.
const SPDM_SIGNATURE: &[u8] = b"SPDM Device Sec";
const DEVICE_KEYS: &str = "devdb";
