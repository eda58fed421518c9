//! The phase of a boot, from PCR 15 (UAPI.7; T31, T59). No value of that register makes a log refused.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::LATCH_WORD;

use super::userspace_grammar::digest_of;
use super::userspace_grammar::extend;
use super::userspace_log::UserspaceLog;

/// The boot phase, from PCR 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// PCR 15 has its reset value: it was never extended.
    Initrd,
    /// Our latch word was the first to be extended into PCR 15.
    Latched,
    /// PCR 15 was extended, but not first with our latch; for example by systemd after switch-root.
    Booted,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initrd => "initrd",
            Self::Latched => "latched",
            Self::Booted => "booted",
        })
    }
}

/// The phase, and the entries of PCR 15 that the log proves. The log is used only if its replay gives the
/// register's value, which proves its first entry.
pub(super) fn phase(value: &Digest32, log: Option<&UserspaceLog>) -> (Phase, Vec<Cow<'static, str>>) {
    if *value == RESET {
        return (Phase::Initrd, Vec::new());
    }
    if *value == extend(&RESET, digest_of(LATCH_WORD).as_bytes()) {
        return (Phase::Latched, vec![Cow::Borrowed(LATCH_WORD)]);
    }
    let (mut reached, mut words) = (RESET, Vec::new());
    for record in log.into_iter().flat_map(|log| log.of(PHASE_PCR)) {
        reached = extend(&reached, record.digest.as_bytes());
        words.push(record.shown());
        if reached == *value {
            let latched = words.first().is_some_and(|first| first == LATCH_WORD);
            return (if latched { Phase::Latched } else { Phase::Booted }, words);
        }
    }
    (Phase::Booted, Vec::new())
}

const RESET: Digest32 = Digest32([0; 32]);
/// The register of the latch.
pub(super) const PHASE_PCR: u8 = 15;
