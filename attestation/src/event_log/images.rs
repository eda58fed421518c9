//! Images of boot options that returned: what these images measured gives no claims about the boot that
//! followed.

use super::actions::Actions;

/// Number of images started, for deciding whether one may have run in a boot option that returned.
#[derive(Default)]
pub(super) struct Images {
    started: bool,
    /// All except drivers of the machine's own devices.
    count: usize,
    /// Started in PCR 2. Its order relative to the boot options in PCR 4 is not measured.
    in_pcr_2: bool,
    returned: bool,
}

impl Images {
    /// Counts an application or driver that is started. In PCR 2, drivers of the machine's own devices come
    /// before the separator.
    pub(super) fn start(&mut self, pcr: u8, separated: bool) {
        self.started |= pcr != 2;
        self.in_pcr_2 |= pcr == 2 && separated;
        self.count += usize::from(pcr != 2 || separated);
    }

    /// An action was measured.
    pub(super) fn act(&mut self, actions: &Actions) {
        self.returned |= actions.has_returned() && self.started;
    }

    /// Whether an image may have run in a boot option that returned. A single image belongs to the option
    /// that did not return.
    pub(super) fn ran_earlier(&self, actions: &Actions) -> bool {
        self.returned || (actions.returned && self.in_pcr_2 && self.count > 1)
    }
}
