//! CCEL logs of the boots in [`presets`](super::presets), in the form of GCE's TDX firmware.

use vouchsafe_protocol::Digest48;

use super::Bank;
use super::BuiltEvent;
use super::EventLogBuilder;
use super::presets::content;
use crate::event_log::EventType as T;
use crate::technology::Technology;

/// Size of the log area in GCE's firmware.
pub const CCEL_AREA: usize = 262_144;

impl EventLogBuilder {
    /// The Ubuntu boot in CCEL.
    #[must_use]
    pub fn ccel_ubuntu() -> Self {
        Self::gce_ubuntu(Technology::Tdx).into_ccel()
    }

    /// The UKI boot in CCEL.
    #[must_use]
    pub fn ccel_uki() -> Self {
        Self::gce_uki(Technology::Tdx).into_ccel()
    }

    /// The CCEL log of a boot: registers instead of PCRs, SHA-384 only, no PCR 0; one separator each in
    /// registers 1 and 2; the hand-off block and the configuration volume first. Make changes by PCR before
    /// this.
    #[must_use]
    pub fn into_ccel(self) -> Self {
        let mut log = Self { header_index: 1, ..Self::new(vec![Bank::Sha384]) };
        log.events = vec![
            BuiltEvent::measuring(1, T::EFI_HANDOFF_TABLES2, content("hob"), b"\x09TdxTable\0".to_vec()),
            BuiltEvent::measuring(1, T::EFI_PLATFORM_FIRMWARE_BLOB2, content("cfv"), b"\x02Fv".to_vec()),
        ];
        let kept = self.events.into_iter().filter(|event| {
            event.pcr != 0 && (event.event_type != T::SEPARATOR || matches!(event.pcr, 4 | 7))
        });
        log.events.extend(kept.map(|event| BuiltEvent { pcr: register(event.pcr), ..event }));
        log
    }

    /// Padded to the area of GCE.
    #[must_use]
    pub fn padded(mut self) -> Self {
        self.padding = CCEL_AREA.saturating_sub(self.bytes().len());
        self
    }

    /// RTMR0 to RTMR3 after the boot.
    #[must_use]
    pub fn rtmrs(&self) -> [Digest48; 4] {
        let mut rtmrs = [Digest48([0; 48]); 4];
        for (register, digest) in self.extends_of(Bank::Sha384) {
            let rtmr = usize::from(register).checked_sub(1).and_then(|rtmr| rtmrs.get_mut(rtmr));
            if let Some(rtmr) = rtmr {
                *rtmr = Digest48::of_parts(&[rtmr.as_bytes(), &digest]);
            }
        }
        rtmrs
    }
}

/// UEFI 2.10 §38.4.1.
const fn register(pcr: u32) -> u32 {
    match pcr {
        1 | 7 => 1,
        2..=6 => 2,
        _ => 3,
    }
}
