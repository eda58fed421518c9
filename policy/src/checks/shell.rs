//! Whether a disk's initrd can drop to a shell (T35).
//!
//! initramfs-tools reboots if `panic=` has a number, dracut with `rd.shell=0` and `rd.emergency=reboot`. Of
//! each the last one takes effect, for the kernel and for scripts; a VM's claim `arguments` contains only
//! that one.

use super::chain::closes_rtmr2;
use super::facts::Facts;
use crate::arguments;

/// The command line in one of the logs rules out a shell.
pub(super) fn is_ruled_out(facts: &Facts<'_>) -> bool {
    let vtpm = facts.counts("vtpm") && in_log(facts, "vtpm");
    vtpm || (facts.counts("tdx") && closes_rtmr2(facts) && in_log(facts, "tdx.boot"))
}

fn in_log(facts: &Facts<'_>, boot: &str) -> bool {
    let line = |line: &str| {
        let effective = arguments::effective_of_line(line);
        rules_out(effective.iter().map(String::as_str))
    };
    // `words` has everything that a parser might see in the line: it can prove that a word is absent, but no
    // argument.
    facts.each(&format!("{boot}.command_line"), line)
        || rules_out(facts.members(&format!("{boot}.arguments")))
}

fn rules_out<'a>(arguments: impl Iterator<Item = &'a str>) -> bool {
    let found: Vec<&str> = arguments.collect();
    found.iter().any(|argument| arguments::reboots(argument))
        || arguments::DRACUT.iter().all(|argument| found.contains(argument))
}
