//! Claims that are absent although the evidence held data for them, with the reason.
//!
//! An attacker can omit an optional part of the evidence, so refusing a flawed one gains nothing: its claims
//! are absent instead, and the reason is kept for `verify`, `explain` and `policy test`.

use std::fmt;

use serde::Serialize;

/// An absent claim and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// The claim as policies name it below `principal`: `sev_snp.endorsement`, `vtpm.command_line`. In a
    /// [`BootLog`](crate::event_log::BootLog) it is relative to that log: `command_line`.
    pub claim: &'static str,
    /// Stable name of the reason in kebab-case.
    pub reason: String,
    /// The reason in words.
    pub detail: String,
}

impl Withheld {
    /// Withholds `claim`; `reason` is in kebab-case and stable, since records hold it.
    #[must_use]
    pub fn new(claim: &'static str, reason: &'static str, detail: impl fmt::Display) -> Self {
        Self { claim, reason: reason.to_owned(), detail: detail.to_string() }
    }
}

/// The place of a boot log's claims in policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootClaims {
    /// The vTPM's log.
    Vtpm,
    /// CCEL.
    Ccel,
}

impl Withheld {
    /// A claim of a boot log by its whole name.
    pub(crate) fn below(&self, boot: BootClaims) -> Self {
        let names = BOOT_CLAIMS.iter().find(|(claim, ..)| *claim == self.claim);
        let claim = names.map_or(self.claim, |(_, vtpm, ccel)| match boot {
            BootClaims::Vtpm => vtpm,
            BootClaims::Ccel => ccel,
        });
        Self { claim, ..self.clone() }
    }
}

/// Claims of a boot log: the name in the log, below the vTPM and below TDX.
const BOOT_CLAIMS: [(&str, &str, &str); 5] = [
    ("command_line", "vtpm.command_line", "tdx.boot.command_line"),
    ("arguments", "vtpm.arguments", "tdx.boot.arguments"),
    ("words", "vtpm.words", "tdx.boot.words"),
    ("grub_commands", "vtpm.grub_commands", "tdx.boot.grub_commands"),
    ("stub_sections", "vtpm.stub_sections", "tdx.boot.stub_sections"),
];

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is absent: {} ({})", self.claim, self.detail, self.reason)
    }
}
