//! The SMBIOS tables that systemd-boot and systemd-stub measure into PCR 1 after its separator, since version 261
//! (`TPM2_PCR_MEASUREMENTS`).
//!
//! The digest is that of a table, but the event contains only its type: nothing here can be checked, and no
//! decision depends on it. Type 1 has UUID and serial number, so the value of PCR 1 is specific to the
//! machine.

use super::boot::EventKind;
use super::classified::Classified;
use super::error::EventLogError;
use super::event::Event;
use super::tagged::tag_and_text;
use super::variable::utf16_text;

/// The tables measured so far.
#[derive(Default)]
pub(super) struct Smbios {
    system: bool,
    baseboard: bool,
}

impl Smbios {
    /// Processes the next tagged event of PCR 1 after its separator. `again`: a boot option returned, which
    /// may have measured the tables before.
    pub(super) fn step(&mut self, event: &Event<'_>, again: bool) -> Result<Classified, EventLogError> {
        let Event { number, pcr, event_type, .. } = *event;
        let (tag, text) = tag_and_text(event)?;
        let name = utf16_text(text).filter(|_| TAGS.contains(&tag));
        let seen = match name.as_deref() {
            Some(SYSTEM) => std::mem::replace(&mut self.system, true),
            Some(BASEBOARD) => std::mem::replace(&mut self.baseboard, true),
            // A machine may have several of these.
            Some(OEM_STRINGS) => false,
            _ => return Err(EventLogError::EventAfterSeparator { event: number, pcr, event_type }),
        };
        if seen && !again {
            return Err(EventLogError::SecondSmbiosTable { event: number });
        }
        Ok(Classified::untrusted(EventKind::Other, name.unwrap_or_default().as_bytes()))
    }
}

/// systemd's `TPM2_PCR_MEASUREMENTS`: types 1, 2 and 11.
const TAGS: [u32; 3] = [0xd5cb_7cbc, 0xe0d4_7bc8, 0xc0b3_bd23];
const SYSTEM: &str = "smbios:type1";
const BASEBOARD: &str = "smbios:type2";
const OEM_STRINGS: &str = "smbios:type11";
