//! Images of boot options that returned: what they measured is no claim on the boot that followed.

use super::actions::Actions;

/// Which images were started, and whether before a boot option returned.
#[derive(Default)]
pub(super) struct Images {
    started: bool,
    /// All but drivers of the machine's own devices.
    count: usize,
    /// In PCR 2, whose order against the boot options of PCR 4 is not measured.
    in_pcr_2: bool,
    returned: bool,
}

impl Images {
    /// An application or a driver is started. In PCR 2 drivers of the machine's own devices come before the separator.
    pub(super) fn start(&mut self, pcr: u8, separated: bool) {
        self.started |= pcr != 2;
        self.in_pcr_2 |= pcr == 2 && separated;
        self.count += usize::from(pcr != 2 || separated);
    }

    /// An action was measured.
    pub(super) fn act(&mut self, actions: &Actions) {
        self.returned |= actions.has_returned() && self.started;
    }

    /// Whether an image may have run in a boot option that returned. A single one is that of the option that did not.
    pub(super) fn ran_earlier(&self, actions: &Actions) -> bool {
        self.returned || (actions.returned && self.in_pcr_2 && self.count > 1)
    }
}
