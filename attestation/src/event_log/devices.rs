//! Events of disks and devices whose data proves that they are nothing else.
//!
//! An Authenticode digest is a plain SHA-256 over most of an image, so an image of an application, used as
//! data, could match the digest as well. The data accepted here starts in a way that no image does.

use super::boot::EventKind;
use super::classified::Classified;
use super::error::EventLogError;
use super::event::Event;
use super::rules::require_covered;
use super::variable::Variable;

/// A partition table, EV_EFI_GPT_EVENT (PFP 1.06 §10.4.1), which starts with its header (UEFI 2.10 §5.3.2).
/// An Authenticode digest is a plain SHA-256 over most of the image, so an image of an application could
/// match the digest as well; but no image starts with this header.
pub(super) fn partition_table(event: &Event<'_>) -> Result<Classified, EventLogError> {
    require_covered(event)?;
    if !event.data.starts_with(GPT_SIGNATURE) {
        return Err(EventLogError::MalformedPartitionTable { event: event.number });
    }
    Ok(EventKind::PartitionTable.into())
}

/// The firmware that a device reports (PFP 1.06 §10.2.7). The digest must cover the data, and like a
/// partition table it starts as no image does.
pub(super) fn device_firmware(event: &Event<'_>) -> Result<Classified, EventLogError> {
    require_covered(event)?;
    if !event.data.starts_with(SPDM_SIGNATURE) {
        return Err(EventLogError::MalformedDeviceEvent { event: event.number });
    }
    Ok(EventKind::Other.into())
}

/// The variable with device keys, or the key that was used (PFP 1.06 §3.3.4.8). The digest must cover the
/// data, so no Secure Boot variable and no authority of an image can be passed off as it.
pub(super) fn device_keys(event: &Event<'_>) -> Result<Classified, EventLogError> {
    require_covered(event)?;
    match Variable::parse(event.data) {
        Some(variable) if variable.name == DEVICE_KEYS && variable.excess == 0 => Ok(EventKind::Other.into()),
        _ => Err(EventLogError::MalformedDeviceEvent { event: event.number }),
    }
}

const GPT_SIGNATURE: &[u8] = b"EFI PART";
/// `DEVICE_SECURITY_EVENT_DATA` and its second version start with it.
const SPDM_SIGNATURE: &[u8] = b"SPDM Device Sec";
const DEVICE_KEYS: &str = "devdb";
